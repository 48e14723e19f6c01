"""The teacher's variants: settings, deviation of logits, table and figure."""

from pathlib import Path

import deviation
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner

from styledistill import config as configuration
from styledistill.core.errors import UserError
from styledistill.core.files import write_json
from styledistill.core.images import save_png
from styledistill.report.figures import ablation as curves
from styledistill.report.tables import ablation, formats, stored
from styledistill.teacher.injection import decoder_layers
from styledistill.teacher.load import load_teacher
from styledistill.teacher.logit_deviation import attention_deviation, logit_deviation


def with_variants(variants):
    smoke = Path(__file__).parents[3] / "workflow" / "presets" / "smoke.yaml"
    return configuration.validate(yaml.safe_load(smoke.read_text()) | {"metrics": {}, "ablation": variants})


def test_a_variant_changes_what_it_says_and_default_is_the_teacher():
    config = with_variants({"flat": {"gamma": 0.0}, "bare": {"adain": False, "injection": False}})
    assert list(config.variants) == ["default", "flat", "bare"]
    assert config.variants["default"] == config.teacher
    assert config.variants["flat"] == config.teacher.model_copy(update={"gamma": 0.0})
    assert config.variants["bare"] == config.teacher.model_copy(update={"adain": False, "injection": False})
    assert with_variants({}).variants == {}


def test_a_variant_may_have_a_schedule_but_not_the_name_default():
    assert with_variants({"cosine": {"gamma": {"start": 0.75, "end": 0.3}}}).variants["cosine"].gamma.end == 0.3
    with pytest.raises(UserError, match=r"ablation: default is the teacher as it is"):
        with_variants({"default": {}})
    with pytest.raises(UserError, match=r"ablation\.x\.steps: unknown key"):
        with_variants({"x": {"steps": 3}})


@pytest.mark.parametrize("metrics", [{"lpips": "none"}, {"fid": "none"}, {"lpips": "none", "fid": "none"}])
def test_its_figure_needs_lpips_and_fid(metrics):
    values = with_variants({}).model_dump() | {"metrics": metrics}
    assert configuration.validate(values).variants == {}
    said = rf"ablation: its figure shows LPIPS against FID, and metrics\.{next(iter(metrics))} is none"
    with pytest.raises(UserError, match=said) as refused:
        configuration.validate(values | {"ablation": {"flat": {"gamma": 0.0}}})
    assert len(str(refused.value).splitlines()) == 1


def test_deviation_of_logits_is_that_of_the_whole_map():
    random = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 30, 8, generator=random) + 0.3, torch.randn(2, 50, 8, generator=random) - 0.5
    heads = [tokens.unflatten(-1, (2, 4)).transpose(1, 2) for tokens in (query, key)]
    logits = heads[0] @ heads[1].transpose(2, 3) / 4**0.5
    expected = logits.flatten(2).std(2, correction=0)
    torch.testing.assert_close(logit_deviation(query, key, 2).float(), expected)


@pytest.fixture
def teacher(monkeypatch):
    """The tiny teacher at 3 steps, whose injection takes the content's queries alone."""
    monkeypatch.chdir(Path(__file__).parents[3])
    settings = with_variants({}).teacher.model_copy(update={"steps": 3, "gamma": 1.0, "temperature": 1.0})
    return load_teacher(settings, torch.device("cpu"))


