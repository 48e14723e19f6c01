"""The exported graphs, run by onnxruntime, draw what the student draws."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from fill import fill, seeded_image
from onnx.numpy_helper import to_array
from torch import Tensor

from styledistill.student import Student, onnx_precision
from styledistill.student import onnx_export as export_module
from styledistill.student.sttr import SIZES, STTR

ROOT = Path(__file__).parents[3]
WEIGHTS, MICRO = (ROOT / "weights" / name for name in ("tiny_student", "micro"))
# Tracing takes half a minute; one worker does it for all tests.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("onnx")]


@dataclass(frozen=True)
class Exported:
    """A student and the folder of its graphs."""

    student: Student
    folder: Path

    def run(self, graph: str, **inputs: Tensor | np.ndarray) -> list[np.ndarray]:
        """What a graph makes of its inputs, in onnxruntime on one core."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(self.folder / f"{graph}.onnx", options)
        return session.run(None, {name: np.asarray(value) for name, value in inputs.items()})

    def stylize(self, contents: Tensor, styles: Tensor, suffix: str = "") -> Tensor:
        """As `Student.stylize`, with the graphs of one precision."""
        (images,) = self.run(f"stylize{suffix}", contents=contents, **self.kept(styles, suffix))
        return torch.from_numpy(images)

    def kept(self, styles: Tensor, suffix: str = "") -> dict[str, np.ndarray]:
        """What styles leave, by name."""
        names = [output.name for output in self.model("encode_style").graph.output]
        return dict(zip(names, self.run(f"encode_style{suffix}", styles=styles), strict=True))

    def model(self, graph: str) -> onnx.ModelProto:
        """A graph to look into."""
        return onnx.load(self.folder / f"{graph}.onnx")


def run_script(name: str, **options: Path) -> None:
    arguments = [part for option, value in options.items() for part in (f"--{option}", value)]
    done = subprocess.run([sys.executable, ROOT / "src/steps" / name, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traced from one student, for all others."""
    folder = tmp_path_factory.mktemp("graphs")
    run_script("trace_onnx.py", student=WEIGHTS, out=folder)
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The authors' network without a styled tail."""
    student = Student(fill(STTR(SIZES["tiny"])))
    folder = tmp_path_factory.mktemp("filled")
    export_module.trace(student, folder)
    export_module.export(student, folder, folder / "onnx")
    return Exported(student, folder / "onnx")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, graphs: Path) -> Exported:
    folder = tmp_path_factory.mktemp("shipped") / "onnx"
    run_script("export_onnx.py", student=WEIGHTS, graphs=graphs, out=folder)
    return Exported(Student.from_pretrained(WEIGHTS), folder)


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("micro")
    run_script("trace_onnx.py", student=MICRO, out=folder)
    run_script("export_onnx.py", student=MICRO, graphs=folder, out=folder / "onnx")
    return Exported(Student.from_pretrained(MICRO), folder / "onnx")


@pytest.fixture(params=["filled", "shipped", "micro"])
def exported(request: pytest.FixtureRequest) -> Exported:
    return request.getfixturevalue(request.param)


def images(name: str, count: int, height: int, width: int) -> Tensor:
    return seeded_image(f"export/{name}", height, width, count)


# --- float32 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "styles"),
    [
        ((1, 64, 64), (1, 64, 64)),
        ((3, 64, 160), (3, 96, 32)),
        ((2, 50, 77), (2, 33, 71)),
        ((4, 96, 40), (1, 64, 100)),
        ((1, 5, 3), (1, 1, 40)),
    ],
    ids=["square", "oblong", "padded", "one style for all", "smaller than the grid"],
)
def test_images_of_any_size_and_number_equal_torch(
    exported: Exported, contents: tuple[int, int, int], styles: tuple[int, int, int]
) -> None:
    content, style = images("content", *contents), images("style", *styles)
    expected = exported.student.stylize(content, style)
    made = exported.stylize(content, style)
    assert made.shape == expected.shape == content.shape
    assert content.numel() < 100 or expected.std() > 0.02  # not a flat image, which anything would equal
    difference = (made - expected).abs()
    # Styled networks normalize channels: of a nearly flat one they multiply the last digits.
    assert difference.max() < (1e-4 if exported.student.network.config == SIZES["tiny"] else 4e-3)
    assert difference.mean() < 1e-4


