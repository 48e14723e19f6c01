"""A document on the disk: written in every form at once, read back from its JSON.

The JSON holds the cells as they are said and the numbers as they were computed, so that the page says no number anew
and draws none that was rounded. The CSV is for the programs of others.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from ...core.errors import UserError
from ...core.files import read_json, write_together
from .formats import Document, csv, latex, markdown
from .model import Table

_TABLES = TypeAdapter(tuple[Table, ...])


def write(document: Document, path: Path) -> None:
    """Write `path` as .csv, .json, .md and .tex, which are of one run whenever this ends."""
    texts = {".csv": csv(document.data), ".json": _json(document), ".md": markdown(document), ".tex": latex(document)}
    write_together({path.with_suffix(suffix): text.encode() for suffix, text in texts.items()})


def read(path: Path) -> Document:
    """What `write` wrote to `path`, whatever its suffix; rows of the data are counted from 0.

    Raises UserError where there is no JSON, as in a run of an earlier version.
    """
    path = path.with_suffix(".json")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. Run the workflow again: it writes the table anew.")
    kept = read_json(path)
    columns = {column["name"]: _series(column) for column in kept["data"]}
    return Document(pd.DataFrame(columns), _TABLES.validate_python(kept["tables"]), tuple(kept["notes"]))


def _json(document: Document) -> str:
    value = {
        "data": [_column(values) for _, values in document.data.items()],
        "tables": _TABLES.dump_python(document.tables, mode="json", exclude_defaults=True),
        "notes": document.notes,
    }
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _column(values: pd.Series) -> dict[str, Any]:
    """A column with its type, which an empty one or one of mixed values would not tell."""
    return {"name": values.name, "dtype": str(values.dtype), "values": [_plain(value) for value in values.tolist()]}


def _series(column: dict[str, Any]) -> pd.Series:
    return pd.Series([_value(plain) for plain in column["values"]], dtype=column["dtype"])


def _plain(value: object) -> object:
    """JSON has no NaN and no infinity: they are {"float": "nan"} and the like, which no value is by itself."""
    return {"float": str(value)} if isinstance(value, float) and not math.isfinite(value) else value


def _value(plain: Any) -> object:
    return float(plain["float"]) if isinstance(plain, dict) else plain
