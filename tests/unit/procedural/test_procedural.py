"""What the drawn images promise: fixed by their seed, the same at every size, varied, and not too fine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache, partial
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from styledistill.procedural.faces.face import face
from styledistill.procedural.scenes.canvas import Canvas
from styledistill.procedural.scenes.light import MOODS
from styledistill.procedural.scenes.scene import COMPOSITIONS, scene
from styledistill.procedural.styles import palettes
from styledistill.procedural.styles.style import KINDS, PAINTABLE, paint, style

MAKERS = {"scene": scene, "face": face} | {kind: partial(style, kind=kind) for kind in KINDS}
SEEDS = range(6)

every_maker = pytest.mark.parametrize("name", MAKERS)


@cache
def drawn(name: str, seed: int, size: int = 64) -> np.ndarray:
    """An image that several tests look at."""
    image = MAKERS[name](seed, size)
    image.flags.writeable = False
    return image


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference in gray levels."""
    return float(np.abs(one.astype(float) - other).mean())


def fine_share(image: np.ndarray, cycles: float) -> float:
    """Share of the variance of the brightness in waves shorter than 1 / `cycles` of the image's side."""
    side = len(image)
    window = np.hanning(side)[:, None] * np.hanning(side)
    gray = palettes.luminance(image)
    energy = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    frequency = np.fft.fftfreq(side, 1 / side)
    return float(energy[np.hypot(frequency[:, None], frequency) > cycles].sum() / energy.sum())


def distance_to(colors: np.ndarray, image: np.ndarray) -> float:
    """Mean OKLab distance of an image's pixels to the scale from dark to light through `colors`."""
    scale = palettes.to_lab(palettes.ramp(colors, np.linspace(0, 1, 24)))
    pixels = palettes.to_lab(image[::4, ::4].reshape(-1, 1, 3) / 255)
    return float(np.linalg.norm(pixels - scale, axis=-1).min(axis=1).mean())


@every_maker
@pytest.mark.parametrize("size", [17, 32])
def test_image_has_the_size_and_type_asked_for(name, size):
    image = MAKERS[name](3, size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8


@every_maker
def test_same_seed_gives_the_same_bytes_whatever_was_drawn_before(name):
    first = MAKERS[name](5, 32).tobytes()
    MAKERS[name](6, 16)
    assert MAKERS[name](5, 32).tobytes() == first


DIGEST = """
import hashlib
from styledistill.procedural.faces.face import face
from styledistill.procedural.scenes.scene import scene
from styledistill.procedural.styles.style import KINDS, style
images = [face(2, 32), scene(2, 32), style(2, 32)] + [style(2, 32, kind) for kind in KINDS]
print(hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest())
"""


def test_another_process_draws_the_same_bytes():
    images = [face(2, 32), scene(2, 32), style(2, 32)] + [style(2, 32, kind) for kind in KINDS]
    here = hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()
    # That process orders its sets differently.
    other_order = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = os.environ | {"PYTHONHASHSEED": other_order, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == here


@every_maker
@pytest.mark.parametrize("seed", range(3))
def test_larger_image_has_the_same_composition(name, seed):
    reduced = Image.fromarray(drawn(name, seed, 128)).reduce(2)
    assert difference(np.asarray(reduced), drawn(name, seed)) < 5


@every_maker
def test_different_seeds_give_different_images(name):
    apart = [difference(drawn(name, one), drawn(name, other)) for one, other in combinations(SEEDS, 2)]
    assert min(apart) > 12
    assert np.mean(apart) > 30


@every_maker
def test_image_is_not_flat(name):
    for seed in SEEDS:
        assert drawn(name, seed).std(axis=(0, 1)).max() > 15, f"seed {seed}"


@every_maker
def test_little_is_finer_than_a_32nd_of_the_image(name):
    # An image of 64 pixels holds 32 waves side by side: what is finer would be lost there, or alias.
    assert np.mean([fine_share(drawn(name, seed, 128), cycles=32) for seed in range(3)]) < 0.08


@pytest.mark.parametrize("kind", KINDS)
def test_style_is_painted_in_the_palette_of_its_seed(kind):
    scales = [palettes.palette(np.random.default_rng([seed, 1])) for seed in range(24)]
    own, others = [], []
    for seed in SEEDS:
        apart = [distance_to(scale, drawn(kind, seed)) for scale in scales]
        own.append(apart.pop(seed))
        others += apart
    assert np.mean(own) < 0.75 * np.mean(others)


def test_seed_without_kind_chooses_one_of_the_kinds():
    def chosen(seed: int) -> str:
        image = style(seed, 64)
        (kind,) = [kind for kind in KINDS if np.array_equal(image, drawn(kind, seed))]
        return kind

    assert len({chosen(seed) for seed in SEEDS}) >= 3


@pytest.mark.parametrize("compose", [compose for compose, _ in COMPOSITIONS], ids=lambda compose: compose.__name__)
def test_every_composition_covers_the_canvas_in_every_light(compose):
    for number, mood in enumerate(MOODS):
        canvas = Canvas(32)
        canvas.fill(np.array([1.0, 0.0, 1.0]))
        compose(canvas, np.random.default_rng(number), mood.light(side=(-1.0) ** number))
        image = canvas.result()
        assert not (image == (255, 0, 255)).all(axis=-1).any(), f"bare canvas in mood {number}"
        assert image.std() > 8, f"flat in mood {number}"


@pytest.mark.parametrize("kind", PAINTABLE)
def test_repainted_image_keeps_its_shapes(kind):
    alike = []
    for seed in SEEDS:
        subject = drawn("scene", seed)
        painted = paint(subject, seed, kind)
        assert painted.shape == subject.shape
        assert difference(painted, subject) > 5
        small = [np.asarray(Image.fromarray(p).convert("L").reduce(8), float).ravel() for p in (subject, painted)]
        alike.append(np.corrcoef(*small)[0, 1])
    assert np.mean(alike) > 0.6


def test_manner_that_hides_shapes_cannot_repaint():
    with pytest.raises(ValueError, match="marbling"):
        paint(scene(0, 16), 0, "marbling")