def test_the_memory_is_the_students(exported: Exported) -> None:
    style = images("style", 2, 70, 90)
    memory = [part for part in exported.student.encode_style(style) if part is not None]
    for made, expected in zip(exported.run("encode_style", styles=style), memory, strict=True):
        torch.testing.assert_close(torch.from_numpy(made), expected, atol=1e-4, rtol=1e-4)


def test_images_stay_in_range(shipped: Exported) -> None:
    made = shipped.stylize((images("content", 1, 64, 64) > 0.5).float(), images("style", 1, 64, 64).round())
    assert made.min() >= 0 and made.max() <= 1


def test_the_graphs_name_what_is_free(shipped: Exported) -> None:
    graph = shipped.model("stylize").graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {
        "contents": ["contents", 3, "height", "width"],
        "keys": ["styles", "tokens", 192],
        "values": ["styles", "tokens", 192],
        "codes": ["styles", 64],
        "images": ["contents", 3, "height", "width"],
    }


def test_the_graphs_of_micro_name_what_is_free_too(micro: Exported) -> None:
    graph = micro.model("stylize").graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    image = ["contents", 3, "height", "width"]
    assert shapes == {"contents": image, "codes": ["styles", 96], "images": image}


def test_a_file_says_nothing_of_the_machine_that_made_it(shipped: Exported) -> None:
    for file in shipped.folder.glob("*.onnx"):
        onnx.checker.check_model(file)
        data = file.read_bytes()
        assert str(ROOT).encode() not in data and b"stack_trace" not in data and b".py" not in data


def test_graphs_that_are_not_the_students_are_refused(
    filled: Exported, shipped: Exported, graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = iter([filled.model(name) for name in export_module.GRAPHS])
    monkeypatch.setattr(export_module, "_filled", lambda model, network: next(others))
    with pytest.raises(RuntimeError, match=r"differ from torch by \d"):
        export_module.export(shipped.student, graphs, tmp_path)
    assert not list(tmp_path.iterdir())


def test_traced_graphs_hold_no_weights(graphs: Path) -> None:
    assert all((graphs / f"{name}.onnx").stat().st_size < 1e6 for name in export_module.GRAPHS)


# --- smaller numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shipped", "micro"])
@pytest.mark.parametrize(("suffix", "tolerance"), [(".fp16", 0.02), (".int8", 0.2)])
def test_smaller_precisions_draw_nearly_the_same(
    request: pytest.FixtureRequest, name: str, suffix: str, tolerance: float
) -> None:
    shipped: Exported = request.getfixturevalue(name)
    # 150 tokens in a row: positions counted in too few bits would meet.
    content, style = images("content", 1, 24, 1200), images("style", 1, 70, 50)
    difference = (shipped.stylize(content, style, suffix) - shipped.student.stylize(content, style)).abs()
    assert 0 < difference.max() < tolerance
    assert difference.mean() < tolerance / 10


@pytest.mark.parametrize("suffix", ["", ".fp16", ".int8"])
@pytest.mark.parametrize("graph", ["encode_style", "stylize"])
def test_all_precisions_take_and_give_float32(shipped: Exported, graph: str, suffix: str) -> None:
    opened = shipped.model(f"{graph}{suffix}").graph
    kinds = {value.type.tensor_type.elem_type for value in (*opened.input, *opened.output)}
    assert kinds == {onnx.TensorProto.FLOAT}


def test_precisions_can_be_mixed(shipped: Exported) -> None:
    content, style = images("content", 1, 64, 64), images("style", 1, 64, 64)
    (made,) = shipped.run("stylize.fp16", contents=content, **shipped.kept(style, ".int8"))
    assert np.abs(made - shipped.student.stylize(content, style).numpy()).max() < 0.1


def test_8_bit_weights_are_off_by_half_a_level_at_most(shipped: Exported) -> None:
    whole = {tensor.name: to_array(tensor) for tensor in shipped.model("stylize").graph.initializer}
    graph = shipped.model("stylize.int8").graph
    stored = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert len(nodes) > 20
    multiplied = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in nodes:
        levels, scale = (stored[name] for name in node.input)
        name, axis = node.output[0], node.attribute[0].i
        turned = name.endswith(".turned")  # right factors of products are stored transposed
        weight = whole[name.removesuffix(".turned")]
        weight = weight.T if turned else weight
        assert levels.dtype == np.int8 and levels.shape == weight.shape
        assert axis == 0 and turned == (name.removesuffix(".turned") in multiplied)  # one factor per output channel
        factor = np.expand_dims(scale, [index for index in range(weight.ndim) if index != axis])
        assert (np.abs(levels * factor - weight) <= factor * 0.5001).all()
    kept = next(name for name in whole if name.endswith("output_proj.weight"))
    assert (stored[kept] == whole[kept]).all()


def test_the_arithmetic_of_fp16_is_in_16_bits_but_for_positions(shipped: Exported) -> None:
    inferred = onnx.shape_inference.infer_shapes(shipped.model("stylize.fp16")).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}

    def of(operator: str) -> set[int]:
        return {kinds[name] for node in inferred.node if node.op_type == operator for name in node.output}

    assert of("Conv") == of("MatMul") == of("Softmax") == {onnx.TensorProto.FLOAT16}
    assert of("Sin") == of("Cos") == {onnx.TensorProto.FLOAT}


