"""A seekable file made of pieces, for zipfile and pyarrow; imported where one is opened, since fsspec takes a while."""

from __future__ import annotations

from fsspec.spec import AbstractBufferedFile

from .http_ranges import Pieces

_AHEAD = 1 << 16  # bytes: the table of a small zip and the footer of most parquet files fit into one request


class PieceFile(AbstractBufferedFile):
    """Reads ahead, so that small reads cost one request."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(None, pieces.name, size=pieces.size, block_size=_AHEAD)
        self._pieces = pieces

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._pieces.read(start, end)
