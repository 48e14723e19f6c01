"""Both engines draw the same, strips draw what one piece draws, and the quick one needs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from fill import seeded_image
from PIL import Image
from safetensors.numpy import load_file

from styledistill.core.arrays import planes
from styledistill.core.errors import UserError
from styledistill.perceptual import normalize
from styledistill.procedural.draw import draw
from styledistill.student import Student, engines, micro_graphs, model, onnx_student, strips
from styledistill.student.architectures import parts
from styledistill.student.controls import STYLE_PIXELS, shares, style_target
from styledistill.student.onnx_student import OnnxStudent, Sessions

ROOT = Path(__file__).parents[3]
MICRO = ROOT / "weights" / "micro"
LEVEL = 1 / 255


@pytest.fixture(scope="module")
def students() -> tuple[Student, OnnxStudent]:
    return Student.from_pretrained(MICRO), OnnxStudent.from_pretrained(MICRO)


def image(name: str, height: int, width: int, count: int = 1) -> np.ndarray:
    return seeded_image(f"engines/{name}", height, width, count).numpy()


@pytest.mark.parametrize("engine", [Student, OnnxStudent])
def test_an_embedded_student_has_a_bare_name(engine: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert engine.from_pretrained("micro").facts == engine.from_pretrained(MICRO).facts
    (tmp_path / "micro").mkdir()
    with pytest.raises(UserError, match=r"^micro: no student here"):
        engine.from_pretrained("micro")
    with pytest.raises(UserError, match=r"^micron: no such folder"):
        engine.from_pretrained("micron")


OTHER_SHAPES = {
    "rows first": (np.zeros((40, 50, 3), np.float32), r"numbers of shape \(40, 50, 3\)"),
    "levels": (np.zeros((1, 3, 40, 50), np.uint8), r"levels of shape \(1, 3, 40, 50\)"),
    "gray": (np.zeros((1, 1, 40, 50), np.float32), r"numbers of shape \(1, 1, 40, 50\)"),
    "Pillow": (Image.new("RGB", (50, 40)), r"levels of shape \(40, 50, 3\)"),
}


@pytest.mark.parametrize("what", OTHER_SHAPES)
@pytest.mark.parametrize("engine", [0, 1], ids=["torch", "onnxruntime"])
def test_images_of_another_shape_are_told_in_one_line(engine: int, what: str, students: tuple[Student, OnnxStudent]):
    given, told = OTHER_SHAPES[what]
    right = np.zeros((1, 3, 40, 50), np.float32)
    for role, ask in (
        ("contents", lambda: students[engine].stylize(given, right)),
        ("styles", lambda: students[engine].stylize(right, given)),
        ("styles", lambda: students[engine].encode_style(given)),
    ):
        with pytest.raises(UserError, match=rf"^{role}: {told}, no images \(N, 3, H, W\) in \[0, 1\]\. [^\n]+$"):
            ask()


# --- the same on both ---------------------------------------------------------------------------------------------

CONTENT, STYLE, OTHER = image("content", 75, 90, 2), image("style", 60, 52), image("other", 40, 77) * np.float32(0.5)
MASK = (np.arange(90) > 40).astype(np.float32)[None, None, None].repeat(75, 2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strength": 0.5},
        {"strength": 0.0},
        {"styles": [STYLE, OTHER], "weights": [0.7, 0.3]},
        {"styles": [STYLE, OTHER], "strength": 0.4},
        {"styles": image("two", 48, 48, 2)},
        {"style_size": 40},
        {"working_size": 40},
        {"preserve_color": True},
        {"mask": MASK},
        {"mask": MASK, "outside": OTHER, "strength": 0.8, "preserve_color": True},
    ],
    ids=lambda options: "+".join(options) or "plain",
)
def test_both_engines_draw_the_same(options: dict, students: tuple[Student, OnnxStudent]) -> None:
    options = {"styles": STYLE, **options}
    of_torch, of_onnx = (student.as_array(student.stylize(CONTENT, **options)) for student in students)
    plain = students[1].stylize(CONTENT, STYLE)
    assert of_onnx.shape == CONTENT.shape and of_onnx.dtype == np.float32
    assert np.abs(of_torch - of_onnx).max() < LEVEL
    assert len(options) == 1 or np.abs(of_onnx - plain).mean() > 2 * LEVEL  # each option does something


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 70)])
def test_small_images_of_any_size(size: tuple[int, int], students: tuple[Student, OnnxStudent]) -> None:
    of_torch, of_onnx = (
        student.as_array(student.stylize(image("small", *size), image("style", 17, 90))) for student in students
    )
    assert of_onnx.shape == (1, 3, *size) and np.abs(of_torch - of_onnx).max() < LEVEL


def test_what_a_style_left_serves_in_its_place(students: tuple[Student, OnnxStudent]) -> None:
    for student in students:
        kept, other = student.encode_style(STYLE), student.encode_style(OTHER)
        mixed = student.as_array(student.stylize(CONTENT, [kept, other], weights=[1, 3]))
        again = student.as_array(student.stylize(CONTENT, [STYLE, OTHER], weights=[0.25, 0.75]))
        assert np.abs(mixed - again).max() < 1e-3
        assert np.abs(mixed - student.as_array(student.stylize(CONTENT, kept))).mean() > 2 * LEVEL
        assert student.nbytes(kept) == 96 * 4


def test_a_style_code_is_exact_to_float32() -> None:
    """Sums of a quarter of a million numbers in one go made codes differ by 1e-3, and images by a level."""
    style = planes(draw("styles", 0, 512))
    made = OnnxStudent.from_pretrained(MICRO).encode_style(style)["codes"]
    exact = Student.from_pretrained(MICRO).double()
    (code,) = parts(exact.network.encode_style(normalize(torch.from_numpy(style).double()))).values()
    assert np.abs(made - code.detach().numpy()).max() < 1e-4


def test_means_of_rows_draw_the_same_image() -> None:
    facts = json.loads((MICRO / "config.json").read_text())["network"]
    weights = load_file(MICRO / "student.safetensors")
    code, content = image("code", 1, 96)[0, :1, 0], image("rows", 96, 120)
    drawn = [
        Sessions(micro_graphs.graphs(weights, facts, by_rows), "").run("stylize", contents=content, codes=code)[0]
        for by_rows in (False, True)
    ]
    assert 0 < np.abs(drawn[0] - drawn[1]).max() < 0.02 * LEVEL


# --- controls -----------------------------------------------------------------------------------------------------


def test_a_mask_is_what_it_says(students: tuple[Student, OnnxStudent]) -> None:
    student = students[1]
    inside, outside = student.stylize(CONTENT, STYLE), student.stylize(CONTENT, OTHER)
    made, kept = student.stylize(CONTENT, STYLE, mask=MASK, outside=OTHER), student.stylize(CONTENT, STYLE, mask=MASK)
    np.testing.assert_array_equal(made[..., 41:], inside[..., 41:])
    np.testing.assert_array_equal(made[..., :41], outside[..., :41])
    np.testing.assert_array_equal(kept[..., :41], CONTENT[..., :41])


def test_all_of_one_style_is_that_style(students: tuple[Student, OnnxStudent]) -> None:
    made = students[1].stylize(CONTENT, [STYLE, OTHER], weights=[2, 0])
    np.testing.assert_allclose(made, students[1].stylize(CONTENT, STYLE), atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "said"), [([0, 0], "0, 0 are no shares"), ([-1, 2], "no shares"), ([float("nan"), 1], "no shares"),
                          ([1], "1 of them for 2 styles")],
)  # fmt: skip
def test_weights_that_do_not_add_up_to_something(weights: list[float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        shares(weights, 2)
    assert shares(None, 4) == [0.25] * 4 and shares([1, 3], 2) == [0.25, 0.75]


def test_masks_that_do_not_fit(students: tuple[Student, OnnxStudent]) -> None:
    with pytest.raises(UserError, match="mask: 80 x 75 pixels, and the content has 90 x 75"):
        students[1].stylize(CONTENT, STYLE, mask=MASK[..., :80])
    with pytest.raises(UserError, match="needs a mask"):
        students[1].stylize(CONTENT, STYLE, outside=OTHER)


def test_styles_are_bounded() -> None:
    assert style_target(300, 200, None) == (300, 200) and style_target(300, 200, 100) == (150, 100)
    for height, width in (style_target(3000, 4000, None), style_target(30, 40, 100_000)):
        assert 0.99 * STYLE_PIXELS < height * width < 1.01 * STYLE_PIXELS and abs(width / height - 4 / 3) < 0.01


# --- strips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(208, 272), (77, 131), (66, 131), (640, 24)])
@pytest.mark.parametrize("positions", [1, 700, 4000])
def test_strips_draw_what_one_piece_draws(
    size: tuple[int, int], positions: int, students: tuple[Student, OnnxStudent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far below one level, at every pixel: there is no seam."""
    content = np.clip(image("large", *size) * np.linspace(0, 1.4, size[0], dtype=np.float32)[:, None], 0, 1)
    whole = students[1].stylize(content, STYLE)
    monkeypatch.setattr(strips, "_POSITIONS", positions)
    monkeypatch.setattr(strips, "_ROWS", 2)
    for module in (onnx_student, model):
        monkeypatch.setattr(module, "WHOLE_PIXELS", 0)
    for student in students:
        made = student.as_array(student.stylize(content, STYLE))
        assert np.abs(made - whole).max() < 0.2 * LEVEL
    assert whole.std() > 0.05


