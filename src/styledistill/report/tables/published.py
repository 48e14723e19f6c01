"""Published scores of StyleID's protocol, beside which measured ones may stand only where everything is the same."""

from __future__ import annotations

import pandas as pd

from .formats import Document
from .model import Column, Table, measured, words

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
    "Published rows are quoted from StyleID's paper, not measured here; the others were measured on the same images "
    "with the same networks. Scores of different papers do not compare: other images, sizes and networks give other "
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


def document(table: pd.DataFrame) -> Document:
    """The table for programs, people and print. table: of `published_table`."""
    return Document(table, (scores_table(table),))


def scores_table(table: pd.DataFrame) -> Table:
    """A row per model with its scores, to as many digits as are published; the best of each marked."""
    titles = {"artfid": "ArtFID", "fid": "FID", "lpips": "LPIPS", "cfsd": "CFSD"}
    best = table[list(DIGITS)].min()
    rows = [
        (
            words(row["model"]),
            words(row["origin"]),
            *(measured(row[n], digits=count, mark="best" if row[n] == best[n] else "") for n, count in DIGITS.items()),
        )
        for _, row in table.iterrows()
    ]
    columns = [Column("model", "Model", words=True), Column("origin", "Origin", words=True)]
    columns += [Column(name, titles[name], "min") for name in DIGITS]
    return Table(tuple(columns), tuple(rows), notes=tuple(notes(table)), group=1)
