"""Files that are whole when they exist, and their hashes."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from .errors import UserError

# What a user can do about an error of the operating system.
ADVICE = {
    errno.ENOSPC: "no space left on the disk: free some and run again, finished work is kept",
    errno.EDQUOT: "the disk quota is used up: free some space and run again, finished work is kept",
    errno.EACCES: "no permission to write: check the folder's owner and mode",
    errno.EPERM: "the disk does not allow to write there: choose another folder",
    errno.ENAMETOOLONG: "the name is too long for this disk: give a shorter one",
    errno.ENOTDIR: "a file stands where a folder should be: choose another folder",
    errno.EISDIR: "a folder stands where the file should be: choose another name",
    errno.EIO: "the disk cannot be written to: look at its cable or its server",
    errno.ESTALE: "the network drive has lost the folder: mount it again and run again",
    errno.EINVAL: "the disk does not take such a name: give one of plain letters",
    errno.EILSEQ: "the disk does not take such a name: give one of plain letters",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n) and run again",
    errno.ENFILE: "too many open files on this machine: end some programs and run again",
    errno.EFBIG: "the file is larger than is allowed here: raise the limit (ulimit -f) and run again",
    errno.ENOMEM: "not enough memory: end other programs or raise the limit (ulimit -v), and run again",
}
NAME_BYTES = 255  # of a file or folder, on every usual disk
_CHUNK = 1 << 20
_UMASK = os.umask(0o022)
os.umask(_UMASK)  # it can be read only by setting it

RUN = "STYLEDISTILL_RUN"  # the folder of the run, which the workflow tells its jobs

written: list[Path] = []  # what this process has put in place, in order; the record of a stage keeps the hashes


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises UserError when the disk is full, the folder cannot be written or another limit of the system is met.
    """
    path = Path(path)
    # A name may have 255 bytes, and the temporary one adds some.
    head = path.name.encode(errors="surrogateescape")[:200].decode(errors="ignore")
    temporary = path.with_name(f".{head}.{run_tag(run_folder())}-{secrets.token_hex(4)}.part")
    try:
        make_folder(path.parent)
        yield temporary
        with suppress(OSError):  # a disk without modes: exFAT, a network drive
            temporary.chmod(0o666 & ~_UMASK)  # some writers make files that nobody else in the group can read
        temporary.replace(path)
        written.append(path.absolute())
    except UserError:
        raise
    except Exception as error:
        number = _number(error, path.parent)
        if number not in ADVICE:
            raise
        raise UserError(f"{path}: {ADVICE[number]}") from error
    finally:
        with suppress(OSError):  # a name that is too long, a disk that has gone: said already
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises UserError where none can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"{folder}: {ADVICE[errno.ENOTDIR]}") from error
    except OSError as error:
        # "No such file" is what /proc and its like answer, which hold no files of anybody.
        advice = ADVICE.get(error.errno or 0, "no folder can be made there: choose another one")
        raise UserError(f"{folder}: {advice}") from error


def _number(error: Exception, folder: Path) -> int | None:
    """The system's number for an error; safetensors says it in words, torch and NumPy's writers only fail."""
    if isinstance(error, OSError):
        return error.errno
    if said := re.search(r"\(os error (\d+)\)", str(error)):
        return int(said[1])
    full = folder.exists() and shutil.disk_usage(folder).free < _CHUNK // 16
    return errno.ENOSPC if full else None


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` at once or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write several files: none is put in place before all are whole on the disk."""
    with ExitStack() as stack:
        for path, data in files.items():
            stack.enter_context(atomic_path(path)).write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 `text` to `path` at once or not at all."""
    write_bytes(path, text.encode())


def write_csv(
    path: Path | str, columns: Iterable[str], rows: Iterable[Iterable[object]], digits: int | None = None
) -> None:
    """Write a CSV table, at once or not at all; lines end with \\n, and a value is written as `str` says it.

    digits: the significant ones of a number that is no integer, which is then left empty where it is none (NaN).
    """
    buffer = io.StringIO()
    plain, quoted = (csv.writer(buffer, lineterminator="\n", quoting=how) for how in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    plain.writerow(columns)
    for values in rows:
        row = [_rounded(value, digits) for value in values]
        odd = any("\r" in str(value) for value in row)  # a line's end for readers, and yet not quoted by itself
        (quoted if odd else plain).writerow(row)
    write_text(path, buffer.getvalue())


def _rounded(value: object, digits: int | None) -> object:
    if digits is None or not isinstance(value, Real) or isinstance(value, Integral):
        return value
    return "" if math.isnan(value) else f"{value:.{digits}g}"


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as readable JSON with sorted keys. Raises UserError where a number of it is not finite."""
    try:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError as error:  # NaN and infinity are no JSON; other readers would stop at them
        raise UserError(f"{path}: not written, for a number of it is not finite ({error})") from error
    write_text(path, text + "\n")


def read_json(path: Path | str) -> Any:
    """The value of a JSON file."""
    return json.loads(Path(path).read_text("utf-8"))


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no blanks. Hashes and rule parameters are made from it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def at_home(path: str) -> str:
    """The path with `~` as the home folder, unless there is something of just this name."""
    return path if not path.startswith("~") or os.path.lexists(path) else os.path.expanduser(path)  # noqa: PTH111


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


def run_folder() -> Path | None:
    """The folder of the run that this process belongs to; None for a script that no workflow started."""
    return Path(os.environ[RUN]) if RUN in os.environ else None


def run_tag(run: Path | None) -> str:
    """What the temporary files of a run's writers bear in their names; of no run, a word for all."""
    return "none" if run is None else hashlib.sha256(bytes(run.absolute())).hexdigest()[:8]
