"""Exported graphs in smaller numbers: computing in float16, or with weights stored in 8 bits.

Inputs and outputs stay float32, so graphs of all precisions take each other's places.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto
from onnx.helper import make_node
from onnx.numpy_helper import from_array, to_array
from onnx.shape_inference import infer_shapes

_WAVES = ("Sin", "Cos")  # the last operators of the position embedding
_EXACT_OUTPUT = "codes"
# Smaller tensors save nothing. The projection into the tail carries all colors of an image in few numbers: in 8 bits
# it alone made seven times the error of all other weights (tiny student).
_SMALLEST = 4096
_KEPT = "output_proj.weight"


def in_half(model: ModelProto) -> ModelProto:
    """A copy that computes in float16.

    Position embeddings, whose integers go on, and codes of styles, whose sums over all pixels would not fit, are still
    computed in float32; large weights on their way are stored in float16 all the same.
    """
    model = _copied(model)
    graph = model.graph
    exact = _upstream(graph.node, {name for node in graph.node if node.op_type in _WAVES for name in node.output})
    exact |= _upstream(graph.node, {value.name for value in graph.output if value.name == _EXACT_OUTPUT})
    floats = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    large = {name for name, tensor in floats.items() if to_array(tensor).size >= _SMALLEST}
    inputs = [value.name for value in graph.input]
    outputs = [value.name for value in graph.output if value.name not in exact]
    crossing = _crossing(model, exact)
    half = {name: f"{name}.half" for name in (*floats, *inputs, *crossing, *outputs)}

    nodes = [make_node("Cast", [name], [half[name]], to=TensorProto.FLOAT16) for name in inputs]
    stored: set[str] = set()
    for node in graph.node:
        if node.output[0] in exact:
            for name in dict.fromkeys(name for name in node.input if name in large - stored):
                nodes.append(make_node("Cast", [half[name]], [name], to=TensorProto.FLOAT))
                stored.add(name)
            nodes.append(node)
            casts = [name for name in node.output if name in crossing]
            nodes += [make_node("Cast", [name], [half[name]], to=TensorProto.FLOAT16) for name in casts]
            continue
        nodes.append(node)
        for index, name in enumerate(node.input):
            if not (node.op_type == "Resize" and index > 0):  # the operator takes its factors in float32 only
                node.input[index] = half.get(name, name)
        for index, name in enumerate(node.output):
            node.output[index] = half.get(name, name)
    nodes += [make_node("Cast", [half[name]], [name], to=TensorProto.FLOAT) for name in outputs]

    halves = [from_array(to_array(tensor).astype(np.float16), half[name]) for name, tensor in floats.items()]
    whole = [tensor for tensor in graph.initializer if tensor.name not in stored]
    return _replaced(model, nodes, [*whole, *halves])


def _crossing(model: ModelProto, exact: set[str]) -> set[str]:
    """Names of the floats that are computed in float32 and read where float16 is computed."""
    inferred = infer_shapes(model).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}
    read = {name for node in model.graph.node if node.output[0] not in exact for name in node.input}
    return {name for name in read & exact if kinds.get(name) == TensorProto.FLOAT}


def with_int8_weights(model: ModelProto) -> ModelProto:
    """A copy whose large weights are stored as int8 with one float32 factor per output channel (symmetric, rounded).

    They are multiplied out when the graph runs, and all arithmetic is in float32. A right factor of a product is stored
    transposed: onnxruntime (1.25 and later) takes a factor that comes straight from DequantizeLinear for leave to round
    the activations to 8 bits too.
    """
    graph = model.graph
    multiplied = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    nodes, tensors = [], []
    for tensor in graph.initializer:
        weight = to_array(tensor)
        if weight.dtype != np.float32 or weight.ndim < 2 or weight.size < _SMALLEST or tensor.name.endswith(_KEPT):
            tensors.append(tensor)
            continue
        # Right factors of a product are (in, out), all other weights (out, in, ..).
        axis = 1 if tensor.name in multiplied else 0
        scale, levels = _quantized(weight, axis)
        name, turned = tensor.name, axis == 1 and weight.ndim == 2
        tensors += [from_array(np.ascontiguousarray(levels.T) if turned else levels, f"{name}.int8")]
        tensors += [from_array(scale, f"{name}.scale")]
        inputs, unpacked = [f"{name}.int8", f"{name}.scale"], f"{name}.turned" if turned else name
        nodes.append(make_node("DequantizeLinear", inputs, [unpacked], axis=0 if turned else axis))
        if turned:
            nodes.append(make_node("Transpose", [unpacked], [name], perm=[1, 0]))
    return _replaced(_copied(model), [*nodes, *graph.node], tensors)


def _quantized(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors (channels,) and levels -127..127 of the weight's shape, whose product is the weight to half a level."""
    others = tuple(index for index in range(weight.ndim) if index != axis)
    scale = np.maximum(np.abs(weight).max(others, keepdims=True) / 127, np.finfo(np.float32).tiny)
    return scale.ravel().astype(np.float32), np.rint(weight / scale).astype(np.int8)


def _upstream(nodes: Iterable[NodeProto], wanted: set[str]) -> set[str]:
    """The names wanted, and those of all that goes into them; shapes of tensors have no past."""
    maker = {name: node for node in nodes for name in node.output}
    todo = list(wanted)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in maker and name not in found:
            found.add(name)
            if maker[name].op_type != "Shape":
                todo += maker[name].input
    return found


def _copied(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _replaced(model: ModelProto, nodes: list[NodeProto], tensors: list[TensorProto]) -> ModelProto:
    """The model with other nodes and constants; constants that no node reads are left out."""
    read = {name for node in nodes for name in node.input}
    old = model.graph
    graph = GraphProto(
        name=old.name,
        input=old.input,
        output=old.output,
        node=nodes,
        initializer=[tensor for tensor in tensors if tensor.name in read],
    )
    model.graph.CopyFrom(graph)
    return model
