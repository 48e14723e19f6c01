"""The student as ONNX: two graphs that need no torch, for images of any size, each in three precisions.

`encode_style`: styles (M, 3, H', W') to what M styles leave: STTR's keys and values (M, T, d), micro's codes (M, code).
`stylize`: contents (N, 3, H, W) with what N styles left, or one for all, to images (N, 3, H, W).

Images are float32 RGB in [0, 1], and everything that enters or leaves is float32, whatever the precision inside.
All of N, M, H, W, H', W' are free: normalization, padding to the grid and cutting back are part of the graphs.
Unlike torch's fused attention, runtimes may hold all of a layer's (H W / 64)**2 weights per head in memory (STTR).

Torch takes long to write a network down as a graph, and students of one architecture differ in weights only: `trace`
writes graphs without weights, once, and `export` fills them for each student. Those of micro are known without torch
(`micro_graphs`).
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.helper import make_tensor_value_info
from onnx.numpy_helper import from_array
from torch import Tensor, nn

from ..core.errors import UserError
from ..core.files import write_json, write_together
from ..core.tensors import from_uint8
from ..perceptual import denormalize, normalize
from ..procedural.draw import draw
from . import micro_graphs
from .architectures import parts
from .micro import Micro
from .model import Student, reflected
from .onnx_precision import in_half, with_int8_weights

OPSET = 20
GRAPHS = ("encode_style", "stylize")
# What stands between a graph's name and `.onnx`, and how the graph comes from the exported one.
PRECISIONS: dict[str, tuple[str, Callable[[onnx.ModelProto], onnx.ModelProto]]] = {
    "fp32": ("", lambda graph: graph),
    "fp16": (".fp16", in_half),
    "int8": (".int8", with_int8_weights),
}
# Largest difference to torch that a float32 graph may have, of images in [0, 1]: one level of 255. Normalizing a
# channel that is flat but for rounding multiplies its last digits some hundred times, here and in torch.
TOLERANCE = 4e-3

_NETWORK = "network."  # before a parameter's name in a graph

Axes = dict[int, str]  # names of an input's free axes
_STYLE_AXES = {0: "styles", 2: "style_height", 3: "style_width"}
_CONTENT_AXES = {0: "contents", 2: "height", 3: "width"}
_MEMORY_AXES = {3: {0: "styles", 1: "tokens"}, 2: {0: "styles"}}  # by the number of axes


class _EncodeStyle(nn.Module):
    """`Student.encode_style` without what a graph cannot hold."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, styles: Tensor) -> tuple[Tensor, ...]:
        """Images (M, 3, H', W') in [0, 1] to what the network keeps of them, M rows each."""
        return tuple(parts(self.network.encode_style(normalize(reflected(styles, self.network.grid)))).values())


