"""Colors and paints of the drawn scenes and faces.

A color is a float array of three values in [0, 1]. A "paint" is either one color or a small grid of colors (rows,
columns, 3) that is stretched over the bounding box of the shape it fills: this is how everything gets its smooth
shading at little cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

Array = np.ndarray
Rng = np.random.Generator
T = TypeVar("T")


def rgb(code: str) -> Array:
    """Color (3,) in [0, 1] from six hexadecimal digits."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=float) / 255


def palette(codes: str) -> list[Array]:
    """Colors from blank-separated hexadecimal codes."""
    return [rgb(code) for code in codes.split()]


# What several kinds of things are painted in.
GREENS = palette("6f9a45 86a84e 5c8a4a 9aa955 7b9b5a")
LEAVES = palette("4f7f3a 5f8f42 3f6e42 6d8f3c 7d9a48 557a4e")
WALLS = palette("e9dcc3 d9b08c c9735a f0e6d6 b9c4c9 d8c58f a9b8a0 c98f7a e6cfa6 9fb2c4")
COATS = palette("b5403a 2f5d8c e0b23c 3d3f4a 5b8a5a e6e0d4 8a4f7d d9773d")
GLAZES = palette("3f6f9a c9573f e9e2d2 5f8f7a d9a441 7a5a8f 2f4a5f b9c9c4")


def mix(a: Array | float, b: Array | float, t: Array | float) -> Array | float:
    """Color (or number) between `a` (t=0) and `b` (t=1)."""
    return a + (b - a) * t


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One element of `options`, all equally likely (numpy's choice would turn arrays into copies of rows)."""
    return options[int(rng.integers(len(options)))]


def vary(rng: Rng, color: Array, amount: float = 0.06) -> Array:
    """`color` made a little lighter or darker and shifted a little in hue."""
    return np.clip(color * (1 + rng.uniform(-amount, amount)) + rng.uniform(-amount, amount, 3) / 3, 0, 1)


def to_bytes(paint: Array) -> Array:
    """Paint in [0, 1] as uint8, same shape."""
    return (np.clip(paint, 0, 1) * 255 + 0.5).astype(np.uint8)


def blend_rows(*colors: Array) -> Array:
    """Grid (24, 1, 3) running smoothly through `colors` from top to bottom."""
    at = np.linspace(0, len(colors) - 1, 24)
    return np.stack([np.interp(at, range(len(colors)), [c[k] for c in colors]) for k in range(3)], -1)[:, None]


def blend_columns(*colors: Array) -> Array:
    """Grid (1, 24, 3) running smoothly through `colors` from left to right."""
    return blend_rows(*colors).transpose(1, 0, 2)


def ball(color: Array, side: float, gloss: float = 0.35) -> Array:
    """Grid (40, 40, 3) of a sphere lit from above on `side` (-1 left, 1 right), with light bouncing from below."""
    v, u = np.mgrid[-1:1:40j, -1:1:40j]
    z = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    facing = (u * 0.55 * side - v * 0.6 + z * 0.58)[..., None]
    bounce = np.clip(v, 0, 1)[..., None] ** 3 * 0.12
    spot = np.exp(-((u - 0.36 * side) ** 2 + (v + 0.42) ** 2) / 0.035)[..., None]
    return np.clip(color * (0.42 + 0.72 * np.clip(facing, 0, 1) + bounce) + gloss * spot, 0, 1)


def cylinder(color: Array, side: float, gloss: float = 0.25) -> Array:
    """Grid (1, 40, 3) of an upright cylinder lit from `side`, with a soft vertical highlight."""
    u = np.linspace(-1, 1, 40)[None, :, None]
    facing = np.clip(u * 0.7 * side + np.sqrt(1 - u * u * 0.98) * 0.71, 0, 1)
    return np.clip(color * (0.38 + 0.72 * facing) + gloss * np.exp(-((u - 0.5 * side) ** 2) / 0.015), 0, 1)


def noise(rng: Rng, rows: int, columns: int, side: int = 96) -> Array:
    """Smooth noise (side, side) in about [-1, 1] from a random lattice of `rows` by `columns` plus a finer octave."""
    field = np.zeros((side, side), np.float32)
    for octave, weight in ((1, 0.7), (2, 0.3)):
        lattice = rng.uniform(-1, 1, (rows * octave, columns * octave)).astype(np.float32)
        field += weight * np.asarray(Image.fromarray(lattice).resize((side, side), Image.Resampling.BICUBIC))
    return field


def mottled(rng: Rng, grid: Array, amount: float, rows: int = 6, columns: int = 6) -> Array:
    """`grid` stretched to (96, 96, 3) and made lighter and darker in smooth patches."""
    base = np.asarray(Image.fromarray(to_bytes(grid)).resize((96, 96), Image.Resampling.BILINEAR)) / 255
    return np.clip(base * (1 + amount * noise(rng, rows, columns)[..., None]), 0, 1)


def ground_paint(rng: Rng, far: Array, near: Array, amount: float = 0.16) -> Array:
    """Grid (96, 96, 3) of flat ground seen in perspective: its patches grow and spread toward the viewer."""
    depth = np.linspace(0, 1, 96) ** 0.45
    patches = noise(rng, 14, 5)[(depth * 95).astype(int)]
    return np.clip(blend_rows(far, near)[np.linspace(0, 23, 96).astype(int)] * (1 + amount * patches[..., None]), 0, 1)