def test_strips_hold_the_largest_map_without_those_that_led_to_it(
    students: tuple[Student, OnnxStudent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """36 bytes a pixel and what a strip takes (here 8): the map, the image before, and the one below or the image."""
    monkeypatch.setattr(strips, "_POSITIONS", 1 << 10)
    content, codes = image("large", 768, 256), students[1].encode_style(STYLE)["codes"]
    students[1]._strips(content[:, :, :64], codes)  # opens what stays
    tracemalloc.start()
    try:
        students[1]._strips(content, codes)
        held = tracemalloc.get_traced_memory()[1] / content[0, 0].size
    finally:
        tracemalloc.stop()
    assert held < 46.5


def test_strips_of_an_image_off_the_grid_hold_no_second_copy_of_it(
    students: tuple[Student, OnnxStudent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "_POSITIONS", 1 << 10)
    monkeypatch.setattr(onnx_student, "WHOLE_PIXELS", 0)
    contents, memory = [image("large", 761 + more, 249 + more) for more in (0, 7)], students[1].encode_style(STYLE)
    held = []
    for content in (contents[0], *contents):  # the first opens what stays
        tracemalloc.start()
        try:
            assert students[1].stylize(content, memory).shape == content.shape
            held.append(tracemalloc.get_traced_memory()[1] / content[0, 0].size)
        finally:
            tracemalloc.stop()
    assert held[1] < held[2] + 6, "a copy has 12 bytes a pixel"


def test_an_unbordered_strip_would_show(students: tuple[Student, OnnxStudent], monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above can fail: without the neighbors' rows strips differ by whole levels."""
    content = image("large", 208, 272)
    whole = students[1].stylize(content, STYLE)
    monkeypatch.setattr(strips, "_POSITIONS", 700)
    monkeypatch.setattr(onnx_student, "WHOLE_PIXELS", 0)
    bordered = strips._bordered
    monkeypatch.setattr(
        strips, "_bordered", lambda x, top, bottom, reach: bordered(x[:, :, top:bottom], 0, bottom - top, reach)
    )
    assert np.abs(students[1].stylize(content, STYLE) - whole).max() > LEVEL


def test_large_images_go_in_strips(students: tuple[Student, OnnxStudent], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    opened = Sessions._opened
    monkeypatch.setattr(Sessions, "_opened", lambda self, graph: asked.append("opened") or opened(self, graph))
    monkeypatch.setattr(onnx_student, "WHOLE_PIXELS", 75 * 90)
    students[1].stylize(image("large", 75, 90), STYLE)
    assert len(asked) <= 2
    students[1].stylize(image("large", 75, 91), STYLE)
    assert len(asked) > 15


def test_an_image_is_drawn_in_the_memory_that_the_style_took() -> None:
    """Pages that the system had to clear: 19,500 of them where each graph has memory of its own."""
    code = (
        "import resource, numpy as np; from styledistill.student.onnx_student import OnnxStudent\n"
        f"student = OnnxStudent.from_pretrained({str(MICRO)!r}); image = np.zeros((1, 3, 512, 512), np.float32)\n"
        "code = student.encode_style(image)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt; student.stylize(image, code)\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 8000"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src").returncode == 0


def test_more_images_take_no_more_memory_than_one() -> None:
    """A third more, where onnxruntime plans its memory after the first."""
    code = (
        "import re, numpy as np; from pathlib import Path; from styledistill.student.onnx_student import OnnxStudent\n"
        f"student = OnnxStudent.from_pretrained({str(MICRO)!r}); image = np.zeros((1, 3, 1024, 1024), np.float32)\n"
        "code, peaks = student.encode_style(image[..., :64, :64]), []\n"
        "for _ in range(3):\n"
        "    student.stylize(image, code)\n"
        "    peaks.append(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]))\n"
        "assert peaks[2] < 1.1 * peaks[0], peaks"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src").returncode == 0


# --- sttr ---------------------------------------------------------------------------------------------------------


def test_sttr_draws_large_images_at_its_working_size_with_the_contents_own_detail() -> None:
    student = Student.from_pretrained(ROOT / "weights" / "tiny_student")
    style = torch.from_numpy(STYLE)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(image("smooth", 6, 8)), size=(150, 200), mode="bicubic")
    smooth = smooth.clamp(0.2, 0.8)
    fine = smooth + 0.1 * (torch.arange(200) % 2 * 2 - 1.0)  # lines that the working size does not hold
    student.working_pixels = 50 * 66
    sizes: list[tuple[int, ...]] = []
    hook = student.network.backbone_content.register_forward_pre_hook(lambda _, given: sizes.append(given[0].shape))
    plain, lined = student.stylize(smooth, style), student.stylize(fine, style)
    hook.remove()
    assert all(shape[2] * shape[3] <= 64 * 96 for shape in sizes)
    lines = (lined - plain)[0].mean(0)
    assert plain.shape == smooth.shape and (lines[:, 1::2] - lines[:, ::2]).mean() > 4 * LEVEL
    student.working_pixels = 1 << 19
    assert (student.stylize(smooth, style) - plain).abs().mean() > LEVEL  # within bounds it is the network's own


# --- which engine -------------------------------------------------------------------------------------------------


def test_a_micro_student_is_drawn_without_torch() -> None:
    code = (
        "import sys, numpy as np; from styledistill.student.engines import load; "
        f"student = load({str(MICRO)!r}, 'cpu'); image = np.ones((1, 3, 16, 16), np.float32); "
        "student.stylize([*image], image, 0.5); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src").returncode == 0


def test_the_engine_that_suits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_GPUS", ("/none",))
    assert isinstance(engines.load(MICRO), OnnxStudent)
    sttr = ROOT / "weights" / "tiny_student"
    assert isinstance(engines.load(sttr, "cpu"), Student)  # no graphs
    monkeypatch.setattr(engines, "_GPUS", (str(ROOT),))
    assert isinstance(engines.load(MICRO), Student)


def test_a_folder_of_graphs_alone_is_a_student(tmp_path: Path, students: tuple[Student, OnnxStudent]) -> None:
    weights = {name: value.astype(np.float32) for name, value in load_file(MICRO / "student.safetensors").items()}
    graphs = micro_graphs.graphs(weights, json.loads((MICRO / "config.json").read_text())["network"])
    (tmp_path / "onnx").mkdir()
    for name in ("encode_style", "stylize"):
        (tmp_path / "onnx" / f"{name}.onnx").write_bytes(graphs[name]())
    student = engines.load(tmp_path, "cpu")
    content = image("content", 64, 80)
    assert isinstance(student, OnnxStudent) and student.mixes
    assert (
        np.abs(
            student.stylize(content, STYLE[..., :56, :48]) - students[1].stylize(content, STYLE[..., :56, :48])
        ).max()
        < 1e-5
    )
    (tmp_path / "onnx" / "stylize.onnx").write_bytes(b"words")
    with pytest.raises(UserError, match="no graphs that onnxruntime takes"):
        engines.load(tmp_path, "cpu").stylize(content, STYLE)


@pytest.mark.parametrize("change", ["shorter", "not finite"])
def test_a_spoilt_student_is_one_line(change: str, tmp_path: Path) -> None:
    student = Student.create("tiny", 1, "micro")
    student.save(tmp_path)
    from safetensors.torch import save_file

    state = {name: value.contiguous() for name, value in student.network.state_dict().items()}
    if change == "shorter":
        del state["out.weight"]
    else:
        state["out.bias"][0] = float("nan")
    save_file(state, tmp_path / "student.safetensors")
    with pytest.raises(UserError, match=r"no student of this version|out\.bias: not finite"):
        OnnxStudent.from_pretrained(tmp_path).stylize(CONTENT, STYLE)
