"""Whether a file is the one that it should be."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..core.errors import UserError
from ..core.files import sha256_file
from .lock import Pinned


class OtherFile(UserError):
    """A file is not the one that it should be; `reason` says in what it differs."""

    def __init__(self, path: Path | str, reason: str, advice: str = "") -> None:
        super().__init__(f"{path}: {reason}; remove it and run again{f'. {advice}' if advice else ''}")
        self.reason = f"{reason}. {advice}" if advice else reason


def check_file(path: Path | str, sha256: str, size: int | None = None, md5: str | None = None) -> str:
    """Hexadecimal sha256 of the file `path`. Raises OtherFile.

    sha256: the whole of it or its first digits. size: in bytes, where it is known; asked first, since it costs nothing.
    md5: for archives whose publishers give no better hash.
    """
    found = Path(path).stat().st_size
    if size is not None and found != size:
        raise OtherFile(path, f"{found:,} bytes, expected {size:,}")
    digest = sha256_file(path)
    if not digest.startswith(sha256.lower()):
        advice = sha256.advice if isinstance(sha256, Pinned) else ""
        raise OtherFile(path, f"sha256 is {digest[:16]}.., expected {sha256[:16]}..", advice)
    if md5 is not None:
        with Path(path).open("rb") as file:
            summed = hashlib.file_digest(file, "md5").hexdigest()
        if summed != md5:
            raise OtherFile(path, f"md5 is {summed}, expected {md5}")
    return digest


def check_blob(path: Path, blob: str) -> None:
    """Raises OtherFile, and removes the file, where its name in git's store of objects is another than `blob`."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    if digest.hexdigest() != blob:
        path.unlink()
        raise OtherFile(path, f"git names it {digest.hexdigest()[:16]}.., expected {blob[:16]}..")
