"""Whether a file that nobody states a hash of holds what its name says, before its own hash is pinned.

A network that wants a password, or a host that wants a click, answers with a page and says that all is well.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..core.image_files import readers, suffixes
from .check import OtherFile, check_file

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
    """A picture that is damaged behind its head passes: publishers have such, and blocks replace them."""
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


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path, formats=readers()):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # Pillow knows the form, and finds it damaged or too large: that is for whoever opens the picture
        return True


def _kinds() -> tuple[tuple[tuple[str, ...], str, Callable[[Path], bool]], ...]:
    return (
        ((".pth", ".pt", ".ckpt"), "checkpoint of torch", _is_checkpoint),
        ((".zip",), "zip", zipfile.is_zipfile),
        ((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"), "tar", tarfile.is_tarfile),
        ((".parquet",), "parquet file", _is_parquet),
        (suffixes(), "picture", _is_picture),
    )
