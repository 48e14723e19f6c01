"""The page's tables: heads and rows of cells, each with the CSV's own text and with what stands there."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ...core.files import read_json
from ..tables import ablation, claims, differences, published
from ..tables.formats import PLAIN
from ..tables.metrics import MEASURES, Measure, best_student
from .warnings import listed

# How the page calls the sets of pairs.
SETS = {"golden": "golden", "val": "validation"}


@dataclass(frozen=True)
class Cell:
    """`value` is the CSV's own text, by which the page sorts; `text` is what stands there."""

    value: str
    text: str
    interval: str = ""
    marks: tuple[str, ...] = field(default=())  # best, greyed, number


def metrics_tables(results: Path) -> dict[str, dict[str, Any]]:
    """Set -> head and rows of its metrics. Reads tables/metrics.csv; cells hold that file's own text."""
    file = results / "tables" / "metrics.csv"
    texts, measures = read_texts(file), [measure for measure in MEASURES if measure.name in pd.read_csv(file, nrows=0)]
    head = [("model", "Model", ""), *_heads(measures)]
    found = {}
    for name, rows in pd.read_csv(file).groupby("set", sort=False):
        best = {m.name: best_student(rows, m) for m in measures}
        body = [
            [
                Cell(texts["model"][index], texts["model"][index]),
                *(_measured(texts.loc[index], m.name, best[m.name] == index) for m in measures),
            ]
            for index in rows.index
        ]
        found[str(name)] = {"head": head, "rows": body, "pairs": int(rows["pairs"].iloc[0])}
    return found


def _heads(measures: Sequence[Measure]) -> list[tuple[str, str, str]]:
    arrows = {"min": "↓", "max": "↑", None: ""}
    return [(measure.name, measure.title, arrows[measure.best]) for measure in measures]


def _measured(row: pd.Series, name: str, best: bool) -> Cell:
    greyed = name in ("fid", "artfid") and row["fid_greyed"] == "True"
    ends = [row.get(f"{name}_{end}", "") for end in ("low", "high")]
    interval = f"[{number(ends[0])}, {number(ends[1])}]" if all(ends) and math.isfinite(float(ends[0])) else ""
    marks = ("number", *(["best"] if best else []), *(["greyed"] if greyed else []))
    return Cell(row[name], number(row[name]), interval, marks)


def breakdown_table(distances: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """A row per model: mean distance of each golden content, then of each golden style."""
    means = {model: pd.concat([table.mean(axis=1), table.mean(axis=0)]) for model, table in distances.items()}
    wide = pd.DataFrame(means).T.map(lambda value: f"{value:.6g}")
    return plain_table(wide.rename_axis("model").reset_index(), {"model": "Model"})


def onnx_facts(results: Path, losses: Sequence[str]) -> dict[str, Any]:
    """What students/<loss>/onnx/export.json say, a row per student and precision: megabytes, differences to torch."""
    facts = {loss: read_json(results / "students" / loss / "onnx" / "export.json") for loss in losses}
    rows = [
        {
            "Student": loss,
            "Precision": precision,
            "Megabytes": f"{_megabytes((precision, measured)):.6g}",
            "Largest difference": f"{measured['largest_error']:.6g}",
            "Mean difference": f"{measured['mean_error']:.6g}",
        }
        for loss, exported in facts.items()
        for precision, measured in sorted(exported["precisions"].items(), key=_megabytes, reverse=True)
    ]
    return {"compared_on": facts[losses[0]]["compared_on"], "table": plain_table(pd.DataFrame(rows), {})}


def _megabytes(exported: tuple[str, dict[str, Any]]) -> float:
    return sum(exported[1]["megabytes"].values())


def plain_table(table: pd.DataFrame, titles: dict[str, str]) -> dict[str, Any]:
    """Head and rows of any table of strings; columns that `titles` does not know keep their name and come last."""
    columns = [name for name in titles if name in table] + [name for name in table if name not in titles]
    numeric = {name for name in columns if all(_is_number(text) for text in table[name])}
    rows = [
        [
            Cell(row[name], number(row[name]), marks=("number",)) if name in numeric else Cell(row[name], row[name])
            for name in columns
        ]
        for _, row in table.iterrows()
    ]
    return {"head": [(name, titles.get(name, name), "") for name in columns], "rows": rows}


def read_texts(path: Path) -> pd.DataFrame:
    """A CSV with all cells as its own text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def claims_table(path: Path) -> dict[str, Any]:
    """The preprint's claims and what this run says to each. path: tables/claims.csv."""
    titles = dict(zip(("claim", "set", "answer", "evidence"), claims.TITLE_ROW, strict=True))
    table = pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in ("difference", "low", "high")})
    rows = pd.DataFrame(claims.rows_of(table, PLAIN), columns=list(titles))
    return plain_table(rows, titles) | {"notes": claims.notes(table)}


