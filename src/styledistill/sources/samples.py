"""WebDataset from others: what lies in a tar, sample by sample.

A sample is what stands under one key: members `<key>.<rest>`, where the key ends at the first dot behind the last `/`.
Nothing is unpacked under its own name. No torch here.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import NamedTuple

from ..core.errors import BadImage, UserError
from ..core.image_files import MAX_BYTES, climbs_out


class Packed(NamedTuple):
    """A member of a tar, and where its bytes stand."""

    tar: Path
    name: str
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.tar}/{self.name}"

    def read(self) -> bytes:
        """Its bytes. Raises BadImage for more than an image has."""
        if self.size > MAX_BYTES:
            raise BadImage(f"{self.size:,} bytes, over {MAX_BYTES:,}")
        with self.tar.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def split_key(name: str) -> tuple[str, str]:
    """Key and rest of a member's name: cats/7.seg.png is (cats/7, seg.png)."""
    folder, slash, last = name.rpartition("/")
    key, _, rest = last.partition(".")
    return f"{folder}{slash}{key}", rest


def members(tar: Path) -> list[Packed]:
    """The files in a tar, in their order; of one name the last. Raises UserError for what is no plain tar."""
    try:
        with tarfile.open(tar, "r:") as opened:
            found = {
                member.name: Packed(tar, member.name, member.offset_data, member.size)
                for member in opened
                if member.isreg() and not member.issparse()
            }
            check_end(opened)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise UserError(f"{tar}: cannot be read as a tar without compression ({error}). Is it whole?") from error
    for name in found:
        if climbs_out(name):
            raise UserError(f"{tar}: refused, because it holds a path that climbs out of its folder ({name!r}).")
    return list(found.values())


def check_end(listed: tarfile.TarFile) -> None:
    """Raise tarfile.ReadError unless a tar ends behind its last member.

    At a damaged header in the middle readers of tars end as if no more came.
    """
    file = listed.fileobj
    assert file is not None, "open"
    file.seek(listed.offset)
    mark = file.read(tarfile.BLOCKSIZE)
    if mark != bytes(tarfile.BLOCKSIZE):
        what = "a damaged header" if mark else "no mark of its end"
        raise tarfile.ReadError(f"{what} at byte {listed.offset:,}")


def samples(tar: Path) -> dict[str, list[Packed]]:
    """The members of each key, keys in the order in which they first stand."""
    found: dict[str, list[Packed]] = {}
    for member in members(tar):
        found.setdefault(split_key(member.name)[0], []).append(member)
    return found
