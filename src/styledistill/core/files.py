"""Files that are whole when they exist, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError

_CHUNK = 1 << 20
_UMASK = os.umask(0o022)
os.umask(_UMASK)  # it can be read only by setting it


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises UserError when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)  # some writers make files that nobody else in the group can read
        temporary.replace(path)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _explained(error: OSError, path: Path) -> Exception:
    advice = {
        errno.ENOSPC: "no space left on the disk: free some and run again, finished work is kept",
        errno.EDQUOT: "the disk quota is used up: free some space and run again, finished work is kept",
        errno.EACCES: "no permission to write: check the folder's owner and mode",
        errno.EROFS: "the file system is read-only: choose another folder",
    }.get(error.errno)
    return UserError(f"{path}: {advice}") if advice else error


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` at once or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 `text` to `path` at once or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as readable JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """The value of a JSON file."""
    return json.loads(Path(path).read_text())


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no blanks. Hashes and rule parameters are made from it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path | str) -> str:
    """Hexadecimal sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
