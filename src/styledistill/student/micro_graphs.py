"""The micro student's graphs, made from its weights alone: no torch, and no exporter that takes a minute.

`onnx_export` writes a torch module down as graphs, whatever its architecture. Those of `micro` are few and simple
enough to state once more here, node by node: so every folder of a micro student runs in onnxruntime at once, and an
image that is too large for one piece runs in strips (`strips`), for which no exporter has a graph. They also take a
third less time than exported ones. Tests hold them equal to torch.

Graphs of files (`graphs_of_any_size`) also continue images to the grid and cut them back.

`encode_style`: styles (M, 3, H', W') in [0, 1] to codes (M, code).
`stylize`: contents (N, 3, H, W) in [0, 1], H and W multiples of 8, and codes (N or 1, code) to images (N, 3, H, W).
The rest are its parts, for strips whose borders the caller has added: `at2`, `at4`, `down`, `moments<k>`, `apply<k>`,
`up4`, `up2`, `out`. Maps are (1, C, h, w); k counts the styled blocks, coarsest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .graph_bytes import INT64, Graph, tensor
from .style_statistics import EPSILON, LEVELS, PROJECTIONS

_STRIDES = (8, 4, 2)
GRID = 8  # the sides of contents are multiples of it
_FOLDED = ("down2", "down4", "down8")  # convolutions after 2 x 2 pixels have become channels

Weights = Mapping[str, np.ndarray]
Maker = Callable[[], bytes]


def graphs(weights: Weights, config: Mapping[str, Any], by_rows: bool = False) -> dict[str, Maker]:
    """A function for each graph's name. weights: of `student.safetensors`, float32; config: `network` of config.json.

    by_rows: normalize by the means of rows. onnxruntime's own operator adds a channel's values one by one in
    WebAssembly, and images of 2048 x 2048 are off by 60 levels of 255 there; elsewhere it is as exact, and the graph a
    tenth faster. The names alone cost nothing. Raises KeyError for weights that are not a micro's.
    """
    blocks = block_names(config)
    pad = config["kernel"] // 2
    made: dict[str, Callable[[_Graph], bytes]] = {
        "encode_style": lambda g: _encode_style(g),
        "stylize": lambda g: _stylize(g, blocks, pad, by_rows),
        "at2": lambda g: g.whole({"x": (1, 3)}, {"y": _at2(g, "x")}),
        "at4": lambda g: g.whole({"x": (1, None)}, {"y": _at4(g, "x")}),
        "down": _down,
        "up4": lambda g: g.whole({"x": (1, None), "skip": (1, None)}, {"y": _up(g, "up4", "x", "skip")}),
        "up2": lambda g: g.whole({"x": (1, None), "skip": (1, None)}, {"y": _up(g, "up2", "x", "skip")}),
        "out": lambda g: g.whole({"x": (1, None)}, {"y": _out(g, "x")}),
    }
    for number, name in enumerate(blocks):
        made[f"moments{number}"] = lambda g, name=name: _moments(g, name)
        made[f"apply{number}"] = lambda g, name=name: _apply(g, name, pad)
    return {name: lambda make=make: make(_Graph(weights)) for name, make in made.items()}


def graphs_of_any_size(weights: Weights, config: Mapping[str, Any]) -> dict[str, bytes]:
    """`encode_style` and `stylize` for images of any size, and for as many codes as contents or one.

    weights, config: as `graphs` takes them.
    """
    encoder, drawing = _Graph(weights), _Graph(weights)
    blocks = block_names(config)
    return {
        "encode_style": _encode_style(encoder, _on_grid(encoder, "styles")),
        "stylize": _stylize(
            drawing, blocks, config["kernel"] // 2, False, _on_grid(drawing, "contents"), _code_of_each(drawing)
        ),
    }


def as_stored(weights: Weights) -> dict[str, np.ndarray]:
    """Weights as the graphs hold them under their names: three convolutions take their channels in another order."""
    return {**weights, **{f"{name}.weight": _turned(weights[f"{name}.weight"]) for name in _FOLDED}}


def block_names(config: Mapping[str, Any]) -> list[str]:
    """The styled blocks' names in the order in which an image passes them."""
    return [
        f"styled{stride}.{number}"
        for stride, count in zip(_STRIDES, reversed(config["blocks"]), strict=True)
        for number in range(count)
    ]