class _Stylize(nn.Module):
    """`Student.stylize` with an encoded style, at full strength. memory: the class of what a style leaves."""

    def __init__(self, network: nn.Module, memory: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        self.memory = memory

    def forward(self, contents: Tensor, *memory: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [0, 1] and what N styles or one left to images (N, 3, H, W); else an error."""
        count, _, height, width = contents.shape
        rows = _memory_of_each(count, *(part.shape[0] for part in memory))
        drawn = self.network.decode(
            normalize(reflected(contents, self.network.grid)), self.memory(*(part[rows] for part in memory))
        )
        return denormalize(drawn)[:, :, :height, :width].clamp(0, 1)


def _memory_of_each(count: int, *kept: int) -> Tensor:
    """Number of the style that serves each of `count` contents: its own, or the one for all.

    kept: how many styles each part of what they left is of. For any other number of styles there is none of the
    returned number, so that a runtime stops as torch does. No branch, which a graph could not hold.
    """
    contents, styles, *others = (torch.full((1,), number) for number in (count, *kept))
    several = (styles != 1).long()
    wrong, beyond = several * (styles != contents).long(), styles
    for other in others:
        wrong, beyond = torch.maximum(wrong, (styles != other).long()), beyond + other
    return torch.arange(count) * several + wrong * beyond


def trace(student: Student, folder: Path) -> None:
    """Write `encode_style.onnx` and `stylize.onnx` without weights into `folder`, for all students of this shape."""
    network = student.network
    graphs = _stated(network) if isinstance(network, Micro) else _traced(network)
    write_together({folder / f"{name}.onnx": _bytes(graph) for name, graph in graphs.items()})


def export(student: Student, traced: Path, folder: Path) -> dict[str, Any]:
    """Write `encode_style<suffix>.onnx` and `stylize<suffix>.onnx` of each precision, and `export.json`, into `folder`.

    student: on the CPU. traced: folder of the graphs that `trace` made of a student of the same shape. Returned, and
    written as JSON, are for each precision the files' megabytes (10**6 bytes) and the largest and mean absolute
    difference of its images to torch's. Raises RuntimeError when the float32 graphs are not the student's.
    """
    every: dict[str, bytes] = {}
    graphs = {name: _filled(onnx.load(traced / f"{name}.onnx"), student.network) for name in GRAPHS}
    pairs = _pairs()
    precisions = {}
    for precision, (suffix, converted) in PRECISIONS.items():
        files = {f"{name}{suffix}.onnx": _bytes(converted(graph)) for name, graph in graphs.items()}
        error = _difference(student, *files.values(), pairs)
        if precision == "fp32" and not error["largest_error"] < TOLERANCE:
            raise RuntimeError(f"{folder}: the ONNX graphs differ from torch by {error['largest_error']:.2g}")
        if not math.isfinite(error["largest_error"]):
            raise UserError(f"{folder}: what its {precision} graphs draw is not finite; train the student again")
        every |= files
        precisions[precision] = {"megabytes": {file: len(data) / 1e6 for file, data in files.items()}, **error}
    facts = {"opset": OPSET, "compared_on": "drawn images, 128 x 128 and 120 x 75 pixels", "precisions": precisions}
    # At last and together, so that a kill in these minutes leaves no precision of one student beside that of another.
    write_together({folder / file: data for file, data in every.items()})
    write_json(folder / "export.json", facts)
    return facts


# --- the graphs ---------------------------------------------------------------------------------------------------


def _stated(network: Micro) -> dict[str, onnx.ModelProto]:
    """Those of micro, in a sixth of the time."""
    weights = _weights(network)
    stated = micro_graphs.graphs_of_any_size(weights, asdict(network.config))
    graphs = {name: onnx.load_model_from_string(data) for name, data in stated.items()}
    image = ("contents", 3, "height", "width")
    shapes = {
        "styles": ("styles", 3, "style_height", "style_width"),
        "codes": ("styles", network.config.code),
        "contents": image,
        "images": image,
    }
    for model in graphs.values():
        for value in (*model.graph.input, *model.graph.output):
            value.CopyFrom(make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, shapes[value.name]))
        model.doc_string = __doc__
        _empty(model, weights)
    return graphs


@torch.no_grad()
def _traced(network: nn.Module) -> dict[str, onnx.ModelProto]:
    """Both graphs in float32, without weights.

    The example's sizes only have to be unlike each other and no multiples of 32.
    """
    styles = torch.zeros(2, 3, 70, 90)
    encoder = _EncodeStyle(network).eval()
    memory = network.encode_style(torch.zeros(2, 3, 64, 96))
    kept = parts(memory)
    axes = {name: _MEMORY_AXES[part.dim()] for name, part in kept.items()}
    encode_style = _graph(encoder, {"styles": (styles, _STYLE_AXES)}, axes)
    stylize = _graph(
        _Stylize(network, type(memory)).eval(),
        {
            "contents": (torch.zeros(3, 3, 100, 50), _CONTENT_AXES),
            **{name: (part, axes[name]) for name, part in kept.items()},
        },
        {"images": _CONTENT_AXES},
    )
    return {"encode_style": encode_style, "stylize": stylize}


def _graph(module: nn.Module, inputs: dict[str, tuple[Tensor, Axes]], outputs: dict[str, Axes]) -> onnx.ModelProto:
    """The module's graph with free axes under their names, without weights and without the exporter's notes.

    (Those hold paths of files.)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two inputs that share an axis
        program = torch.onnx.export(
            module,
            tuple(example for example, _ in inputs.values()),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=_shapes(module, [axes for _, axes in inputs.values()]),
            opset_version=OPSET,
            dynamo=True,
            optimize=False,
            verbose=False,
        )
    model = program.model_proto
    model.doc_string = __doc__
    for value in model.graph.output:
        for axis, name in outputs[value.name].items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.value_info, *model.graph.input):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    del model.graph.metadata_props[:]
    _empty(model, module.state_dict())
    return model


def _empty(model: onnx.ModelProto, weights: Container[str]) -> None:
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.ClearField("raw_data")


def _shapes(module: nn.Module, axes: list[Axes]) -> tuple[Any, ...]:
    """The free axes in the form of the module's own arguments: what stands behind `*` is one argument."""
    if isinstance(module, _Stylize):
        return (axes[0], tuple(axes[1:]))
    return tuple(axes)


def _filled(model: onnx.ModelProto, network: nn.Module) -> onnx.ModelProto:
    """The graph with the network's weights; that of micro has nothing to simplify."""
    if isinstance(network, Micro):
        return _with(model, micro_graphs.as_stored(_weights(network)))
    return _simplified(_with(model, _weights(network)))


def _with(model: onnx.ModelProto, weights: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    for tensor in model.graph.initializer:
        if (name := tensor.name.removeprefix(_NETWORK)) in weights:
            tensor.CopyFrom(from_array(np.ascontiguousarray(weights[name]), tensor.name))
    return model


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """Constants computed, batch norms made part of convolutions."""
    import onnxscript.optimizer  # here, since it takes a second

    logging.getLogger("onnxscript").setLevel(logging.ERROR)  # it tells of each constant that it leaves alone
    return onnxscript.optimizer.optimize(model)


def _weights(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def _bytes(model: onnx.ModelProto) -> bytes:
    return model.SerializeToString(deterministic=True)


# --- the comparison -----------------------------------------------------------------------------------------------


def _pairs() -> list[tuple[Tensor, Tensor]]:
    """Drawn contents and styles of two sizes: two with a style each, and three with one for all."""
    contents, styles = (
        from_uint8(np.stack([draw(kind, number, 128) for number in range(3)])) for kind in ("scenes", "styles")
    )
    return [(contents[:2], styles[:2]), (contents[:, :, :75, :120], styles[2:, :, :90])]


def _difference(
    student: Student, encode_style: bytes, stylize: bytes, pairs: list[tuple[Tensor, Tensor]]
) -> dict[str, float]:
    """Largest and mean absolute difference between the images of two graphs and the student's own, in [0, 1]."""
    encoder, decoder = (_session(graph) for graph in (encode_style, stylize))
    differences = []
    for contents, styles in pairs:
        kept = encoder.run(None, {"styles": styles.numpy()})
        names = [output.name for output in encoder.get_outputs()]
        (made,) = decoder.run(None, {"contents": contents.numpy(), **dict(zip(names, kept, strict=True))})
        differences.append(np.abs(made - student.stylize(contents, styles).numpy()).ravel())
    joined = np.concatenate(differences)
    return {"largest_error": float(joined.max()), "mean_error": float(joined.mean())}


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    onnxruntime.disable_telemetry_events()  # on by default since it has them on Linux: no job speaks to the network
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
