"""The page's tables; page.html.j2 writes them as HTML.

Those that the run has as Markdown too are only arranged here: their cells say what they say there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ...core.files import read_json
from ..tables.differences import AGAINST, TITLES
from ..tables.formats import Document
from ..tables.model import Table, listed, plain, words

# How the page calls the sets of pairs.
SETS = {"golden": "golden", "val": "validation"}


class SetTable(NamedTuple):
    """The metrics of one set of pairs."""

    pairs: str
    table: Table


def metrics_tables(table: Table) -> dict[str, SetTable]:
    """Set -> its metrics. table: of `metrics.metrics_table`."""
    return {
        name: SetTable(rows.cells("pairs")[0].text, rows.without("set", "pairs"))
        for name, rows in table.by("set").items()
    }


def breakdown_table(distances: dict[str, pd.DataFrame]) -> Table:
    """A row per model: mean distance of each golden content, then of each golden style."""
    means = {model: pd.concat([table.mean(axis=1), table.mean(axis=0)]) for model, table in distances.items()}
    return plain(pd.DataFrame(means).T.rename_axis("model").reset_index(), {"model": "Model"})


def onnx_facts(results: Path, losses: Sequence[str]) -> dict[str, Any]:
    """What students/<loss>/onnx/export.json say, a row per student and precision: megabytes, differences to torch."""
    facts = {loss: read_json(results / "students" / loss / "onnx" / "export.json") for loss in losses}
    rows = [
        {
            "Student": loss,
            "Precision": precision,
            "Megabytes": _megabytes((precision, exported)),
            "Largest difference": exported["largest_error"],
            "Mean difference": exported["mean_error"],
        }
        for loss, found in facts.items()
        for precision, exported in sorted(found["precisions"].items(), key=_megabytes, reverse=True)
    ]
    return {"compared_on": facts[losses[0]]["compared_on"], "table": plain(pd.DataFrame(rows), {})}


def _megabytes(exported: tuple[str, dict[str, Any]]) -> float:
    return sum(exported[1]["megabytes"].values())


class DifferencesTable(NamedTuple):
    """Differences to one model; said: in words, what can be told of a model on a set, (model, set, words) each."""

    table: Table
    said: list[tuple[str, str, str]]


def differences_tables(document: Document, losses: Sequence[str]) -> dict[str, DifferencesTable]:
    """Model to compare with -> the differences to it. document: of `differences.document`."""
    found = document.data
    return {
        other: DifferencesTable(
            _with_sets_called(table),
            [
                (str(model), SETS.get(str(group), str(group)), _told(rows))
                for (group, model), rows in found[found["minus"] == other].groupby(["set", "model"], sort=False)
                if model in losses and model != other
            ],
        )
        for other, table in zip(AGAINST, document.tables, strict=True)
    }


def _with_sets_called(table: Table) -> Table:
    """The table with the page's words for the sets."""
    place = table.place("set")
    rows = ((*row[:place], words(SETS.get(row[place].text, row[place].text)), *row[place + 1 :]) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _told(rows: pd.DataFrame) -> str:
    """In words, the measures in which one model is lower and higher on one set, as far as that can be told."""
    below, told = rows["difference"] < 0, rows["told"]
    if not told.any():
        return "nothing can be told"
    parts = (("lower in", told & below), ("higher in", told & ~below), ("not to be told:", ~told))
    titles = rows["measure"].map(TITLES)
    return "; ".join(f"{words} {listed(list(titles[some]))}" for words, some in parts if some.any())
