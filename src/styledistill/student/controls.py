"""What a user can ask of a student, whichever engine draws: mixed styles, strength, colors, masks, sizes. No torch.

Everything is stated once, in operations that NumPy's arrays and torch's tensors have in common; `Student` (torch) and
`OnnxStudent` (onnxruntime) add how a style is encoded and how an image is drawn.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.arrays import LUMA, resized, size_within
from ..core.errors import UserError
from .detail import carried

# Styles beyond this are reduced to it: a code or a token of more would tell nothing new, and memory would not do.
STYLE_PIXELS = 1 << 20
WHOLE_PIXELS = 1 << 21  # what micro draws in one piece on a CPU; more in strips, in 1.3 times the time and less memory


class Stylizing(ABC):
    """An engine's student. Images are (N, 3, H, W) in [0, 1], tensors or arrays, as the engine has them."""

    facts: dict[str, Any]  # what is known of the student beside its network
    # Contents of more pixels are drawn at a size of so many, by networks whose time grows faster than the pixels.
    working_pixels: int

    def stylize(
        self,
        contents: Any,
        styles: Any,
        strength: float = 1.0,
        *,
        weights: Sequence[float] | None = None,
        style_size: int | None = None,
        working_size: int | None = None,
        preserve_color: bool = False,
        mask: Any = None,
        outside: Any = None,
    ) -> Any:
        """Stylized images (N, 3, H, W) of contents (N, 3, H, W), both in [0, 1].

        styles: N images (N, 3, H', W') in [0, 1], or one for all, or what `encode_style` made of N or one; a list of
        such mixes them. H, W, H', W' are free. weights: the share of each of the list, in any unit; equal without.
        strength: 1 is the style, 0 the content drawn in its own style; between them the network draws from features or
        codes in between. style_size: the shorter side to which styles are scaled before they are encoded; of larger
        ones the grain is coarser. working_size: the shorter side at which contents of more are drawn; the result is
        carried to their own size with their own detail (see `detail`), so strokes are larger. preserve_color: only
        light and dark are stylized, see `with_colors_of`. mask: (N or 1, 1, H, W) in [0, 1], where the styles hold;
        where it is 0 stands `outside`, styles as above, or without it the content.
        Raises UserError for images of another shape, for one that is not finite, for weights that are no shares and for
        a mask of another size.
        """
        contents = self._images(contents, "contents")
        sizes = (style_size, working_size)
        made = self._in_styles(contents, styles, strength, weights, sizes)
        if mask is not None:
            mask = self._taken(mask)
            if mask.shape[2:] != contents.shape[2:]:
                (height, width), (h, w) = contents.shape[2:], mask.shape[2:]
                raise UserError(
                    f"mask: {w} x {h} pixels, and the content has {width} x {height}. Give one of its size."
                )
            other = contents if outside is None else self._in_styles(contents, outside, strength, None, sizes)
            made = mask * made + (1 - mask) * other
        elif outside is not None:
            raise UserError("outside: a style for what a mask leaves out needs a mask.")
        return with_colors_of(contents, made) if preserve_color else made

    def _in_styles(
        self,
        contents: Any,
        styles: Any,
        strength: float,
        weights: Sequence[float] | None,
        sizes: tuple[int | None, int | None],
    ) -> Any:
        style_size, working_size = sizes
        given = styles if isinstance(styles, list) else [styles]
        portions = shares(weights, len(given))
        memories = [self._memory(one, style_size) for one in given]
        if strength != 1.0:
            memories = [self.encode_style(contents), *memories]
            portions = [1 - strength, *(strength * portion for portion in portions)]
        size = tuple(contents.shape[2:])
        working = working_target(*size, working_size, self.working_pixels)
        if working == size:
            return self._drawn(contents, memories, portions)
        array = self.as_array(contents)
        small = resized(array, *working)
        drawn = self.as_array(self._drawn(self._taken(small), memories, portions))
        return self._taken(carried(array, small, drawn))

    def _memory(self, style: Any, style_size: int | None) -> Any:
        """What a style left, or leaves now where it is an image."""
        return self.encode_style(style, style_size) if self._is_image(style) else style

    def _images(self, images: Any, what: str) -> Any:
        """Images as the engine has them. Raises UserError that names `what` for another shape than (N, 3, H, W)."""
        images = images if hasattr(images, "shape") else np.asarray(images)  # lists of numbers, an image of Pillow
        levels = "uint8" in str(images.dtype)  # 0 to 255, which would be drawn as white nearly everywhere
        if levels or images.ndim != 4 or images.shape[1] != 3:
            raise UserError(
                f"{what}: {'levels' if levels else 'numbers'} of shape {tuple(images.shape)}, no images (N, 3, H, W) "
                "in [0, 1]. Give planes(load_array(path)) of styledistill.core.arrays and .images."
            )
        return self._taken(images)

    @abstractmethod
    def encode_style(self, styles: Any, style_size: int | None = None) -> Any:
        """What styles (M, 3, H', W') in [0, 1] leave, of any size; it goes into `stylize` in their place."""

    @property
    @abstractmethod
    def mixes(self) -> bool:
        """Whether this student can mix styles, as strengths below 1 do too."""

    @abstractmethod
    def as_array(self, images: Any) -> np.ndarray:
        """Images of the engine as an array."""

    @abstractmethod
    def nbytes(self, memory: Any) -> int:
        """The size of what a style left."""

    @abstractmethod
    def _drawn(self, contents: Any, memories: list[Any], portions: list[float]) -> Any:
        """Contents in a mixture of styles; `portions` add up to 1."""

    @abstractmethod
    def _taken(self, images: Any) -> Any:
        """Images or masks as the engine has them."""

    @abstractmethod
    def _is_image(self, style: Any) -> bool:
        """Whether a style is given as images."""


