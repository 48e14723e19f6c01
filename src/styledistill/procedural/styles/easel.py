"""What the painters of `drawn` and `formed` share: the easel they work at, and polygons on a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

from . import fields, palettes

GROUND_SIDE = 96


@dataclass
class Easel:
    """What a painter works with: `side` in drawing pixels, `ground` (g, g, 3) and `palette` (n, 3) in [0, 1]."""

    side: int
    ground: np.ndarray
    palette: np.ndarray
    rng: np.random.Generator

    @cached_property
    def backdrop(self) -> np.ndarray:
        """(side, side, 3) float32: the ground at full size."""
        return np.clip(fields.enlarge(self.ground, self.side), 0.0, 1.0)

    @cached_property
    def tone(self) -> np.ndarray:
        """(g, g) float32: the ground's brightness stretched to [0, 1]."""
        bright = palettes.luminance(self.ground)
        low, high = np.quantile(bright, [0.04, 0.96])
        return np.clip((bright - low) / (high - low + 0.05), 0.0, 1.0).astype(np.float32)

    def colors(self, points: np.ndarray, spread: float) -> np.ndarray:
        """(n, 3) ground colors at points (n, 2), each a little lighter, darker, warmer or colder than its place."""
        light = self.rng.normal(0.0, spread, (len(points), 1))
        tint = self.rng.normal(0.0, spread * 0.5, (len(points), 3))
        return np.clip(fields.sample(self.ground, points) * (1.0 + light) + tint, 0.0, 1.0)


def as_image(painted: np.ndarray) -> Image.Image:
    """(h, w, 3) float in [0, 1] -> an RGB image."""
    return Image.fromarray((np.clip(painted, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))


def canvas(painted: np.ndarray) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """(h, w, 3) float in [0, 1] -> an image and the tool to draw on it."""
    image = as_image(painted)
    return image, ImageDraw.Draw(image)


def pixels(image: Image.Image) -> np.ndarray:
    """An RGB image -> (h, w, 3) float32 in [0, 1]."""
    return np.asarray(image, np.float32) * np.float32(1 / 255)


def fill(draw: ImageDraw.ImageDraw, outlines: np.ndarray, colors: np.ndarray) -> None:
    """Fill the outlines (n, k, 2), in drawing pixels, with colors (n, 3) in [0, 1], in order."""
    inks = (np.clip(colors, 0.0, 1.0) * 255.0 + 0.5).astype(int).tolist()
    for outline, color in zip(outlines.reshape(len(outlines), -1).tolist(), inks, strict=True):
        draw.polygon(outline, fill=tuple(color))


def relief(painted: np.ndarray, strength: float) -> np.ndarray:
    """Light (h, w, 3) from the upper left as if bright paint lay thick."""
    shift = max(1, painted.shape[0] // 110)
    height = palettes.luminance(painted)
    slope = np.zeros_like(height)
    slope[shift:, shift:] = height[shift:, shift:] - height[:-shift, :-shift]
    return painted + (slope * strength)[..., None]
