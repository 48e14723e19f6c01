"""Controls, rendering and the cost of a model."""

import math
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import benchmark
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from styledistill.config import Teacher
from styledistill.core.errors import UserError
from styledistill.core.images import load_array, save_png
from styledistill.core.tensors import to_uint8
from styledistill.metrics.benchmark import COLUMNS, Measurement, measure_each
from styledistill.metrics.benchmark_model import measure
from styledistill.metrics.stylizers import (
    Control,
    Wanted,
    content,
    copy_finished,
    load_stylizer,
    networks_of,
    recolor,
    render,
    style,
)
from styledistill.splits.pairs import Pair, golden_pairs

CPU = torch.device("cpu")


def random_images(count, seed=0, size=(32, 32)):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def test_recolor_has_the_styles_mean_and_deviation_per_channel():
    contents = random_images(2)
    styles = 0.4 + 0.2 * random_images(2, seed=1, size=(48, 40)) * torch.tensor([1.0, 0.5, 0.2]).view(3, 1, 1)
    made = recolor(contents, styles)
    for statistic in (torch.mean, lambda x, dim: torch.std(x, dim=dim, correction=0)):
        torch.testing.assert_close(statistic(made, dim=(2, 3)), statistic(styles, dim=(2, 3)), rtol=0, atol=1e-5)


def test_recolor_keeps_the_order_of_levels_and_the_range():
    contents, styles = random_images(1), (random_images(1, seed=1) > 0.5).float()
    made = recolor(contents, styles)
    assert made.min() >= 0
    assert made.max() <= 1
    order = contents[0, 0].flatten().argsort()
    assert (made[0, 0].flatten()[order].diff() >= 0).all()


def test_recolor_of_a_flat_content_is_the_styles_mean():
    made = recolor(torch.full((1, 3, 8, 8), 0.3), random_images(1))
    assert torch.isfinite(made).all()
    torch.testing.assert_close(made.mean((2, 3)), random_images(1).mean((2, 3)), rtol=0, atol=1e-5)


def test_recolor_with_the_content_as_style_changes_nothing():
    torch.testing.assert_close(recolor(random_images(2), random_images(2)), random_images(2), rtol=0, atol=1e-5)


def test_unchanged_controls():
    a, b = random_images(2), random_images(2, seed=1)
    assert torch.equal(content(a, b), a)
    assert torch.equal(style(a, b), b)


def test_the_style_control_takes_the_contents_size():
    made = style(random_images(1, size=(24, 40)), torch.full((1, 3, 64, 64), 0.25))
    assert made.shape == (1, 3, 24, 40)
    torch.testing.assert_close(made, torch.full_like(made, 0.25))


def test_controls_are_known_by_name_and_hold_no_network():
    for name, function in (("content", content), ("style", style), ("recolor", recolor)):
        stylizer = load_stylizer(Wanted(name, CPU))
        assert stylizer.stylize is function
        assert networks_of(stylizer) == []


def test_a_student_without_a_folder_is_named():
    with pytest.raises(UserError, match=r"mse: .*recolor"):
        load_stylizer(Wanted("mse", CPU))


def test_the_teacher_without_settings_is_named():
    with pytest.raises(UserError, match="teacher"):
        load_stylizer(Wanted("teacher", CPU))


def test_a_student_in_a_folder_is_loaded_under_any_name(tmp_path):
    from styledistill.student.model import Student

    student = Student.create("tiny", 3)
    student.save(tmp_path / "mse")
    stylizer = load_stylizer(Wanted("mse", CPU, tmp_path / "mse"))
    a, b = random_images(2, size=(64, 64)), random_images(2, seed=1, size=(64, 64))
    assert torch.equal(stylizer.stylize(a, b), student.stylize(a, b))
    assert networks_of(stylizer) == [stylizer]


