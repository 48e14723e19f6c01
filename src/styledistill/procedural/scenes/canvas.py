"""The canvas on which scenes and faces are drawn.

All coordinates are fractions of the image (x to the right, y down), so one drawing looks the same at every size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from .paints import Array, to_bytes
from .shapes import box

SUPERSAMPLING = 3  # images are drawn this many times larger and box-reduced: that is the antialiasing
SOFT_RESOLUTION = 160  # pixels per image side of blurred masks; blurred shapes need no more, at any size


class Canvas:
    """A square image under construction, drawn larger than it will be returned."""

    def __init__(self, size: int) -> None:
        self.pixels = size * SUPERSAMPLING
        self.image = Image.new("RGB", (self.pixels, self.pixels))
        self._draw = ImageDraw.Draw(self.image)

    def result(self) -> Array:
        """The finished image, uint8 (size, size, 3)."""
        return np.asarray(self.image.reduce(SUPERSAMPLING)).copy()

    def fill(self, paint: Array) -> None:
        """Cover the whole image."""
        self.polygon(box(0, 0, 1, 1), paint)

    def polygon(self, points: Array, paint: Array, opacity: float = 1.0) -> None:
        """Fill the outline `points` (k, 2) with a color or a grid of colors."""
        if paint.ndim == 1 and opacity >= 1:
            self._draw.polygon((points * self.pixels).ravel().tolist(), fill=tuple(to_bytes(paint).tolist()))
            return
        corner, extent = self._bounds(points)
        self._paste(paint, self._mask(points, corner, extent, opacity), corner)

    def soft(
        self, points: Array, paint: Array, opacity: float = 1.0, blur: float = 0.02, clip: Array | None = None
    ) -> None:
        """Fill an outline whose edge fades over about `blur`, optionally only inside the sharp outline `clip`."""
        grown = np.concatenate([points.min(0, keepdims=True) - 2 * blur, points.max(0, keepdims=True) + 2 * blur])
        corner, extent = self._bounds(grown)
        scale = SOFT_RESOLUTION / self.pixels
        small = Image.new("L", tuple(max(2, round(e * scale)) for e in extent))
        ratio = np.array(small.size) / extent
        spots = ((points * self.pixels - corner) * ratio).ravel().tolist()
        ImageDraw.Draw(small).polygon(spots, fill=round(255 * opacity))
        small = small.filter(ImageFilter.GaussianBlur(float(blur) * SOFT_RESOLUTION))
        mask = small.resize(tuple(extent), Image.Resampling.BILINEAR)
        if clip is not None:
            mask = ImageChops.multiply(mask, self._mask(clip, corner, extent, 1.0))
        self._paste(paint, mask, corner)

    def line(self, points: Sequence[Sequence[float]] | Array, color: Array, width: float) -> None:
        """Stroke through `points` with round joints."""
        flat = (np.asarray(points, float) * self.pixels).ravel().tolist()
        thick = max(1, round(width * self.pixels))
        self._draw.line(flat, fill=tuple(to_bytes(color).tolist()), width=thick, joint="curve")

    def overlay(self, color: Array, alpha: Array) -> None:
        """Veil the image with one color by a field `alpha` (rows, columns) in [0, 1]."""
        mask = Image.fromarray(to_bytes(alpha)).resize(self.image.size, Image.Resampling.BICUBIC)
        self._paste(color, mask, np.zeros(2, int))

    def blur(self, radius: float) -> None:
        """Blur everything drawn so far, as a lens does with what is far behind its subject."""
        small = self.image.resize((SOFT_RESOLUTION, SOFT_RESOLUTION), Image.Resampling.BOX)
        small = small.filter(ImageFilter.GaussianBlur(float(radius) * SOFT_RESOLUTION))
        self.image.paste(small.resize(self.image.size, Image.Resampling.BICUBIC))

    def mirror_below(self, y: float, water: Array, strength: float) -> None:
        """Lay the upside-down image above `y` on the part below it, tinted with the paint `water`."""
        row = round(y * self.pixels)
        height = self.pixels - row
        above = self.image.crop((0, max(0, row - height), self.pixels, row))
        flipped = ImageOps.flip(above).resize((self.pixels, height), Image.Resampling.BILINEAR)
        tint = Image.fromarray(to_bytes(water)).resize(flipped.size, Image.Resampling.BICUBIC)
        self.image.paste(Image.blend(tint, flipped, strength), (0, row))

    def _bounds(self, points: Array) -> tuple[Array, Array]:
        low = np.floor(points.min(0) * self.pixels).astype(int)
        high = np.ceil(points.max(0) * self.pixels).astype(int)
        return low, np.maximum(high - low, 1)

    def _mask(self, points: Array, corner: Array, extent: Array, opacity: float) -> Image.Image:
        mask = Image.new("L", tuple(extent.tolist()))
        ImageDraw.Draw(mask).polygon((points * self.pixels - corner).ravel().tolist(), fill=round(255 * opacity))
        return mask

    def _paste(self, paint: Array, mask: Image.Image, corner: Array) -> None:
        if paint.ndim == 1:
            self.image.paste(tuple(to_bytes(paint).tolist()), (*corner.tolist(), *(corner + mask.size).tolist()), mask)
            return
        patch = Image.fromarray(to_bytes(paint)).resize(mask.size, Image.Resampling.BICUBIC)
        self.image.paste(patch, tuple(corner.tolist()), mask)
