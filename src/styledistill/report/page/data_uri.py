"""Images and charts as text that stands inside the page."""

from __future__ import annotations

import base64
import io
import math
import re
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from ...core.images import open_rgb
from ..figures.charts import INK

# Tried in turn until the images fit: quality of WebP and largest side in pixels, and what the page says of it.
_ENCODINGS = (
    (90, None, "as WebP of quality 90; the files of the run are lossless"),
    *(
        (75, side, f"as WebP of quality 75, at most {side} pixels wide; the files of the run are lossless and whole")
        for side in (384, 256, 192, 128)
    ),
)


def inline_images(files: dict[str, Path], budget: int) -> tuple[dict[str, str], str]:
    """Data URIs of images, as good as `budget` characters allow, and in words how they are encoded.

    The files' own PNG bytes if they fit, else WebP, smaller and smaller; the last of these even if it does not fit.
    """
    if sum(4 * path.stat().st_size for path in files.values()) <= 3 * budget:  # base64: 4 characters for 3 bytes
        return {name: _data_uri("png", path.read_bytes()) for name, path in files.items()}, "pixel for pixel (PNG)"
    *larger, smallest = _ENCODINGS
    for quality, side, said in larger:
        if uris := _within(files, quality, side, budget):
            return uris, said
    quality, side, said = smallest
    return _within(files, quality, side, math.inf), said


def _within(files: dict[str, Path], quality: int, side: int | None, room: float) -> dict[str, str]:
    """WebP of all images; nothing as soon as they take more characters than there is room."""
    uris: dict[str, str] = {}
    for name, path in files.items():
        uris[name] = webp(path, quality, side)
        room -= len(uris[name])
        if room < 0:
            return {}
    return uris


def webp(path: Path, quality: int = 90, side: int | None = 256) -> str:
    """An image as a WebP data URI, made smaller where it is larger than `side` pixels."""
    image = open_rgb(path)
    if side:
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=quality, method=4)
    return _data_uri("webp", buffer.getvalue())


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def svg(figure: Figure, name: str) -> str:
    """A chart as SVG inside HTML: ink in the page's own color, identifiers prefixed by `name`, nothing referred to."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "styledistill"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true">', text, count=1)
    return text.replace(INK, "currentColor")
