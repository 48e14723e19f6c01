"""WebDataset for others: a tar that is whole when it exists. No torch here."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.files import atomic_path

Add = Callable[[str, bytes], None]


@contextmanager
def writing_tar(path: Path) -> Iterator[Add]:
    """A function that adds a member, by name and bytes; the tar stands at `path` when the block ends well.

    Equal members give equal bytes: no times, no owners.
    """
    with atomic_path(path) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(name)  # time, owner and group are zero by default
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

        yield add