def published_scores(path: Path) -> dict[str, Any]:
    """Measured scores beside published ones. path: tables/published.csv."""
    titles = {"model": "Model", "origin": "Origin", "artfid": "ArtFID", "fid": "FID", "lpips": "LPIPS", "cfsd": "CFSD"}
    table = read_texts(path)
    return plain_table(table.drop(columns="decided"), titles) | {"notes": published.notes(table)}


def differences_tables(path: Path, losses: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Model to compare with -> head, rows, and in words what can be told of each loss. path: tables/differences.csv."""
    texts = read_texts(path)
    return {
        other: _differences(texts[texts["minus"] == other], [name for name in losses if name != other], measures)
        for other, measures in differences.AGAINST.items()
    }


def _differences(texts: pd.DataFrame, losses: Sequence[str], measures: Sequence[str]) -> dict[str, Any]:
    shown = [name for name in measures if name in set(texts["measure"])]
    head = [("model", "Model", ""), ("set", "Set", ""), *((name, differences.TITLES[name], "") for name in shown)]
    rows, said = [], []
    for (group, model), found in texts.groupby(["set", "model"], sort=False):
        found = found.set_index("measure").loc[shown]
        name = SETS.get(str(group), str(group))
        rows.append([Cell(model, model), Cell(name, name), *(_difference(row) for _, row in found.iterrows())])
        if model in losses:
            said.append((model, name, _told(found)))
    return {"head": head, "rows": rows, "said": said}


def _difference(row: pd.Series) -> Cell:
    marks = ("number", *(["told"] if row["told"] == "True" else []))
    return Cell(row["difference"], number(row["difference"]), f"[{number(row['low'])}, {number(row['high'])}]", marks)


def _told(found: pd.DataFrame) -> str:
    """In words, the measures in which one model is lower and higher on one set, as far as that can be told."""
    below, told = found["difference"].str.startswith("-"), found["told"] == "True"
    if not told.any():
        return "nothing can be told"
    parts = (("lower in", told & below), ("higher in", told & ~below), ("not to be told:", ~told))
    titles = found.index.map(differences.TITLES)
    return "; ".join(f"{words} {listed(list(titles[some]))}" for words, some in parts if some.any())


def ablation_scores(path: Path, fid_minimum: int) -> dict[str, Any]:
    """The teacher's variants with their settings and scores. path: tables/ablation.csv."""
    texts = read_texts(path)
    settings = zip(ablation.SETTINGS, ablation.SETTING_TITLES, strict=True)
    head = [("model", "Variant", ""), *((name, title, "") for name, title in settings)]
    rows = [
        [
            *(Cell(row[name], row[name]) for name in ("model", *ablation.SETTINGS)),
            *(_measured(row, measure.name, best=False) for measure in ablation.SHOWN),
        ]
        for _, row in texts.iterrows()
    ]
    return {
        "head": [*head, *_heads(ablation.SHOWN)],
        "rows": rows,
        "note": ablation.note(pd.read_csv(path), fid_minimum),
    }


def _is_number(text: str) -> bool:
    return text == "" or (bool(re.fullmatch(r"-?(\d+\.?\d*(e[-+]?\d+)?|inf|nan)", text)) and not text.startswith("00"))


def number(value: str | float) -> str:
    """Three significant digits, thousands separated, an exponent only below 0.00001; – where there is none."""
    value = float(value) if value != "" else math.nan
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    sign, size = "−" if value < 0 else "", abs(value)
    digits = max(0, 2 - math.floor(math.log10(size)))
    return sign + (f"{size:,.{digits}f}" if digits <= 7 else f"{size:.1e}")
