"""What the scripts share: settings as JSON, paths, and errors in one line. Imported first, before torch."""

from __future__ import annotations

import os

# OpenMP's default spin-wait makes a forward of a small network 25 times slower on a busy machine. Read at import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")
# NumPy's threads (OpenBLAS) otherwise spin after its import, on each core, for as long as half of the import takes.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

import errno
import gc
import math
import sys

if (
    sys.getfilesystemencoding() != "utf-8"
    and sys.orig_argv[1:]
    and sys.argv[0].rstrip("/").endswith((".py", "/styledistill", "src"))
):
    # Under another locale names of files would come in other letters, and go so into tables.
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import UserError
from ..core.files import ADVICE, NAME_BYTES, at_home
from ..core.progress import to_terminal
from .watchdog import join_run

if TYPE_CHECKING:
    from pydantic import BaseModel

# Errors of the system that no script can foresee; others are faults of the program and keep their traceback.
_EVERYWHERE = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# Of torch on a CPU, and of the loader of shared libraries.
_NO_MEMORY = ("can't allocate memory", "annot allocate memory", "failed to map segment from shared object")
# Of torch's loader, when one of its processes has been killed.
_NO_READER = "DataLoader worker (pid"

if sys.argv[0].endswith((".py", "/styledistill", "src")):
    # Until the work begins: torch's import makes a million objects that stay. Looking through them for garbage while
    # they are made, and once more at the end, takes a third of its time.
    gc.disable()

join_run()
for _stream in (sys.stdout, sys.stderr):
    if hasattr(_stream, "reconfigure"):
        _stream.reconfigure(errors="backslashreplace")  # a name that a terminal cannot show ends no script

SEED = click.IntRange(0, 2**63 - 1)  # what all generators take


class Place(click.Path):
    """A path. `~` is the home folder also where a shell leaves it, as in --out=~/scores.csv."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; click's own error for what the options exclude, and for what no disk takes as a name."""
        if isinstance(value, str):
            value = at_home(value)
            # Braces may stand for several shorter names.
            if "{" not in value and any(len(os.fsencode(part)) > NAME_BYTES for part in value.split("/")):
                self.fail(f"{value[:60]}...: {ADVICE[errno.ENAMETOOLONG]}", param, ctx)
        return super().convert(value, param, ctx)


Readable = Place(exists=True, dir_okay=False, readable=True)
Folder = Place(file_okay=False)
Writable = Place(dir_okay=False)


class Number(click.FloatRange):
    """A number within bounds; NaN, which is neither below nor above any bound, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; click's own error for what is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class Settings(click.ParamType):
    """A section of the configuration, as JSON on the command line."""

    name = "json"

    def __init__(self, model: type[BaseModel] | Any) -> None:
        from pydantic import TypeAdapter  # here, since what applies students does without

        self._adapter = TypeAdapter(model)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The validated section; click's own error for text that is none."""
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(value)
        except ValidationError as error:
            fault = error.errors()[0]
            self.fail(f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}", param, ctx)


@contextmanager
def needs(extra: str = "train") -> Iterator[None]:
    """Around imports: end with one line where a package is missing that only an extra brings, as `train` all."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", __name__.partition(".")[0]):
            raise
        _leave(f"error: {package} is not installed, which this needs: {install(extra)}")


def install(extra: str) -> str:
    """How to install what an extra brings; no index has this package, so a clone asks for its own folder."""
    return f"pip install 'styledistill[{extra}]', or pip install '.[{extra}]' in a clone's folder"


@contextmanager
def user_errors(where: str = "") -> Iterator[None]:
    """Turn a user's mistake into one line on stderr and exit code 1; other errors keep their traceback.

    where: the key of the configuration that the script works on, put in front of the line.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    try:
        yield
    except UserError as error:
        _leave(f"error: {where + ': ' if where else ''}{error}")
    except Exception as error:
        if (said := _of_the_system(error)) is None:
            raise
        _leave(said)


def _of_the_system(error: BaseException) -> str | None:
    """The line for an error that a limit of the system is behind; None for a fault of the program."""
    if isinstance(error, OSError) and error.errno in _EVERYWHERE:
        return f"error: {error.filename or 'system'}: {ADVICE[error.errno]}"
    if isinstance(error, RuntimeError) and _NO_READER in str(error):
        return (
            "error: a process that reads images was killed, as for want of memory: run again, "
            "should it happen twice with more memory (/dev/shm too) or fewer distill.workers"
        )
    words = isinstance(error, RuntimeError | ImportError) and any(one in str(error) for one in _NO_MEMORY)
    return f"error: {ADVICE[errno.ENOMEM]}" if words or isinstance(error, MemoryError) else None


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Scripts import torch before they can catch anything, and under a limit its libraries do not fit."""
    if (said := _of_the_system(error)) is None:
        sys.__excepthook__(kind, error, trace)
    else:
        print(said, file=sys.stderr, flush=True)


sys.excepthook = _uncaught


def _leave(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # the disk is full, and the log lies on it
        to_terminal(line)
    raise SystemExit(1)
