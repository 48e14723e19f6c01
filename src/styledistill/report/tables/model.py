"""Tables as values: what each cell holds and how it is said, decided once for every form that a table is written in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from ...core.numbers import number, sign


def listed(parts: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


@dataclass(frozen=True)
class Column:
    """A column. key: its name for programs. best: which end is better, None where neither is. words: or numbers."""

    key: str
    title: str
    best: Literal["min", "max"] | None = None
    words: bool = False


@dataclass(frozen=True)
class Cell:
    """What stands in a place of a table.

    key: by what a reader's table is sorted. text: the value as it is said. interval: its ends, as they are said. mark:
    why it stands out (`best` of its column, a difference that can be `told`), empty where it does not. gray: whether
    it hardly counts.
    """

    key: str
    text: str
    interval: tuple[str, str] | None = None
    mark: Literal["best", "told", ""] = ""
    gray: bool = False


@dataclass(frozen=True)
class Table:
    """title: a heading, where it is one of several. notes: what a reader must know. group: the column whose changes
    part the rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    notes: tuple[str, ...] = ()
    group: int = 0

    def place(self, key: str) -> int:
        """Where in each row the cell of a column stands."""
        return [column.key for column in self.columns].index(key)

    def cells(self, key: str) -> list[Cell]:
        """The cells of a column."""
        place = self.place(key)
        return [row[place] for row in self.rows]

    def by(self, key: str) -> dict[str, Table]:
        """The rows parted by what they say in a column, in the order in which each first says it."""
        parts: dict[str, list[tuple[Cell, ...]]] = {}
        for cell, row in zip(self.cells(key), self.rows, strict=True):
            parts.setdefault(cell.text, []).append(row)
        return {text: replace(self, rows=tuple(rows)) for text, rows in parts.items()}

    def without(self, *keys: str) -> Table:
        """The table less some columns."""
        kept = [place for place, column in enumerate(self.columns) if column.key not in keys]
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[place] for place in kept), rows=rows)


def words(value: object, text: str | None = None) -> Cell:
    """A cell of words; `text` where they are said otherwise than they are sorted."""
    return Cell(str(value), str(value) if text is None else text)


def measured(
    value: float,
    ends: Sequence[float] = (),
    digits: int | None = None,
    mark: Literal["best", "told", ""] = "",
    gray: bool = False,
) -> Cell:
    """A cell of a number. ends: of its interval, left out if one is not finite. digits: behind the point, if fixed."""
    there = math.isfinite(value)
    text = f"{sign(value)}{abs(value):,.{digits}f}" if digits is not None and there else number(value)
    interval = tuple(map(number, ends)) if len(ends) and all(map(math.isfinite, ends)) else None
    return Cell(_key(value), text, interval, mark if there else "", gray and there)


def _key(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:.7g}"


def plain(table: pd.DataFrame, titles: dict[str, str]) -> Table:
    """Any table of words and numbers; columns that `titles` does not know keep their name and come last."""
    names = [name for name in titles if name in table] + [name for name in table if name not in titles]
    numeric = {name for name in names if pd.api.types.is_numeric_dtype(table[name])}
    columns = tuple(Column(name, titles.get(name, name), words=name not in numeric) for name in names)
    rows = (
        tuple(measured(float(row[name])) if name in numeric else words(row[name]) for name in names)
        for _, row in table.iterrows()
    )
    return Table(columns, tuple(rows))
