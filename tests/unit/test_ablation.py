"""The teacher's variants: settings, deviation of logits, table and figure."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from styledistill import config as configuration
from styledistill.core.errors import UserError
from styledistill.core.files import write_json
from styledistill.report import ablation
from styledistill.teacher.deviation import logit_deviation


def with_variants(variants):
    from pathlib import Path

    smoke = Path(__file__).parents[2] / "workflow" / "presets" / "smoke.yaml"
    return configuration.validate(yaml.safe_load(smoke.read_text()) | {"ablation": variants})


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


def test_deviation_of_logits_is_that_of_the_whole_map():
    random = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 30, 8, generator=random) + 0.3, torch.randn(2, 50, 8, generator=random) - 0.5
    heads = [tokens.unflatten(-1, (2, 4)).transpose(1, 2) for tokens in (query, key)]
    logits = heads[0] @ heads[1].transpose(2, 3) / 4**0.5
    expected = logits.flatten(2).std(2, correction=0)
    torch.testing.assert_close(logit_deviation(query, key, 2).float(), expected)


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
        facts = {"pairs": 9, "fid": 20.0 - number, "artfid": 30.0}
        write_json(tmp_path / f"{name}.json", names | {"model": name, "sets": {"golden": facts}})
        paths.append(tmp_path / f"{name}.csv")
    return paths


@pytest.fixture
def table(scores):
    changes = {"low": {"gamma": 0.1}, "cosine": {"gamma": {"start": 0.75, "end": 0.25}}, "bare": {"adain": False}}
    return ablation.ablation_table(scores, with_variants(changes).variants, 200, seed=1)


def test_the_table_says_what_each_variant_is(table):
    text = ablation.markdown(table, 200)
    assert "| default | 0.4 | 1.5 | on | on | 0." in text
    assert "| cosine | 0.75 to 0.25 | 1.5 | on | on | 2." in text
    assert "| bare | 0.4 | 1.5 | off | on |" in text
    assert "(20.0)" in text and "fewer than 200 pairs" in text
    assert r"\textcolor{gray}{(20.0)}" in ablation.latex(table, 200)


def test_the_curve_holds_gammas_alone_and_the_ratio_is_of_own_over_injected(table):
    rows = [
        {"timestep": t, "layer": layer, "kind": kind, "deviation": value}
        for t in (1, 101)
        for layer in (3, 4)
        for kind, value in (("own", 3.0 + t), ("injected", (3.0 + t) / 1.5))
    ]
    deviation = pd.DataFrame(rows)
    assert ablation.ratio(deviation) == pytest.approx(1.5)
    left, right = ablation.ablation_figure(table, deviation).axes
    curve, schedules = left.lines
    assert list(curve.get_xdata()) == [19.0, 20.0]  # gamma 0.1, then 0.4; not the one without AdaIN
    assert list(schedules.get_xdata()) == [18.0]
    assert [line.get_label() for line in right.lines] == ["without injection", "with injection"]
