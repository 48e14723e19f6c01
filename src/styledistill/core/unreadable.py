"""What a user is told of a file that cannot be read as an image: what it seems to be, and what to do."""

from __future__ import annotations

from PIL import Image

HEAD = 64  # bytes of a file that tell its format

_CANNOT = "cannot be read as an image"
_MEND = "copy or download it again, or save it as PNG or JPEG"
_SAVE = "save it as PNG or JPEG"
_MAGIC = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"GIF8": "GIF",
}
_HEIC = {b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevm", b"hevs", b"hevx", b"mif1", b"msf1"}  # brands of ISO BMFF


def of_no_reader(head: bytes) -> str:
    """Of a file that no reader knows by its first HEAD bytes."""
    if not head:
        return f"{_CANNOT} (an empty file); copy or download it again"
    known = next((form for magic, form in _MAGIC.items() if head.startswith(magic)), None)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":  # sounds and films are RIFF too
        known = "WebP"
    if known:
        return f"{_CANNOT} (a {known} of a kind that is not known here, or cut off); {_MEND}"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return f"{_CANNOT} (HEIC, which other programs read); {_SAVE}"
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        return f"{_CANNOT} (of no known format: a web page, or SVG); download the image itself, or {_SAVE}"
    return f"{_CANNOT} (of no known format); {_SAVE}"


def of_error(error: Exception, most: int) -> str:
    """Of a file at which a reader stopped; most: the pixels that an image may have."""
    if isinstance(error, Image.DecompressionBombError):
        return f"{_CANNOT} (over {most:,} pixels); reduce it first"
    if isinstance(error, MemoryError):
        return f"{_CANNOT} (not enough memory); reduce it first, or end other programs"
    if isinstance(error, OSError) and error.strerror:
        return f"{_CANNOT} ({type(error).__name__}: {error.strerror}); see that it is there and may be read"
    return f"{_CANNOT} ({type(error).__name__}: {error}); {_MEND}"