@pytest.fixture(scope="module")
def teacher_folder(tmp_path_factory):
    """A latent diffusion model with random weights and 4 x smaller latents."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
    ).save_pretrained(folder / "vae")
    DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False).save_pretrained(folder / "scheduler")
    save_file({"embedding": torch.zeros(1, 4, 8)}, folder / "null_text.safetensors")
    return folder


def test_the_teacher_keeps_finished_pairs_and_takes_them_from_the_store(images, tmp_path, teacher_folder):
    wanted = Wanted("teacher", CPU, teacher=Teacher(weights=str(teacher_folder), steps=2), store=tmp_path / "pairs")
    pairs = golden_pairs(images, 2, 3)
    render(load_stylizer(wanted), pairs, tmp_path / "first", CPU, chunk=6)
    kept = sorted((tmp_path / "pairs").rglob("*.png"))
    assert len(kept) == 6
    again, asked = load_stylizer(wanted), []
    networks_of(again)[0].register_forward_hook(lambda *_: asked.append(1))
    render(again, pairs, tmp_path / "second", CPU, chunk=6)
    assert not asked
    assert sorted((tmp_path / "pairs").rglob("*.png")) == kept
    for pair in pairs:
        first, second = (tmp_path / run / f"{pair.name}.png" for run in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
    render(load_stylizer(replace(wanted, store=None)), pairs[:1], tmp_path / "third", CPU)
    assert len(sorted((tmp_path / "pairs").rglob("*.png"))) == 6


# --- rendering ----------------------------------------------------------------------------------------------------


@pytest.fixture
def images(tmp_path):
    for name, crop in zip(("c0", "c1", "s0", "s1", "s2"), to_uint8(random_images(5)), strict=True):
        save_png(crop, tmp_path / f"images/golden/{name}.png")
    return tmp_path / "images"


@pytest.mark.parametrize("chunk", [1, 4, 6])
def test_each_pair_gets_its_own_image(images, tmp_path, chunk):
    pairs = golden_pairs(images, 2, 3)
    render(Control(lambda c, s: (c + s) / 2), pairs, tmp_path / "out", CPU, chunk)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"c{c}_s{s}.png" for c in range(2) for s in range(3)}
    expected = to_uint8((to_float(images / "golden/c1.png") + to_float(images / "golden/s2.png")) / 2)[0]
    assert (load_array(tmp_path / "out/c1_s2.png") == expected).all()


def to_float(path):
    from styledistill.core.tensors import load_images

    return load_images([path])


def test_an_unchanged_control_is_unchanged_on_disk(images, tmp_path):
    render(Control(style), golden_pairs(images, 2, 3), tmp_path / "out", CPU)
    assert (load_array(tmp_path / "out/c1_s2.png") == load_array(images / "golden/s2.png")).all()


def test_finished_images_are_copied_byte_by_byte(tmp_path):
    save_png(to_uint8(random_images(1))[0], tmp_path / "teacher/0007/c03_s05.png")
    pair = Pair("val", "0007_c03_s05", "0007_c03", "0007_s05", Path("c"), Path("s"))
    copy_finished([pair], tmp_path / "teacher", tmp_path / "out")
    copied = tmp_path / "out/0007_c03_s05.png"
    assert copied.read_bytes() == (tmp_path / "teacher/0007/c03_s05.png").read_bytes()


def test_a_missing_finished_image_is_named(tmp_path):
    pair = Pair("val", "0007_c03_s05", "0007_c03", "0007_s05", Path("c"), Path("s"))
    with pytest.raises(UserError, match=r"0007/c03_s05\.png"):
        copy_finished([pair], tmp_path, tmp_path / "out")


# --- cost ---------------------------------------------------------------------------------------------------------


class Hungry(torch.nn.Module):
    """Ten parameters, and 64 MB while it works."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(10))

    def stylize(self, contents, styles):
        return contents + 0 * torch.ones(16_000_000).sum()


def test_the_peak_is_what_one_image_takes_above_the_loaded_model(images, monkeypatch):
    from styledistill.metrics import stylizers

    monkeypatch.setitem(stylizers.LOADERS, "hungry", lambda wanted: Hungry())
    row = measure(Wanted("hungry", CPU), images / "golden/c0.png", images / "golden/s0.png", 32, repeats=3)
    assert tuple(row) == COLUMNS
    assert row["parameters"] == 10
    assert row["megabytes"] == pytest.approx(40e-6)
    assert 55 < row["peak_memory_mb"] < 100
    assert row["seconds"] > 0


def test_a_model_is_measured_in_a_fresh_process(images):
    teacher = Teacher(weights="none")
    wanted = Measurement(images / "golden/c0.png", images / "golden/s0.png", 32, 2, "cpu", teacher)
    ((row, peak),) = measure_each({"recolor": None}, wanted)
    assert peak > 100  # with torch, which this process need not have loaded
    assert row["model"] == "recolor"
    assert row["parameters"] == 0
    assert row["peak_memory_mb"] < 20


def test_a_program_of_one_size_is_measured_at_that_size(images, tmp_path):
    program = tmp_path / "paint.py"
    program.write_text(
        "import sys\nfrom PIL import Image\n"
        "Image.open(sys.argv[1]).resize((96, 96)).save(sys.argv[2])  # whatever came\n"
    )
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(program))} {{content}} {{output}} {{style}}"
    teacher = Teacher(method="command", command=command)
    wanted = Wanted("teacher", CPU, teacher=teacher)
    row = measure(wanted, images / "golden/c0.png", images / "golden/s0.png", 96, repeats=1)
    assert row["seconds"] > 0
    assert math.isnan(row["parameters"]) and math.isnan(row["megabytes"])  # nobody knows what it is made of


def test_the_table_of_costs_has_six_digits_and_every_parameter(images, tmp_path, monkeypatch):
    """A program of whose parameters nobody knows takes no digit from the others' count."""
    costs = [("teacher", 1_066_235_307, 4264.9412284, 2 / 3), ("recolor", 0, 0.0, 1e-5), ("mine", *[math.nan] * 3)]
    rows = [dict(zip(COLUMNS, (*cost, 0.25, 12.5, "cpu, 2 threads"), strict=True)) for cost in costs]
    monkeypatch.setattr(benchmark, "measure_each", lambda folders, wanted: iter([(row, 1.0) for row in rows]))
    words = [f"--content={images / 'golden/c0.png'}", f"--style={images / 'golden/s0.png'}", "--size=64"]
    words += ["--settings={}", '--teacher={"weights": "none"}', f"--table={tmp_path / 'costs.csv'}"]
    done = CliRunner().invoke(benchmark.main, [*words, *(f"--model={cost[0]}" for cost in costs)])
    assert done.exit_code == 0, done.output
    expected = pd.DataFrame(rows).astype({"parameters": "Int64"}).to_csv(index=False, float_format="%.6g")
    assert (tmp_path / "costs.csv").read_text() == expected
    assert "teacher,1066235307,4264.94,0.666667," in expected and "mine,,,,0.25" in expected
