"""The tables of the plan as CSV: a source's index, a block's images, what was excluded."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar, get_type_hints

from ..core.files import write_csv
from ..sources.registry import Entry
from . import names

Row = TypeVar("Row", bound=NamedTuple)


class BlockRow(NamedTuple):
    """One image of a block or of the golden set."""

    name: str
    role: str
    source: str
    image: str
    sha256: str


class ExcludedRow(NamedTuple):
    """An image that a block or the golden set would have had, and why it has another."""

    source: str
    image: str
    reason: str


class Quality(NamedTuple):
    """What a pair keeps of its content's structure and takes of its style: `cfsd_mean` and `gram_distance`.

    Distances, so lower is better; by the network of the feature losses.
    """

    pair: str
    structure: float
    style: float


def read_indexes(paths: Iterable[Path]) -> dict[str, dict[str, Entry]]:
    """The entries of index/<source>.csv by source and image."""
    return {path.stem: {row.image: row for row in read(path, Entry)} for path in paths}


write = write_csv  # of rows that `read` reads


def read(path: Path | str, row: type[Row]) -> list[Row]:
    """The rows of a CSV table, every value as the row's type says."""
    types = get_type_hints(row)
    with Path(path).open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        head = next(lines)
        places = [(head.index(field), types[field] if types[field] in (int, float) else str) for field in row._fields]
        return [row(*(kind(line[place]) for place, kind in places)) for line in lines]


def paired(block: Path, crossed: bool) -> list[tuple[BlockRow, BlockRow]]:
    """Content and style of each pair of a block, in the order of its shard. crossed: as in `names.paired`."""
    rows = read(block, BlockRow)
    contents, styles = ([row for row in rows if row.role == role] for role in ("content", "style"))
    return names.paired(contents, styles, crossed)
