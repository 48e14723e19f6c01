"""The chunks of a PNG that its pixels need, for files whose text or other chunks are damaged or too large to unpack."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Ancillary chunks that change what is seen: transparency, colors, and the turn.
_SEEN = {b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf"}
_PROFILE_BYTES = 1 << 20  # a profile that unpacks to more is none; Pillow's bound of a chunk that it unpacks


def pixels_only(data: bytes) -> bytes:
    """A PNG without all that no pixel needs, and without what of the rest is damaged.

    Critical chunks (their names begin with a capital) stay as they are: whether they are whole is for the decoder.
    """
    return SIGNATURE + b"".join(whole for name, whole in _chunks(data) if _stays(name, whole))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names of the chunks, and the chunks with their length and checksum; a last one that is cut off comes as it is."""
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + length + 12
        yield data[place + 4 : place + 8], data[place:end]
        place = end


def _stays(name: bytes, whole: bytes) -> bool:
    if not name[0] & 0x20:  # critical
        return True
    if name not in _SEEN or len(whole) < 12:
        return False
    if zlib.crc32(whole[4:-4]) != struct.unpack(">I", whole[-4:])[0]:
        return False
    return name != b"iCCP" or _unpacks(whole[8:-4].partition(b"\0")[2][1:])


def _unpacks(packed: bytes) -> bool:
    try:
        return len(zlib.decompressobj().decompress(packed, _PROFILE_BYTES + 1)) <= _PROFILE_BYTES
    except zlib.error:
        return False