def test_the_table_of_deviations_has_seven_digits(tmp_path, monkeypatch):
    rows = [
        {"timestep": t, "layer": 7, "kind": kind, "deviation": t / 7e3} for t in (1, 21) for kind in ("injected", "own")
    ]
    monkeypatch.setattr(deviation, "load_teacher", lambda *_: None)
    monkeypatch.setattr(deviation, "attention_deviation", lambda *_: rows)
    save_png(np.zeros((8, 8, 3), np.uint8), tmp_path / "a.png")
    words = [f"--content={tmp_path / 'a.png'}", f"--style={tmp_path / 'a.png'}", f"--table={tmp_path / 'a.csv'}"]
    done = CliRunner().invoke(deviation.main, [*words, '--teacher={"weights": "none"}', "--device=cpu"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a.csv").read_text() == pd.DataFrame(rows).to_csv(index=False, float_format="%.7g")


def test_deviations_are_of_the_content_s_queries_and_the_style_s_keys_at_every_step(teacher):
    content, style = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    # What each attention's projections give while content and style are inverted: the timesteps in turn.
    seen = {role: _projected(teacher, role, image) for role, image in (("content", content), ("style", style))}
    rows = pd.DataFrame(attention_deviation(teacher, content, style))
    injected = rows[rows["kind"] == "injected"].set_index(["timestep", "layer"])["deviation"]
    timesteps = [step.timestep for step in teacher.convention.sampling]
    assert set(injected.index) == {(timestep, layer) for timestep in timesteps for layer in teacher.layers}
    inverted = [step.timestep for step in teacher.convention.inversion]
    for (timestep, layer), found in injected.items():
        heads = teacher.model.unet.get_submodule(decoder_layers(teacher.model.unet)[layer]).heads
        query = seen["content"][layer, "to_q"][inverted.index(timestep)]
        key = seen["style"][layer, "to_k"][inverted.index(timestep)]
        query, key = (tokens.unflatten(-1, (heads, -1)).transpose(1, 2) for tokens in (query, key))
        logits = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        assert found == pytest.approx(logits.flatten(2).std(2, correction=0).mean().item(), rel=1e-4)
    own = rows[rows["kind"] == "own"].set_index(["timestep", "layer"])["deviation"]
    assert set(own.index) == set(injected.index) and not np.allclose(own, injected, rtol=1e-2)


def _projected(teacher, role, image):
    """By (layer, projection), its output at each step of the inversion of an image."""
    found, hooks = {}, []
    for layer, name in decoder_layers(teacher.model.unet).items():
        for part in ("to_q", "to_k"):
            kept = found.setdefault((layer, part), [])
            module = getattr(teacher.model.unet.get_submodule(name), part)
            hooks.append(module.register_forward_hook(lambda _, __, output, kept=kept: kept.append(output)))
    teacher.invert(teacher.encode(image), role)
    for hook in hooks:
        hook.remove()
    return found


@pytest.fixture
def scores(tmp_path):
    """Score files of a default and three variants."""
    random = np.random.default_rng(0)
    names = {"seeded": [], "networks": {"alexnet": "a", "vgg19": "v", "inception": "i"}}
    paths = []
    for number, name in enumerate(("default", "low", "cosine", "bare")):
        rows = [{"set": "golden", "pair": f"c{c}_s{s}", "content": c, "style": s} for c in range(3) for s in range(3)]
        table = pd.DataFrame(rows)
        for measure in ablation.MEASURES:
            if measure.per_pair:
                table[measure.name] = random.uniform(0.4, 0.6, len(table)) + number
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        facts = {"pairs": 9, "fid": 20.0 - number, "artfid": 30.0, "fid_64": 2.0} | dict.fromkeys(
            ("kid", "kid_low", "kid_high"), 0.1
        )
        write_json(tmp_path / f"{name}.json", names | {"model": name, "sets": {"golden": facts}})
        paths.append(tmp_path / f"{name}.csv")
    return paths


@pytest.fixture
def table(scores):
    changes = {"low": {"gamma": 0.1}, "cosine": {"gamma": {"start": 0.75, "end": 0.25}}, "bare": {"adain": False}}
    return ablation.ablation_table(scores, with_variants(changes).variants, 200, seed=1)


def test_the_table_says_what_each_variant_is(table):
    document = ablation.document(table, 200)
    text = formats.markdown(document)
    assert "| default | 0.4 | 1.5 | on | on | **0." in text
    assert "| cosine | 0.75 to 0.25 | 1.5 | on | on | 2." in text
    assert "| bare | 0.4 | 1.5 | off | on |" in text
    assert text.count("**") == 2 * 5  # all but those of Inception, which do not compete on so few images
    assert "(20.0)" in text and "9 pairs, below the 200" in text
    assert r"\textcolor{gray}{(20.0)}" in formats.latex(document)


def test_only_networks_of_random_weights_are_called_seeded(table):
    assert "seeded" not in ablation.note(table, 200)
    assert "seeded" in ablation.note(table.assign(seeded="alexnet"), 200)


def test_its_curve_is_drawn_of_the_table_that_is_stored_as_of_the_one_that_was_made(table, tmp_path):
    stored.write(ablation.document(table, 200), tmp_path / "ablation")
    again = stored.read(tmp_path / "ablation").data
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    assert list(map(type, again["gamma"])) == [float, float, str, float]


def test_the_curve_holds_gammas_alone_and_the_ratio_is_of_own_over_injected(table):
    rows = [
        {"timestep": t, "layer": layer, "kind": kind, "deviation": value}
        for t in (1, 101)
        for layer in (3, 4)
        for kind, value in (("own", 3.0 + t), ("injected", (3.0 + t) / 1.5))
    ]
    deviation = pd.DataFrame(rows)
    assert curves.ratio(deviation) == pytest.approx(1.5)
    left, right = curves.ablation_figure(table, deviation).axes
    curve, schedules = left.lines
    assert list(curve.get_xdata()) == [19.0, 20.0]  # gamma 0.1, then 0.4; not the one without AdaIN
    assert list(schedules.get_xdata()) == [18.0]
    assert [line.get_label() for line in right.lines] == ["without injection", "with injection"]
