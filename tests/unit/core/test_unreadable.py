"""A file that cannot be read as an image: one line says which, what is wrong with it and what to do."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styledistill.core import images
from styledistill.core.errors import BadImage
from styledistill.core.images import open_rgb
from styledistill.core.png_chunks import SIGNATURE

CUT = "copy or download it again, or save it as PNG or JPEG"


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, form)
    return buffer.getvalue()


def floating(level: float) -> bytes:
    buffer = io.BytesIO()
    Image.new("F", (4, 4), level).save(buffer, "TIFF")
    return buffer.getvalue()


def vast() -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return SIGNATURE + struct.pack(">I", 13) + head + struct.pack(">II", zlib.crc32(head), 99) + b"IDAT" + bytes(99)


FILES: dict[str, tuple[bytes, str, str]] = {
    "empty.png": (b"", "an empty file", "copy or download it again"),
    "cut.png": (encoded("PNG")[:2000], "truncated", CUT),
    "cut.jpg": (encoded("JPEG")[:2000], "truncated", CUT),
    "head.png": (SIGNATURE + bytes(9), "a PNG of a kind that is not known here, or cut off", CUT),
    "odd.tif": (b"II*\0" + struct.pack("<I", 8) + bytes(20), "a TIFF of a kind that is not known here", CUT),
    "odd.webp": (b"RIFF" + bytes(4) + b"WEBP" + bytes(40), "a WebP of a kind that is not known here, or cut off", CUT),
    "sound.png": (b"RIFF" + bytes(4) + b"WAVE" + bytes(40), "of no known format", "save it as PNG or JPEG"),
    "words.jpg": (b"words, words, words", "of no known format", "save it as PNG or JPEG"),
    "page.jpg": (b"\n<!DOCTYPE html><html>not found</html>", "a web page, or SVG", "download the image itself"),
    "iphone.jpg": (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC, which other programs read", "save it as PNG or JPEG"),
    "vast.png": (vast(), "over 120,000,000 pixels", "reduce it first"),
    "float.tif": (floating(255), "gray levels from 255 to 255", "save it with 8 bits"),
    "nan.tif": (floating(float("nan")), "gray levels from nan to nan", "save it with 8 bits"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_line_says_what_where_and_what_to_do(name: str, tmp_path: Path) -> None:
    data, what, advice = FILES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadImage) as told:
        open_rgb(tmp_path / name)
    line = str(told.value)
    assert line.startswith(f"{tmp_path / name}: ") and "\n" not in line
    assert what in line.rpartition("; ")[0] and advice in line.rpartition("; ")[2]
    with pytest.raises(BadImage, match=re.escape(what)):
        open_rgb(data)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"No such file or directory\); see that it is there and may be read"):
        open_rgb(tmp_path / "none.png")


def test_want_of_memory_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(image: Image.Image) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(images, "_upright", full)
    with pytest.raises(BadImage, match=r"not enough memory\); reduce it first"):
        open_rgb(encoded("JPEG"))
