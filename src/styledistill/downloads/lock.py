"""The sha256 of what no publisher gives one for: pinned when it first comes, checked ever after.

One JSON, `resources/downloads/lock.json`, for all sources, weights and teachers, from what was fetched to what it was.
It may be copied to another machine, or kept beside a paper: whoever fetches with it gets the same bytes or an error.
Same is not right: where nothing told the right bytes when they first came (rows read out of a parquet file without
checksums), a line `...#rows` says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from ..core.errors import UserError
from ..core.files import read_json, write_json
from .addresses import MIRROR, redacted

NAME = "lock.json"
FOLDER = Path("resources/downloads")  # of the one lock of a working directory


class Pinned(str):
    """A value out of a lock; `advice` says where it stands, for the message of whoever finds another."""

    advice: str


def pinned(folder: Path, what: str) -> Pinned | None:
    """What stands in the lock of `folder` for `what`; None where it is not pinned yet."""
    if (value := _read(folder).get(what)) is None:
        return None
    known = Pinned(value)
    known.advice = (
        f"It was pinned when it first came: if the new one is right, remove the line {what!r} from {folder / NAME}"
    )
    return known


def listed(folder: Path) -> dict[str, str]:
    """All that stands in the lock of `folder`; empty where there is none yet."""
    return _read(folder)


def pin(folder: Path, found: Mapping[str, str]) -> None:
    """Check what has come against the lock, and add what is new. Raises UserError where something differs.

    Of a file that came from a mirror the lock says so: it is what the mirror has, whatever the publisher's address.
    """
    with alone(folder):  # jobs of several sources write at once
        known = _read(folder)
        for what, value in found.items():
            if known.get(what, value) != value:
                raise UserError(
                    f"{what}: not what it was when it was first fetched ({value[:16]}.., pinned {known[what][:16]}.. "
                    f"in {folder / NAME}). If the new one is right, remove its line there and run again."
                )
        if new := found.keys() - known.keys():
            write_json(folder / NAME, {**known, **found, **_mirrored(new)})


def mirror_of(folder: Path, what: str) -> str | None:
    """The mirror that a pinned file came from; None where it came from its publisher."""
    return _read(folder).get(f"mirror of {what}")


def _mirrored(new: Iterable[str]) -> dict[str, str]:
    mirror = os.environ.get(MIRROR)
    files = (what for what in new if what.startswith("http") and "#" not in what)
    return {f"mirror of {what}": redacted(mirror) for what in files} if mirror else {}


def forget(folder: Path, beginning: str) -> None:
    """Take out of the lock what begins so: it was pinned of something that something else has replaced."""
    with alone(folder):
        known = _read(folder)
        kept = {what: value for what, value in known.items() if not what.startswith(beginning)}
        if kept != known:
            write_json(folder / NAME, kept)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time works in `folder` while each of them says so; others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with suppress(OSError):  # some network file systems have no locks, and files in their place outlive a kill
            held.enter_context(FileLock(folder / ".guard", fallback_to_soft=False))
        yield


def _read(folder: Path) -> dict[str, str]:
    path = folder / NAME
    return read_json(path) if path.is_file() else {}