class _Graph(Graph):
    """A graph of these weights."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights

    def weight(self, name: str) -> str:
        """The name of a weight, which is kept under its own."""
        self.tensors.setdefault(name, tensor(np.asarray(self.weights[name], np.float32), name))
        return name

    def convolution(self, x: str, name: str, **attributes: Any) -> str:
        """A convolution by its weights' name; without attributes it takes no border."""
        return self.add("Conv", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), **attributes)

    def folded(self, x: str, name: str) -> str:
        """`name` after 2 x 2 pixels have become channels."""
        self.turn(name)
        return self.convolution(self.add("SpaceToDepth", x, blocksize=2), name)

    def turn(self, name: str) -> None:
        """Keep the weights of `name` in the order of SpaceToDepth's channels."""
        self.tensors[f"{name}.weight"] = tensor(_turned(self.weights[f"{name}.weight"]), f"{name}.weight")

    def linear(self, x: str, name: str) -> str:
        """x (B, in) to (B, out)."""
        return self.add("Gemm", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), transB=1)

    def bordered(self, x: str, width: int) -> str:
        """x with its edge repeated `width` times on all sides."""
        return self.add("Pad", x, self.constant([0, 0, width, width] * 2, np.int64), mode="edge")

    def mean(self, x: str) -> str:
        """Means (B, C, 1, 1) of maps: of rows first, since a sum of all numbers loses digits that codes need."""
        for axis in (3, 2):
            x = self.add("ReduceMean", x, self.constant([axis], np.int64), keepdims=1)
        return x

    def mean_and_centered(self, x: str) -> tuple[str, str]:
        """Means (B, C, 1, 1) of maps, and the maps without them."""
        mean = self.mean(x)
        return mean, self.add("Sub", x, mean)

    def variance(self, centered: str) -> str:
        """Variances (B, C, 1, 1) of maps without their means."""
        return self.mean(self.add("Mul", centered, centered))

    def whole(self, inputs: Mapping[str, tuple[int | None, ...]], outputs: Mapping[str, str]) -> bytes:
        """The file. inputs: first axes of images and maps, (1, None) say; two axes are added unless it is a vector."""
        shapes = {name: shape if name in _VECTORS else (*shape, None, None) for name, shape in inputs.items()}
        return self.model("micro", shapes, outputs)


_VECTORS = ("codes",)


