"""Random crops of folders of images, which the embedded networks are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..core import image_files
from ..core.errors import UserError
from ..core.images import open_rgb
from ..core.progress import progress

# Every so manieth image of a folder is held out, to look at what was never trained on.
HELD_OUT = {"photographs": 25, "paintings": 12}


@dataclass(frozen=True)
class Group:
    """Images uint8 (H, W, 3) of one kind, and how often they are taken, relative to other groups."""

    images: Sequence[np.ndarray]
    share: float
    zoom: float = 1.4  # a crop shows at least so many times the side that it is scaled to, where the image allows


def crop(rng: np.random.Generator, groups: Sequence[Group], side: int) -> np.ndarray:
    """A random crop (side, side, 3) of a random image, at a random scale, mirrored by chance."""
    shares = np.array([group.share for group in groups])
    group = groups[rng.choice(len(groups), p=shares / shares.sum())]
    image = group.images[rng.integers(len(group.images))]
    shorter = min(image.shape[:2])
    extent = int(rng.uniform(min(int(group.zoom * side), shorter), shorter + 1)) if shorter > side else shorter
    top, left = (int(rng.integers(length - extent + 1)) for length in image.shape[:2])
    window = image[top : top + extent, left : left + extent]
    if rng.random() < 0.5:
        window = window[:, ::-1]
    if extent != side:
        kernel = Image.Resampling.LANCZOS if extent > side else Image.Resampling.BICUBIC
        window = np.asarray(Image.fromarray(window).resize((side, side), kernel))
    return np.ascontiguousarray(window)


def crops(groups: Sequence[Group], seed: int, count: int, size: int) -> np.ndarray:
    """`count` random crops, uint8 (count, size, size, 3)."""
    rng = np.random.default_rng([seed, 73])
    return np.stack([crop(rng, groups, size) for _ in progress(range(count), unit="image", label="crop")])


def opened(folder: Path, every: int, held_out: bool = False) -> list[np.ndarray]:
    """The images of a folder but each `every`-th by name, which is held out; `held_out`: only those.

    Raises UserError where there are none.
    """
    found = image_files.at_top(folder).images
    chosen = [name for number, name in enumerate(found) if (number % every == every - 1) == held_out]
    if not chosen:
        raise UserError(f"{folder}: {len(found)} images there. At least {every if held_out else 1} are needed.")
    return [np.asarray(open_rgb(folder / name)) for name in chosen]