def shares(weights: Sequence[float] | None, count: int) -> list[float]:
    """The weights of `count` styles as shares of 1; equal without. Raises UserError for weights that are none."""
    weights = [1.0] * count if weights is None else [float(weight) for weight in weights]
    if len(weights) != count:
        raise UserError(f"weights: {len(weights)} of them for {count} styles. Give as many.")
    total = sum(weights)
    if not math.isfinite(total) or min(weights) < 0 or total <= 0:
        told = ", ".join(f"{weight:g}" for weight in weights)
        raise UserError(f"weights of styles: {told} are no shares. Give numbers of at least 0, one of them above.")
    return [weight / total for weight in weights]


def mixture(values: Sequence[Any], portions: Sequence[Any]) -> Any:
    """The sum of values (arrays or tensors), each times its portion: a number, or one for each row of the value."""
    return sum(_of_rows(portion, value) * value for value, portion in zip(values, portions, strict=True))


def _of_rows(portion: Any, value: Any) -> Any:
    return portion.reshape(-1, *[1] * (value.ndim - 1)) if getattr(portion, "ndim", 0) else portion


def style_target(height: int, width: int, style_size: int | None) -> tuple[int, int]:
    """The size at which a style is encoded: its shorter side at `style_size`, and at most STYLE_PIXELS in all."""
    factor = style_size / min(height, width) if style_size else 1.0
    factor = min(factor, (STYLE_PIXELS / (height * width)) ** 0.5)
    return max(1, round(height * factor)), max(1, round(width * factor))


def working_target(height: int, width: int, working_size: int | None, pixels: int) -> tuple[int, int]:
    """The size at which a content is drawn: its shorter side at most `working_size`, and at most `pixels` in all."""
    factor = min(1.0, working_size / min(height, width)) if working_size else 1.0
    return size_within(max(1, round(height * factor)), max(1, round(width * factor)), pixels)


def with_colors_of(content: Any, stylized: Any) -> Any:
    """The luminance of `stylized` with the colors of `content`, both (N, 3, H, W) in [0, 1].

    Y comes from the stylized image, I and Q of YIQ from the content: the luminance-only transfer of Gatys et al.,
    "Preserving Color in Neural Artistic Style Transfer" (2016, arXiv:1606.05897), applied to the finished image. Y
    enters R, G and B alike, so they all get the difference of both luminances. Clamped to [0, 1], which shifts colors
    that RGB does not have.
    """
    difference = sum(weight * (stylized[:, c : c + 1] - content[:, c : c + 1]) for c, weight in enumerate(LUMA))
    return (content + difference).clip(0, 1)
