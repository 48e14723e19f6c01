"""The page's tables, of the run's numbers; page.html.j2 writes them as HTML, as `tables.formats` writes the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ...core.files import read_json
from ..tables import claims, differences
from ..tables.metrics import metrics_table
from ..tables.model import Table, listed, plain

# How the page calls the sets of pairs.
SETS = {"golden": "golden", "val": "validation"}


class SetTable(NamedTuple):
    """The metrics of one set of pairs."""

    pairs: int
    table: Table


def metrics_tables(metrics: pd.DataFrame, fid_minimum: int) -> dict[str, SetTable]:
    """Set -> its metrics. metrics: rows of tables/metrics.csv."""
    return {
        str(name): SetTable(int(rows["pairs"].iloc[0]), metrics_table(rows, fid_minimum).without("set", "pairs"))
        for name, rows in metrics.groupby("set", sort=False)
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


def claims_table(path: Path) -> Table:
    """The preprint's claims and what this run says to each. path: tables/claims.csv."""
    numbers = {name: [""] for name in ("difference", "low", "high")}
    return claims.answers_table(pd.read_csv(path, keep_default_na=False, na_values=numbers))


class DifferencesTable(NamedTuple):
    """Differences to one model; said: in words, what can be told of a model on a set, (model, set, words) each."""

    table: Table
    said: list[tuple[str, str, str]]


def differences_tables(found: pd.DataFrame, losses: Sequence[str]) -> dict[str, DifferencesTable]:
    """Model to compare with -> the differences to it. found: rows of tables/differences.csv."""
    return {
        other: DifferencesTable(
            differences.differences_table(found, other, SETS),
            [
                (str(model), SETS.get(str(group), str(group)), _told(rows))
                for (group, model), rows in found[found["minus"] == other].groupby(["set", "model"], sort=False)
                if model in losses and model != other
            ],
        )
        for other in differences.AGAINST
    }


def _told(rows: pd.DataFrame) -> str:
    """In words, the measures in which one model is lower and higher on one set, as far as that can be told."""
    below, told = rows["difference"] < 0, rows["told"]
    if not told.any():
        return "nothing can be told"
    parts = (("lower in", told & below), ("higher in", told & ~below), ("not to be told:", ~told))
    titles = rows["measure"].map(differences.TITLES)
    return "; ".join(f"{words} {listed(list(titles[some]))}" for words, some in parts if some.any())
