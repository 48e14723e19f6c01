"""Bytes of graphs are those that the package `onnx` writes, which the student does without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array
from safetensors.numpy import load_file

from styledistill.student import micro_graphs
from styledistill.student.graph_bytes import IR, OPSET, Graph

ROOT = Path(__file__).parents[3]
MICRO = ROOT / "weights" / "micro"


def made() -> dict[str, bytes]:
    weights = load_file(MICRO / "student.safetensors")
    config = json.loads((MICRO / "config.json").read_text())["network"]
    parts = {
        f"{name}, {by_rows}": make()
        for by_rows in (False, True)
        for name, make in micro_graphs.graphs(weights, config, by_rows).items()
    }
    return parts | micro_graphs.graphs_of_any_size(weights, config)


def test_a_graph_is_what_onnx_writes() -> None:
    """Every kind of attribute and constant, numbers below zero and of several bytes, a name beyond ASCII."""
    attributes = {"whole": -3, "real": 0.1, "zero": 0, "word": "größe", "list": [1, 300, -(2**40)]}
    constants = (np.float32([[1, 2], [3, 0.5]]), np.int64([-1, 2**40]), np.float32(7), np.zeros((0, 3), np.float32))
    graph = Graph()
    names = [graph.constant(value, value.dtype.type) for value in constants]
    out = graph.add("Some", "x", "", *names, **attributes)
    shape = (None, 3, 1000)
    nodes = [
        helper.make_node("Some", ["x", "", *names], ["Some_0"], **attributes),
        helper.make_node("Identity", ["Some_0"], ["y"]),
    ]
    wanted = helper.make_model(
        helper.make_graph(
            nodes,
            "name",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [from_array(value, name) for value, name in zip(constants, names, strict=True)],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
    )
    assert graph.model("name", {"x": shape}, {"y": out}) == wanted.SerializeToString(deterministic=True)


def test_graphs_of_micro_are_as_onnx_would_write_them() -> None:
    for name, data in made().items():
        assert onnx.load_model_from_string(data).SerializeToString(deterministic=True) == data, name


def test_a_student_draws_without_the_package() -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "import numpy as np; from styledistill.student.onnx_student import OnnxStudent\n"
        f"student = OnnxStudent.from_pretrained({str(MICRO)!r})\n"
        "image = np.zeros((1, 3, 16, 24), np.float32)\n"
        "assert student.stylize(image, image).shape == image.shape\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src").returncode == 0
