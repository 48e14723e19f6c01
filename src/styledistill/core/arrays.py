"""Images in memory without torch: float32 RGB arrays (N, 3, H, W) in [0, 1]."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .errors import UserError

LUMA = (0.299, 0.587, 0.114)  # Rec. 601: weights of R, G, B; the Y of YIQ
NOT_FINITE = (
    "not finite (NaN, infinity), as weights are that a training has ruined. Train again with a lower "
    "learning_rate or in float32, or use other weights."
)


def planes(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, C) to float32 (1, C, H, W) in [0, 1]."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)[None] / np.float32(255)


def levels(image: np.ndarray) -> np.ndarray:
    """(1, C, H, W) in [0, 1] to uint8 (H, W, C), clamped and rounded."""
    height, width = image.shape[2:]
    made = np.empty((height, width, image.shape[1]), np.uint8)
    for channel, plane in enumerate(image[0]):  # one plane at a time: a large image is held once
        made[:, :, channel] = np.rint(plane.clip(0, 1) * 255)
    return made


def mirrored(length: int, multiple: int) -> np.ndarray:
    """Places 0, 1, .., n-1, n-2, .., 0, 1, .. of a side of n, up to the next multiple: it continued by reflection."""
    period = max(1, 2 * (length - 1))
    place = np.arange(length + -length % multiple) % period
    return np.minimum(place, period - place)


def finite(array: np.ndarray, what: str) -> np.ndarray:
    """The array itself. Raises UserError that names `what` where a number of it is not finite."""
    if not np.isfinite(array).all():
        raise UserError(f"{what}: {NOT_FINITE}")
    return array


def resized(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images (N, C, h, w) in [0, 1] at another size by Pillow's Lanczos filter (antialiased), clamped."""
    made = np.empty((*images.shape[:2], height, width), np.float32)
    for image, into in zip(images, made, strict=True):
        for plane, place in zip(image, into, strict=True):
            whole = Image.fromarray(np.ascontiguousarray(plane, np.float32))
            place[:] = whole.resize((width, height), Image.Resampling.LANCZOS)
    return made.clip(0, 1, out=made)


def size_within(height: int, width: int, pixels: int) -> tuple[int, int]:
    """The largest size of this shape that has at most so many pixels, or the size itself."""
    factor = min(1.0, (pixels / (height * width)) ** 0.5)
    return max(1, int(height * factor)), max(1, int(width * factor))
