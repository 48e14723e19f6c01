"""Checks of what was downloaded: its hash and size, and that a file is what its name says."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import UnidentifiedImageError

from ..core.errors import UserError
from ..core.files import sha256_file
from ..core.image_files import open_image, suffixes
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


_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch's files began before 1.6: a pickled magic number


def check_download(path: Path, name: str, sha256: str, size: int | None = None, md5: str | None = None) -> str:
    """Hexadecimal sha256 of the file `path`, to be called `name`: checked, or where that is "", its content is.

    Raises OtherFile.
    """
    digest = check_file(path, sha256, size, md5)
    if not sha256:
        _check_content(path, name)
    return digest


def _check_content(path: Path, name: str) -> None:
    """An image that is damaged behind its head passes: publishers have such, and blocks replace them."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        raise OtherFile(path, "a web page, such as a log-in shows")
    for endings, kind, holds in _kinds():
        if name.lower().endswith(endings) and not holds(path):
            raise OtherFile(path, f"no {kind}")


def _is_checkpoint(path: Path) -> bool:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    return _begins(path, _LEGACY)


def _is_parquet(path: Path) -> bool:
    return _begins(path, b"PAR1")


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _is_image(path: Path) -> bool:
    try:
        with open_image(path):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # Pillow knows the form, and finds it damaged or too large: that is for whoever opens the image
        return True


def _kinds() -> tuple[tuple[tuple[str, ...], str, Callable[[Path], bool]], ...]:
    return (
        ((".pth", ".pt", ".ckpt"), "checkpoint of torch", _is_checkpoint),
        ((".zip",), "zip", zipfile.is_zipfile),
        ((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"), "tar", tarfile.is_tarfile),
        ((".parquet",), "parquet file", _is_parquet),
        (suffixes(), "image", _is_image),
    )
