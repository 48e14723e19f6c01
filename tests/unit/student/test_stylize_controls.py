"""`src/stylize.py`: each control as an option on files, and what is refused before anything is computed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from fill import seeded_image
from PIL import Image

import stylize as script
from styledistill.core.arrays import levels, planes
from styledistill.student import engines
from styledistill.student.controls import Stylizing, with_colors_of
from styledistill.student.stylize_jobs import weighted

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def student() -> Stylizing:
    return engines.load(ROOT / "weights" / "micro", "cpu")


def pixels(name: str, height: int, width: int) -> np.ndarray:
    return levels(seeded_image(f"controls/{name}", height, width).numpy())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a content, two styles and a mask."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels("content", 45, 70)).save("content.png")
    Image.fromarray(np.uint8(pixels("a", 64, 50) * (1.0, 0.6, 0.2))).save("a.png")
    Image.fromarray(np.uint8(pixels("b", 40, 40) * (0.2, 0.5, 1.0))).save("b.png")
    mask = np.zeros((45, 70), np.uint8)
    mask[:, 35:] = 255
    Image.fromarray(mask).save("mask.png")
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(script.main, [*map(str, words), "--device", "cpu"])


def opened(name: str) -> np.ndarray:
    with Image.open(name) as image:
        return np.asarray(image)


def given(name: str) -> np.ndarray:
    return planes(opened(name))


def only_error(result: Result) -> str:
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    return result.stderr


# --- each option is the student's argument ------------------------------------------------------------------------

OPTIONS = {
    "mixed": (["--style", "a.png:0.7", "--style", "b.png:0.3"], {"styles": ["a.png", "b.png"], "weights": [7, 3]}),
    "equal": (["--style", "a.png", "--style", "b.png"], {"styles": ["a.png", "b.png"]}),
    "strength": (["a.png", "--strength", 0.4], {"styles": ["a.png"], "strength": 0.4}),
    "style size": (["a.png", "--style-size", 100], {"styles": ["a.png"], "style_size": 100}),
    "working size": (["a.png", "--working-size", 20], {"styles": ["a.png"], "working_size": 20}),
    "mask": (["a.png", "--mask", "mask.png"], {"styles": ["a.png"], "mask": "mask.png"}),
    "outside": (
        ["a.png", "--mask", "mask.png", "--outside", "b.png", "--preserve-color"],
        {"styles": ["a.png"], "mask": "mask.png", "outside": "b.png", "preserve_color": True},
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_the_argument(name: str, student: Stylizing, here: Path) -> None:
    words, arguments = OPTIONS[name]
    result = run("content.png", *words, "-o", "out.png")
    assert result.exit_code == 0, result.output
    arguments = dict(arguments)
    if "mask" in arguments:
        arguments["mask"] = planes(opened("mask.png")[:, :, None])
    if "outside" in arguments:
        arguments["outside"] = given("b.png")
    styles = [given(style) for style in arguments.pop("styles")]
    expected = levels(student.stylize(given("content.png"), styles, **arguments))
    assert np.abs(opened("out.png").astype(int) - expected).max() <= 1
    plain = levels(student.stylize(given("content.png"), given("a.png")))
    assert np.abs(opened("out.png").astype(int) - plain).mean() > 1


def test_masks_and_images_are_scaled_alike(here: Path) -> None:
    assert run("content.png", "a.png", "--mask", "mask.png", "--size", 20, "-o", "out.png").exit_code == 0
    small = np.asarray(Image.open("content.png").resize((31, 20), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(opened("out.png")[:, :12].astype(int) - small[:, :12]).max() <= 1


def test_a_mixture_has_a_name_in_a_folder(here: Path) -> None:
    assert run("content.png", "--style", "a.png:2", "--style", "b.png", "-o", ".").exit_code == 0
    assert (here / "content_a_b.png").is_file()


def test_a_file_whose_name_has_a_colon_is_meant_as_it_is(here: Path) -> None:
    (here / "a:0.5").touch()
    assert weighted("a:0.5") == (Path("a:0.5"), 1.0)
    assert weighted("a.png:0.5") == (Path("a.png"), 0.5)
    assert weighted("C:a.png") == (Path("C:a.png"), 1.0)


# --- colors -------------------------------------------------------------------------------------------------------

# ITU-R BT.601, as the NTSC's YIQ.
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def test_colors_are_the_contents_and_light_is_the_stylized_images() -> None:
    content = 0.3 + 0.4 * seeded_image("colors", 20, 30)
    stylized = (content + 0.2 * (seeded_image("other", 20, 30) - 0.5)).clamp(0, 1)
    made, kept, light = (
        torch.einsum("ij,njhw->nihw", YIQ, image) for image in (with_colors_of(content, stylized), content, stylized)
    )
    torch.testing.assert_close(made[:, 0], light[:, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(made[:, 1:], kept[:, 1:], atol=1e-3, rtol=0)  # YIQ is published with three digits
    assert (made[:, 0] - kept[:, 0]).abs().mean() > 0.01


def test_preserve_color_leaves_a_gray_image_gray(here: Path) -> None:
    Image.fromarray(np.dstack([pixels("gray", 45, 70)[:, :, 0]] * 3)).save("gray.png")
    assert run("gray.png", "a.png", "-o", "colored.png").exit_code == 0
    assert run("gray.png", "a.png", "-o", "kept.png", "--preserve-color").exit_code == 0
    colored, kept = (opened(f"{name}.png").astype(int) for name in ("colored", "kept"))
    assert np.ptp(colored, axis=2).max() > 5
    assert np.ptp(kept, axis=2).max() == 0
    assert np.abs(kept - opened("gray.png")).mean() > 1


# --- transparency -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "webp"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept(mode: str, suffix: str, student: Stylizing, here: Path) -> None:
    image = Image.open("content.png").convert(mode)
    alpha = Image.fromarray(np.tile(np.linspace(1, 255, 70).astype(np.uint8), (45, 1)))
    image.putalpha(alpha)
    image.save("clear.png")
    assert run("clear.png", "a.png", "-o", f"out.{suffix}").exit_code == 0
    made = opened(f"out.{suffix}")
    np.testing.assert_array_equal(made[:, :, 3], np.asarray(alpha))
    if suffix == "png":  # colors are those of the image, with nothing of a background
        solid = planes(np.asarray(Image.open("content.png").convert(mode[:-1]).convert("RGB")))
        assert np.abs(made[:, :, :3].astype(int) - levels(student.stylize(solid, given("a.png")))).max() <= 1


def test_where_a_format_has_no_transparency_the_image_lies_on_white(here: Path) -> None:
    image = Image.open("content.png").convert("RGBA")
    image.putalpha(0)
    image.save("clear.png")
    assert run("clear.png", "a.png", "-o", "out.jpg").exit_code == 0
    assert opened("out.jpg").min() > 250


def test_an_opaque_alpha_channel_is_none(here: Path) -> None:
    Image.open("content.png").convert("RGBA").save("opaque.png")
    for name in ("content", "opaque"):
        assert run(f"{name}.png", "a.png", "-o", f"out_{name}.png").exit_code == 0
    assert Path("out_content.png").read_bytes() == Path("out_opaque.png").read_bytes()


# --- refused before anything is computed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["content.png"], "give a style"),
        (["content.png", "a.png", "--style", "b.png"], "give a style: STYLE, or --style once or more, and not both"),
        (["content.png", "--style", "a.png:0", "--style", "b.png:0"], "weights of styles: 0, 0 are no shares"),
        (["content.png", "--style", "a.png:-1", "--style", "b.png:2"], "are no shares"),
        (["content.png", "--style", "a.png:nan", "--style", "b.png"], "are no shares"),
        (["content.png", "--style", "a.png", "--style", "styles"], "styles: several styles are mixed"),
        (["content.png", "--style", "a.png", "--style", "none.png:0.2"], "none.png: no such image"),
        (["content.png", "a.png", "--mask", "b.png"], "b.png: a mask of 40 x 40 pixels, and content.png has 70 x 45"),
        (["content.png", "a.png", "--mask", "none.png"], "none.png: no such image"),
        (["content.png", "a.png", "--outside", "b.png"], "b.png: a style for what a mask leaves out needs --mask"),
        (["wide.png", "a.png", "-o", "out.webp"], "WEBP has at most 16,383 a side. Use .png"),
        (["content.png", "a.png", "--size", "11000", "-o", "out.webp"], "17111 x 11000 pixels, and WEBP"),
        (["wide.png", "a.png", "--size", "4", "-o", "out.jpg"], "JPEG has at most 65,535"),
        (["content.png", "styles", "-o", "made"], "made: content_a.png would be overwritten"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_is_one_line_before_any_engine_is_loaded(
    words: list[str], said: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (17_000, 1)).save("wide.png")
    for name in ("styles/a.png", "made/content_a.png"):
        Path(name).parent.mkdir()
        Path(name).write_bytes(Path("a.png").read_bytes())

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(engines, "load", loaded)
    before = sorted(here.rglob("*"))
    assert said in only_error(run(*words, *([] if "-o" in words else ["-o", "out.png"])))
    assert sorted(here.rglob("*")) == before


def test_memory_that_does_not_suffice_is_one_line(here: Path) -> None:
    """onnxruntime's own error for it is none of Python's; a process of its own, for the limit stays."""
    Image.new("RGB", (1400, 1400)).save("large.png")
    code = """
import resource
import numpy
from styledistill.commands import stylize
from styledistill.core.places import embedded
from styledistill.student import engines
student = engines.load(embedded("micro"), "cpu")
engines.load = lambda *_, **__: student
image = numpy.ones((1, 3, 64, 64), numpy.float32)
student.stylize(image, image)  # what it needs to begin
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 180_000_000,) * 2)
stylize.main(["large.png", "a.png", "-o", "out.png"])
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "large.png: too large for the memory of this device" in done.stderr


def test_a_turned_content_takes_a_mask_as_people_see_it(here: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open("content.png").rotate(90, expand=True).save("turned.jpg", exif=exif)
    assert run("turned.jpg", "a.png", "--mask", "mask.png", "-o", "out.png").exit_code == 0
    assert opened("out.png").shape == (45, 70, 3)


def test_overwriting_is_asked_for(here: Path) -> None:
    assert run("content.png", "a.png", "-o", ".").exit_code == 0
    assert "content_a.png would be overwritten" in only_error(run("content.png", "a.png", "-o", "."))
    assert run("content.png", "a.png", "-o", ".", "--overwrite").exit_code == 0
