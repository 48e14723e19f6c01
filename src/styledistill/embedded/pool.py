"""Images to train the embedded networks on: drawn scenes, faces and styles, repainted ones, crops of photographs.

Rendered once into memory; a training of hours draws from the pool again and again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from ..core.images import open_rgb
from ..core.progress import progress
from ..procedural.faces.face import face
from ..procedural.scenes.scene import scene
from ..procedural.styles.style import PAINTABLE, paint, style
from ..sources import skimage

# Color photographs with a subject; the gray textures of the package would teach gray skies.
_SUBJECTS = ("astronaut", "chelsea", "coffee", "motorcycle", "retina", "rocket")


def content_pool(seed: int, count: int, size: int) -> np.ndarray:
    """`count` content images, uint8 (count, size, size, 3): half scenes, a quarter faces, a quarter photographs."""
    makers = (scene, face, scene, _photograph)
    return _render(makers, seed, count, size)


def style_pool(seed: int, count: int, size: int) -> np.ndarray:
    """`count` style images, uint8 (count, size, size, 3): three quarters styles, a quarter repainted contents."""
    return _render((style, style, style, painting), seed, count, size)


def mixed_pool(seed: int, count: int, size: int) -> np.ndarray:
    """`count` images of every kind, uint8 (count, size, size, 3), for a generative model of all of them."""
    makers = (scene, style, painting, _photograph, style, face, painting, style, scene, _photograph)
    return _render(makers, seed, count, size)


def painting(seed: int, size: int) -> np.ndarray:
    """A scene, face or photograph repainted in one of the drawn styles, uint8 (size, size, 3)."""
    rng = np.random.default_rng([seed, 71])
    subject = (scene, face, _photograph)[rng.choice(3, p=(0.5, 0.2, 0.3))](seed, size)
    return paint(subject, seed, PAINTABLE[rng.integers(len(PAINTABLE))])


def _photograph(seed: int, size: int) -> np.ndarray:
    """A random square crop of a photograph, mirrored at random, with its colors shifted a little."""
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
        _decoded[name] = open_rgb(skimage.read(name))
    return _decoded[name]


_decoded: dict[str, Image.Image] = {}


def _render(makers: tuple[Callable[[int, int], np.ndarray], ...], seed: int, count: int, size: int) -> np.ndarray:
    images = np.empty((count, size, size, 3), np.uint8)
    for number in progress(range(count), unit="image", label="draw"):
        images[number] = makers[number % len(makers)](seed * 1_000_003 + number, size)
    return images