def test_the_codes_of_fp16_are_computed_in_32_bits_from_weights_stored_in_16(micro: Exported) -> None:
    graph = onnx.shape_inference.infer_shapes(micro.model("encode_style.fp16")).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    convolved = {kinds[node.output[0]] for node in graph.node if node.op_type in ("Conv", "ReduceMean", "MatMul")}
    assert convolved == {onnx.TensorProto.FLOAT}
    large = [tensor.data_type for tensor in graph.initializer if to_array(tensor).size >= 4096]
    assert set(large) == {onnx.TensorProto.FLOAT16} and len(large) > 5


@pytest.mark.parametrize("converted", [onnx_precision.in_half, onnx_precision.with_int8_weights])
def test_a_conversion_leaves_its_input_alone(
    shipped: Exported, converted: Callable[[onnx.ModelProto], onnx.ModelProto]
) -> None:
    model = shipped.model("encode_style")
    before = model.SerializeToString(deterministic=True)
    converted(model)
    assert model.SerializeToString(deterministic=True) == before


# --- what is written about it -------------------------------------------------------------------------------------


def test_the_facts_are_those_of_the_files(shipped: Exported) -> None:
    facts = json.loads((shipped.folder / "export.json").read_text())["precisions"]
    assert list(facts) == ["fp16", "fp32", "int8"]
    for of_precision in facts.values():
        assert len(of_precision["megabytes"]) == 2
        for name, megabytes in of_precision["megabytes"].items():
            assert (shipped.folder / name).stat().st_size == round(megabytes * 1e6)
        assert 0 < of_precision["mean_error"] < of_precision["largest_error"]
    errors = [facts[name]["largest_error"] for name in ("fp32", "fp16", "int8")]
    assert errors == sorted(errors) and errors[0] < 4e-3
    sizes = [sum(facts[name]["megabytes"].values()) for name in ("fp32", "fp16", "int8")]
    assert sizes[1] < 0.55 * sizes[0] and sizes[2] < 0.35 * sizes[0]


def test_the_script_keeps_a_record(shipped: Exported) -> None:
    record = json.loads((shipped.folder / "export.run.json").read_text())
    assert record["stage"] == "export_onnx" and record["settings"] == {"opset": 20}
    assert record["onnxruntime"] == onnxruntime.__version__


def test_a_folder_without_a_student_is_one_line(tmp_path: Path) -> None:
    folders = {"--student": tmp_path, "--graphs": tmp_path, "--out": tmp_path / "onnx"}
    command = [
        sys.executable,
        ROOT / "src/steps/export_onnx.py",
        *(part for option in folders.items() for part in option),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "no student here" in done.stderr
    assert not (tmp_path / "onnx").exists()