def _turned(weight: np.ndarray) -> np.ndarray:
    """SpaceToDepth puts the place before the channel and torch's pixel_unshuffle behind it, so the weights turn."""
    out, into, *sides = weight.shape
    turned = weight.reshape(out, into // 4, 4, *sides).swapaxes(1, 2).reshape(weight.shape)
    return np.ascontiguousarray(turned, np.float32)


# --- any size and number ------------------------------------------------------------------------------------------


def _size(g: _Graph, x: str, axis: int) -> str:
    """The length (1,) of an axis."""
    return g.add("Shape", x, start=axis, end=axis + 1)


def _numbered(g: _Graph, length: str) -> str:
    """0, 1, .., length - 1."""
    return g.add("Range", g.constant(0, np.int64), g.add("Squeeze", length), g.constant(1, np.int64))


def _on_grid(g: _Graph, images: str) -> str:
    """Images continued to the right and downwards by reflection until both sides are multiples of the grid.

    Pixels 0, 1, .., n-1, n-2, .., 0, 1, .. (`model.reflected`), also where a side is smaller than the strip.
    """
    one, two, grid = (g.constant([number], np.int64) for number in (1, 2, GRID))
    continued = images
    for axis in (2, 3):
        length = _size(g, images, axis)
        period = g.add("Max", one, g.add("Mul", two, g.add("Sub", length, one)))
        cells = g.add("Div", g.add("Add", length, g.constant([GRID - 1], np.int64)), grid)
        place = g.add("Mod", _numbered(g, g.add("Mul", cells, grid)), period)
        mirror = g.add("Min", place, g.add("Sub", period, place))
        continued = g.add("Gather", continued, mirror, axis=axis)
    return continued


def _code_of_each(g: _Graph) -> str:
    """The code of each content, its own or the one for all; for another number of codes there is none of that row.

    So a runtime stops as torch does.
    """
    contents, codes = _size(g, "contents", 0), _size(g, "codes", 0)
    several = _unlike(g, codes, g.constant([1], np.int64))
    wrong = g.add("Mul", several, _unlike(g, codes, contents))
    rows = g.add("Mul", _numbered(g, contents), several)
    return g.add("Gather", "codes", g.add("Add", rows, g.add("Mul", wrong, codes)), axis=0)


def _unlike(g: _Graph, x: str, y: str) -> str:
    """1 where numbers differ, else 0."""
    return g.add("Cast", g.add("Not", g.add("Equal", x, y)), to=INT64)


# --- the style's code ---------------------------------------------------------------------------------------------

# EfficientNet-Lite0's blocks below stride 16: their strides, whether they add their input, and whose expanded
# activations are features beside the stem's and those of the block after them; see `efficientnet`.
_LITE0 = ((1, False), (2, False), (1, True), (2, False), (1, True))
_TAPS = (1, 3)
_FEATURES = "style_encoder.features"


def _encode_style(g: _Graph, styles: str = "styles") -> bytes:
    features, x = [], g.add("Sub", g.add("Mul", styles, g.constant(255 / 128)), g.constant(127 / 128))
    x = _relu6(g, g.convolution(x, f"{_FEATURES}.stem", strides=[2, 2], auto_pad="SAME_UPPER"))
    features.append(x)
    for number in range(len(_LITE0)):
        x, expanded = _lite0_block(g, x, number)
        if number in _TAPS:
            features.append(expanded)
    features.append(_expanded(g, x, len(_LITE0)))
    parts = [part for feature in features for part in _statistics(g, feature)] + _colors(g, styles)
    numbers = g.add("Sub", g.add("Concat", *parts, axis=1), g.weight("style_encoder.mean"))
    scaled = g.add("Clip", g.add("Mul", numbers, g.weight("style_encoder.scale")), g.constant(-4), g.constant(4))
    hidden = g.add("Relu", g.linear(scaled, "style_encoder.perceptron.0"))
    return g.whole({"styles": (None, 3)}, {"codes": g.linear(hidden, "style_encoder.perceptron.2")})


def _relu6(g: _Graph, x: str) -> str:
    return g.add("Clip", x, g.constant(0), g.constant(6))


def _expanded(g: _Graph, x: str, number: int) -> str:
    name = f"{_FEATURES}.blocks.{number}.expand"
    return _relu6(g, g.convolution(x, name)) if f"{name}.weight" in g.weights else x


def _lite0_block(g: _Graph, x: str, number: int) -> tuple[str, str]:
    """A block's output and its expanded activations."""
    name = f"{_FEATURES}.blocks.{number}"
    expanded = _expanded(g, x, number)
    channels = len(g.weights[f"{name}.depthwise.weight"])
    stride, shortcut = _LITE0[number]
    # TensorFlow's "same": zeros, one more at the right and the bottom where their number is odd.
    filtered = g.convolution(expanded, f"{name}.depthwise", group=channels, strides=[stride] * 2, auto_pad="SAME_UPPER")
    y = g.convolution(_relu6(g, filtered), f"{name}.project")
    return (g.add("Add", x, y) if shortcut else y), expanded


def _statistics(g: _Graph, feature: str) -> list[str]:
    """Means and deviations (B, C) of maps."""
    mean, centered = g.mean_and_centered(feature)
    deviation = g.add("Sqrt", g.add("Add", g.variance(centered), g.constant(EPSILON)))
    return [g.add("Flatten", mean), g.add("Flatten", deviation)]


def _colors(g: _Graph, styles: str) -> list[str]:
    """`modulation.color_statistics`: means, covariances, and the distribution along six directions of color."""
    mean, centered = g.mean_and_centered(styles)
    channels = [g.add("Gather", centered, g.constant([number], np.int64), axis=1) for number in range(3)]
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    products = [g.add("Flatten", g.mean(g.add("Mul", channels[i], channels[j]))) for i, j in pairs]
    directions = np.asarray(PROJECTIONS, np.float32)
    along = g.add("Conv", styles, g.constant(directions[:, :, None, None]))
    low, high = (directions.clip(**end).sum(1)[:, None, None] for end in ({"max": 0}, {"min": 0}))
    shares = []
    for step in np.linspace(0, 1, LEVELS + 2)[1:-1]:
        above = g.add("Sub", along, g.constant(low + step * (high - low)))
        inside = g.add("Sigmoid", g.add("Mul", above, g.constant(20 / (high - low))))
        shares.append(g.add("Flatten", g.mean(inside)))
    covariances = g.add("Mul", g.add("Concat", *products, axis=1), g.constant(10))
    return [g.add("Flatten", mean), covariances, *shares]


# --- the image ----------------------------------------------------------------------------------------------------


def _stylize(
    g: _Graph, blocks: list[str], pad: int, by_rows: bool, contents: str = "contents", codes: str = "codes"
) -> bytes:
    """contents, codes: what stands for the inputs of these names in the graph."""
    at2 = _at2(g, contents, border=True)
    at4 = g.add("Relu", g.convolution(g.bordered(_at4(g, at2), 1), "mix4"))
    x = g.add("Relu", g.folded(at4, "down8"))
    for stride, up, skip in ((8, "up4", at4), (4, "up2", at2), (2, None, "")):
        for name in blocks:
            if name.startswith(f"styled{stride}."):
                x = _block(g, x, codes, name, pad, by_rows)
        if up:
            x = _up(g, up, x, skip)
    images = _out(g, g.bordered(x, 1))
    if contents != "contents":
        size, axes = g.add("Shape", "contents", start=2, end=4), g.constant([2, 3], np.int64)
        images = g.add("Slice", images, g.constant([0, 0], np.int64), size, axes)
    return g.whole({"contents": (None, 3), "codes": (None, None)}, {"images": images})


def _at2(g: _Graph, x: str, border: bool = False) -> str:
    """Images in [0, 1] at stride 2. Without `border`, x has two rows and columns of image more on each side."""
    g.turn("down2")
    centered = g.add("Sub", g.add("Mul", x, g.constant(2)), g.constant(1))
    pixels = g.add("SpaceToDepth", centered, blocksize=2)
    return g.add("Relu", g.convolution(g.bordered(pixels, 1) if border else pixels, "down2"))


def _at4(g: _Graph, at2: str) -> str:
    return g.add("Relu", g.folded(at2, "down4"))


def _down(g: _Graph) -> bytes:
    at4 = g.add("Relu", g.convolution("x", "mix4"))
    return g.whole({"x": (1, None)}, {"skip": at4, "y": g.add("Relu", g.folded(at4, "down8"))})


def _filtered(g: _Graph, bordered: str, name: str) -> str:
    inner = len(g.weights[f"{name}.filter.weight"])
    expanded = g.add("Relu", g.convolution(bordered, f"{name}.expand"))
    return g.convolution(expanded, f"{name}.filter", group=inner)


def _projected(g: _Graph, x: str, styled: str, name: str) -> str:
    return g.add("Add", x, g.convolution(g.add("Relu", styled), f"{name}.project"))


def _block(g: _Graph, x: str, codes: str, name: str, pad: int, by_rows: bool) -> str:
    """A styled block over a whole map."""
    filtered = _filtered(g, g.bordered(x, pad), name)
    inner = len(g.weights[f"{name}.filter.weight"])
    asked = g.add("Reshape", g.linear(codes, f"{name}.ask"), g.constant([0, 2 * inner, 1, 1], np.int64))
    scale, shift = (
        g.add("Slice", asked, *(g.constant([value], np.int64) for value in (start, start + inner, 1)))
        for start in (0, inner)
    )
    factor = g.add("Add", scale, g.constant(1))
    if by_rows:
        _, flat = g.mean_and_centered(filtered)
        factor = g.add("Div", factor, g.add("Sqrt", g.add("Add", g.variance(flat), g.constant(EPSILON))))
    else:
        norm = (g.constant(np.ones(inner)), g.constant(np.zeros(inner)))
        flat = g.add("InstanceNormalization", filtered, *norm, epsilon=EPSILON)
    return _projected(g, x, g.add("Add", g.add("Mul", flat, factor), shift), name)


def _moments(g: _Graph, name: str) -> bytes:
    """Means and variances (1, C, 1, 1) of what a block filters of a bordered strip."""
    filtered = _filtered(g, "x", name)
    mean, centered = g.mean_and_centered(filtered)
    return g.whole({"x": (1, None)}, {"mean": mean, "variance": g.variance(centered)})


def _apply(g: _Graph, name: str, pad: int) -> bytes:
    """A block over a bordered strip, given the factor and the summand (1, C, 1, 1) of what it filters."""
    styled = g.add("Add", g.add("Mul", _filtered(g, "x", name), "factor"), "summand")
    ends = (g.constant([value] * 2, np.int64) for value in (pad, -pad))
    inside = g.add("Slice", "x", *ends, g.constant([2, 3], np.int64))
    shapes = {"x": (1, None), "factor": (1, None), "summand": (1, None)}
    return g.whole(shapes, {"y": _projected(g, inside, styled, name)})


def _up(g: _Graph, name: str, x: str, skip: str) -> str:
    """A map of twice the size, added to what was there on the way down."""
    doubled = g.add(
        "Resize",
        g.convolution(x, name),
        "",
        g.constant([1, 1, 2, 2]),
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    return g.add("Add", skip, doubled)


def _out(g: _Graph, bordered: str) -> str:
    """Images in [0, 1] of the finest map."""
    pixels = g.add("DepthToSpace", g.convolution(bordered, "out"), blocksize=2, mode="CRD")
    half = g.constant(0.5)
    return g.add("Clip", g.add("Add", g.add("Mul", pixels, half), half), g.constant(0), g.constant(1))
