"""PNG files of our own are read by others, pixel for pixel, and are no larger than they should be."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from styledistill.core.png import png_bytes


def noisy(height: int, width: int) -> np.ndarray:
    """A ramp; in two of three rows with noise, in the last column with the steps that a byte's end makes."""
    random = np.random.default_rng(0)
    ramp = 40 + np.add.outer(np.arange(height), np.arange(width))[..., None] // 4 + [0, 20, 40]
    ramp += random.integers(0, 60, (height, width, 3)) * (np.arange(height) % 3 > 0)[:, None, None]
    ramp[:, -1] = random.choice([0, 1, 127, 128, 254, 255], (height, 3))
    return np.uint8(ramp)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (64, 64), (65, 33), (200, 130)])
def test_pillow_reads_the_very_pixels(size):
    pixels = noisy(*size)
    with Image.open(io.BytesIO(png_bytes(pixels))) as image:
        image.verify()
    with Image.open(io.BytesIO(png_bytes(pixels))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", size[::-1])
        assert np.array_equal(np.asarray(image), pixels)


def filtered(pixels: np.ndarray) -> np.ndarray:
    """What is compressed: the rows, each behind its filter's number."""
    data = png_bytes(pixels)
    start = data.index(b"IDAT") + 4
    rows = zlib.decompress(data[start : data.index(b"IEND") - 8])
    return np.frombuffer(rows, np.uint8).reshape(len(pixels), 1 + 3 * pixels.shape[1])


def test_every_filter_is_used_where_it_leaves_least():
    stripes = np.zeros((40, 40, 3), np.uint8)
    random = np.random.default_rng(0)
    stripes[:20] = random.integers(0, 256, (20, 1, 3))  # equal along a row
    stripes[20:] = random.integers(0, 256, (1, 40, 3))  # equal along a column
    rows = filtered(stripes)
    assert set(rows[:20, 0]) == {1} and set(rows[21:, 0]) == {2}
    assert 3 in filtered(noisy(64, 64))[:, 0]
    assert not rows[1:20, 4:].any() and not rows[21:, 1:].any()


def test_files_are_about_as_small_as_pillows():
    pixels = np.asarray(Image.fromarray(noisy(16, 16)).resize((256, 256)), np.int16)
    photograph = np.uint8(np.clip(pixels + np.random.default_rng(1).normal(0, 4, pixels.shape), 0, 255))
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, format="PNG")
    assert len(png_bytes(photograph)) < 1.05 * buffer.tell()
