"""Published scores of StyleID's protocol, beside which measured ones may stand only where everything is the same."""

from __future__ import annotations

import math

import pandas as pd

from .formats import LATEX, MARKDOWN, Syntax, latex_table, markdown_table, number

DIGITS = {"artfid": 3, "fid": 3, "lpips": 4, "cfsd": 3}  # as published; less is better
# StyleID, table of comparisons (Chung, Hyun, Heo, CVPR 2024): 20 contents x 40 styles at 512 x 512.
PUBLISHED = {
    "StyleID": (28.801, 18.131, 0.5055, 0.228),
    "StyTR2": (30.720, 18.890, 0.5445, 0.301),
    "AdaIN": (30.933, 18.242, 0.6076, 0.316),
    "AesPA-Net": (31.420, 19.760, 0.514, 0.246),
    "InST": (40.633, 21.571, 0.8002, float("nan")),
}
NOTE = (
    "Published rows are quoted from StyleID's paper, not measured here; the others were measured on the same pictures "
    "with the same networks. Scores of different papers do not compare: other pictures, sizes and networks give other "
    "numbers. CFSD is the authors' sum over patches. Bold: best."
)


def published_table(metrics: pd.DataFrame, allowed: bool, reason: str) -> pd.DataFrame:
    """Published and measured scores of the golden set, by ArtFID. metrics: as tables/metrics.csv.

    allowed: whether the published ones may stand there; reason: by what that was decided, for the column `decided`.
    """
    measured = metrics.loc[metrics["set"] == "golden", ["model", *DIGITS]].assign(origin="measured")
    rows = [dict(zip(DIGITS, scores, strict=True)) | {"model": name} for name, scores in PUBLISHED.items()]
    quoted = [pd.DataFrame(rows).assign(origin="published")] if allowed else []
    table = pd.concat([*quoted, measured], ignore_index=True).assign(decided=reason)
    columns = ["model", "origin", *DIGITS, "decided"]
    return table[columns].sort_values("artfid", kind="stable", ignore_index=True)


def notes(table: pd.DataFrame) -> list[str]:
    """What stands under the table: how it was decided that published rows stand there or do not, and what they are."""
    return [*table["decided"].unique(), *([NOTE] if "published" in set(table["origin"]) else [])]


def markdown(table: pd.DataFrame) -> str:
    """The table as GitHub's Markdown, with what it does not say under it."""
    return markdown_table(*_rows(table, MARKDOWN), notes(table), texts=2)


def latex(table: pd.DataFrame) -> str:
    """The table as a LaTeX `table*`."""
    return latex_table(*_rows(table, LATEX), notes(table), texts=2, group=1)


def _digits(value: float, count: int, best: float, syntax: Syntax) -> str:
    if math.isnan(value):
        return number(value, syntax)
    text = f"{value:.{count}f}"
    return syntax.bold(text) if value == best else text


def _rows(table: pd.DataFrame, syntax: Syntax) -> tuple[list[str], list[list[str]]]:
    titles = ["Model", "Origin", *(f"{name}{syntax.arrows['min']}" for name in ("ArtFID", "FID", "LPIPS", "CFSD"))]
    best = table[list(DIGITS)].min()
    rows = [
        [
            row["model"],
            row["origin"],
            *(_digits(row[name], count, best[name], syntax) for name, count in DIGITS.items()),
        ]
        for _, row in table.iterrows()
    ]
    return titles, rows
