"""Pictures to train the embedded networks on: drawn scenes, faces and styles, repainted ones, crops of photographs.

Rendered once into memory; a training of hours draws from the pool again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..core import image_files
from ..core.errors import UserError
from ..core.images import open_rgb
from ..core.progress import progress
from . import photographs
from .faces import face
from .scenes import scene
from .styles import PAINTABLE, paint, style

# Colour photographs with a subject; the grey textures of the package would teach grey skies.
_SUBJECTS = ("astronaut", "chelsea", "coffee", "motorcycle", "retina", "rocket")

# Every so manieth picture of a folder is held out, to look at what was never trained on.
HELD_OUT = {"photographs": 25, "paintings": 12}


def content_pool(seed: int, count: int, size: int) -> np.ndarray:
    """`count` content pictures, uint8 (count, size, size, 3): half scenes, a quarter faces, a quarter photographs."""
    makers = (scene, face, scene, _photograph)
    return _render(makers, seed, count, size)


def style_pool(seed: int, count: int, size: int) -> np.ndarray:
    """`count` style pictures, uint8 (count, size, size, 3): three quarters styles, a quarter repainted contents."""
    return _render((style, style, style, painting), seed, count, size)


def mixed_pool(seed: int, count: int, size: int) -> np.ndarray:
    """`count` pictures of every kind, uint8 (count, size, size, 3), for a generative model of all of them."""
    makers = (scene, style, painting, _photograph, style, face, painting, style, scene, _photograph)
    return _render(makers, seed, count, size)


def painting(seed: int, size: int) -> np.ndarray:
    """A scene, face or photograph repainted in one of the drawn styles, uint8 (size, size, 3)."""
    rng = np.random.default_rng([seed, 71])
    subject = (scene, face, _photograph)[rng.choice(3, p=(0.5, 0.2, 0.3))](seed, size)
    return paint(subject, seed, PAINTABLE[rng.integers(len(PAINTABLE))])


@dataclass(frozen=True)
class Group:
    """Pictures uint8 (H, W, 3) of one kind, and how often they are taken, relative to other groups."""

    pictures: Sequence[np.ndarray]
    share: float
    zoom: float = 1.4  # a crop shows at least so many times the side that it is scaled to, where the picture allows


def crop(rng: np.random.Generator, groups: Sequence[Group], side: int) -> np.ndarray:
    """A random crop (side, side, 3) of a random picture, at a random scale, mirrored by chance."""
    shares = np.array([group.share for group in groups])
    group = groups[rng.choice(len(groups), p=shares / shares.sum())]
    picture = group.pictures[rng.integers(len(group.pictures))]
    shorter = min(picture.shape[:2])
    extent = int(rng.uniform(min(int(group.zoom * side), shorter), shorter + 1)) if shorter > side else shorter
    top, left = (int(rng.integers(length - extent + 1)) for length in picture.shape[:2])
    window = picture[top : top + extent, left : left + extent]
    if rng.random() < 0.5:
        window = window[:, ::-1]
    if extent != side:
        kernel = Image.Resampling.LANCZOS if extent > side else Image.Resampling.BICUBIC
        window = np.asarray(Image.fromarray(window).resize((side, side), kernel))
    return np.ascontiguousarray(window)


def crops(groups: Sequence[Group], seed: int, count: int, size: int) -> np.ndarray:
    """`count` random crops, uint8 (count, size, size, 3)."""
    rng = np.random.default_rng([seed, 73])
    return np.stack([crop(rng, groups, size) for _ in progress(range(count), unit="picture", label="crop")])


def opened(folder: Path, every: int, held_out: bool = False) -> list[np.ndarray]:
    """The pictures of a folder but each `every`-th by name, which is held out; `held_out`: only those.

    Raises UserError where there are none.
    """
    found = image_files.at_top(folder).pictures
    chosen = [name for number, name in enumerate(found) if (number % every == every - 1) == held_out]
    if not chosen:
        raise UserError(f"{folder}: {len(found)} pictures there. At least {every if held_out else 1} are needed.")
    return [np.asarray(open_rgb(folder / name)) for name in chosen]


def _photograph(seed: int, size: int) -> np.ndarray:
    """A random square crop of a photograph, mirrored at random, with its colours shifted a little."""
    rng = np.random.default_rng([seed, 72])
    image = _subject(_SUBJECTS[rng.integers(len(_SUBJECTS))])
    side = int(min(image.size) * rng.uniform(0.35, 1.0))
    left, top = (int(rng.integers(extent - side + 1)) for extent in image.size)
    crop = image.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
    pixels = np.asarray(crop, dtype=np.float32)[:, :: rng.choice((-1, 1))]
    pixels = (pixels / 255) ** rng.uniform(0.7, 1.4) * rng.uniform(0.85, 1.1, size=3)
    return np.uint8(np.rint(np.clip(pixels, 0, 1) * 255))


def _subject(name: str) -> Image.Image:
    if name not in _decoded:
        _decoded[name] = open_rgb(photographs.read(name))
    return _decoded[name]


_decoded: dict[str, Image.Image] = {}


def _render(makers: tuple[Callable[[int, int], np.ndarray], ...], seed: int, count: int, size: int) -> np.ndarray:
    pictures = np.empty((count, size, size, 3), np.uint8)
    for number in progress(range(count), unit="picture", label="draw"):
        pictures[number] = makers[number % len(makers)](seed * 1_000_003 + number, size)
    return pictures
