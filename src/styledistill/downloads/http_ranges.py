"""Pieces of a file that lies on a server or on this disk; `piece_file.py` makes a seekable file of them.

From an archive of gigabytes only the table of contents and the wanted members come (HTTP range requests, RFC 9110
section 14); what is cut is asked for again from where it ended. A large piece (the images of a row group of a
parquet file have hundreds of MB) is kept on the disk while it comes, so that a killed process loses next to nothing of
it; of small ones, a photograph in a zip, the few that were on their way are lost.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from ..core.errors import UserError
from .http import Cut, Patience, client, keep_trying, open_url

_LARGE = 1 << 23  # bytes: such a piece is kept while it comes
_TOTAL = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Pieces(Protocol):
    """A file of `size` bytes of which pieces can be read; `name` is for messages."""

    name: str
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, all of them."""
        ...


class LocalPieces:
    """A file of this disk. Raises UserError where it cannot be read."""

    def __init__(self, path: Path | str) -> None:
        self.name = str(path)
        try:
            self._file = Path(path).open("rb")  # noqa: SIM115 - as long as this object
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        self.size = os.fstat(self._file.fileno()).st_size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`. Raises UserError where the file ends before."""
        data = os.pread(self._file.fileno(), stop - start, start)
        if len(data) != stop - start:
            raise UserError(f"{self.name}: ends at {start + len(data):,} bytes, and {stop:,} are needed. Is it whole?")
        return data


class RemotePieces:
    """A file on a server that answers range requests; used by several threads at once.

    size: in bytes, else it is asked for at once. on_bytes: told how many have come. parts: folder for what has come of
    large pieces; one process at a time may use it. Raises UserError where the server sends no ranges or another file
    than the one that it began with.
    """

    def __init__(
        self,
        url: str,
        size: int | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        on_bytes: Callable[[int], None] = lambda count: None,
        parts: Path | None = None,
    ) -> None:
        self.name, self._url = url, url
        self._patience, self._on_bytes = patience or Patience(), on_bytes
        self._client = client(headers, self._patience.timeout)
        self._parts, self._known = parts, size is not None
        self.size = 0 if size is None else size
        if size is None:
            self.read(0, 1)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`, however often the transfer is cut. Raises UserError."""
        with self._room(start, stop) as come:
            keep_trying(
                lambda: self._receive(come, start, stop),
                come.tell,
                f"{self._url}: could not be read",
                self._url.rpartition("/")[2],
                "Run again: what has come is kept.",
                self._patience,
            )
            come.seek(0)
            return come.read()

    @contextmanager
    def _room(self, start: int, stop: int) -> Iterator[BinaryIO]:
        """Where a piece is put together: it begins with what an earlier process left of it."""
        if self._parts is None or stop - start < _LARGE:
            yield io.BytesIO()
            return
        part = self._parts / f"{start}-{stop}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("a+b") as file:
            if file.tell() > stop - start:
                file.truncate(0)
            self._on_bytes(file.tell())
            yield file
        part.unlink()  # it is whole, and its reader has it

    def _receive(self, come: BinaryIO, start: int, stop: int) -> None:
        begin = start + come.tell()
        if begin >= stop:
            return
        with open_url(self._client, self._url, f"bytes={begin}-{stop - 1}") as answer:
            if answer is None:
                raise UserError(f"{self._url}: nothing at byte {begin:,}; the file there is shorter than it was.")
            if answer.status_code != 206:
                raise UserError(
                    f"{self._url}: the server sends whole files only (it ignores ranges). Set `whole: true` of the "
                    f"source to download all of it ({int(answer.headers.get('Content-Length', 0)):,} bytes)."
                )
            said = _TOTAL.fullmatch(answer.headers.get("Content-Range", ""))
            if said is None or int(said[1]) != begin or int(said[2]) != stop - 1:
                raise Cut("the server sent another part than the one asked for")
            if not self._known:
                self._known, self.size = True, int(said[3])
            if int(said[3]) != self.size:
                raise UserError(f"{self._url}: {int(said[3]):,} bytes there, expected {self.size:,}. Has it changed?")
            for piece in answer.iter_raw():
                come.write(piece)
                self._on_bytes(len(piece))
        if start + come.tell() < stop:
            raise Cut("the connection was cut")
        if start + come.tell() > stop:
            come.seek(0)
            come.truncate()
            raise Cut("the server sent more than was asked for")
