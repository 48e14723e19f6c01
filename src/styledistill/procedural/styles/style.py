"""Procedural paintings: seeded style images in eight manners, the same composition at every resolution.

Every manner paints over a *ground*, a small soft image that says which color belongs where. `style` makes the
ground from a palette; `paint` makes it from a given image, which the manner then repaints.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from . import fields, palettes, patterns, strokes
from .easel import GROUND_SIDE, Easel, as_image

KINDS: dict[str, Callable[[Easel], np.ndarray]] = {
    "brush": strokes.brush,
    "mosaic": patterns.mosaic,
    "hatching": patterns.hatching,
    "dots": strokes.dots,
    "marbling": patterns.marbling,
    "shards": strokes.shards,
    "waves": patterns.waves,
    "watercolor": patterns.watercolor,
}
# The manners that keep the shapes of an image recognizable.
PAINTABLE: tuple[str, ...] = ("brush", "mosaic", "dots", "shards", "hatching")

# First words of the random streams: the palette, the ground and the choice of the manner do not disturb each other.
_PALETTE_STREAM, _GROUND_STREAM, _KIND_STREAM = 1, 2, 3
# Manners whose edges are soft by themselves.
_SOFT = ("watercolor",)


def style(seed: int, size: int, kind: str | None = None) -> np.ndarray:
    """The style image of a seed: uint8 (size, size, 3) RGB. Without `kind` the seed also chooses the manner."""
    if kind is None:
        kind = list(KINDS)[np.random.default_rng([seed, _KIND_STREAM]).integers(len(KINDS))]
    colors = palettes.palette(np.random.default_rng([seed, _PALETTE_STREAM]))
    ground = _underpainting(colors, np.random.default_rng([seed, _GROUND_STREAM]))
    return _finish(ground, colors, seed, size, kind)


def paint(image: np.ndarray, seed: int, kind: str) -> np.ndarray:
    """`image`, uint8 (size, size, 3) RGB, repainted in a manner of PAINTABLE with the seed's palette: same shape."""
    if kind not in PAINTABLE:
        raise ValueError(f"cannot repaint an image as {kind!r}; choose from {', '.join(PAINTABLE)}")
    colors = palettes.palette(np.random.default_rng([seed, _PALETTE_STREAM]))
    ground = _recolored(image, colors, np.random.default_rng([seed, _GROUND_STREAM]))
    return _finish(ground, colors, seed, image.shape[0], kind)


def _finish(ground: np.ndarray, colors: np.ndarray, seed: int, size: int, kind: str) -> np.ndarray:
    """Paint larger than asked and reduce, which smooths every edge: uint8 (size, size, 3)."""
    oversampling = 3 if size <= 256 and kind not in _SOFT else 2
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    painted = KINDS[kind](Easel(size * oversampling, ground, colors, rng))
    return np.asarray(as_image(painted).reduce(oversampling))


def _underpainting(colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(GROUND_SIDE, GROUND_SIDE, 3): large soft regions of the palette's colors, lit from one side."""
    x, y = fields.grid(GROUND_SIDE)
    cells, angle = rng.uniform(1.6, 3.4), rng.uniform(0, 2 * np.pi)
    slope = (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle)
    pull = rng.permutation(np.linspace(-3.0, 3.0, len(colors))) * rng.uniform(0.2, 1.0)
    claims = np.stack([fields.noise(rng, GROUND_SIDE, cells) + slope * share for share in pull], axis=-1)
    claims = np.exp(claims * rng.uniform(2.5, 6.0))
    lab = claims / claims.sum(axis=-1, keepdims=True) @ palettes.to_lab(colors)
    # Mixing dulls; give the colors their strength back.
    lab[..., 1:] *= 1.15
    lab[..., 0] += 0.05 * fields.noise(rng, GROUND_SIDE, 3.0)
    return palettes.to_rgb(lab)


def _recolored(image: np.ndarray, colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(GROUND_SIDE, GROUND_SIDE, 3): the image, small, moved by its brightness partly or wholly into the palette."""
    small = Image.fromarray(image).resize((GROUND_SIDE, GROUND_SIDE), Image.Resampling.BOX)
    own = np.asarray(small, np.float32) / 255.0
    bright = palettes.luminance(own)
    low, high = np.quantile(bright, [0.02, 0.98])
    new = palettes.ramp(colors, np.clip((bright - low) / (high - low + 1e-3), 0.0, 1.0))
    share = rng.choice([0.25, 0.6, 0.85, 1.0])
    return palettes.to_rgb(palettes.to_lab(own) * (1 - share) + palettes.to_lab(new) * share)
