"""Paired differences: what each model does otherwise than the teacher, and than the student before distillation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .bootstrap import FEWEST, RESAMPLES, Resampling
from .formats import Document
from .metrics import MEASURES
from .model import Cell, Column, Table, measured, words

# Measures whose differences are shown. A distance to the teacher is no difference to it, so it stands there alone.
AGAINST = {
    "teacher": (
        *("lpips", "st_lpips", "cfsd", "gram_distance", "color_distance"),
        *("laplacian_energy", "saturation", "brightness"),
    ),
    "pretrained": (
        *("lpips", "st_lpips", "cfsd", "teacher_mse", "teacher_ssim", "teacher_lpips", "teacher_st_lpips"),
        *("teacher_artifacts", "gram_distance", "color_distance"),
    ),
}
TITLES = {measure.name: measure.title for measure in MEASURES}


class PairedScores:
    """Scores of all models on the pairs of one set, in one order, with resamples that all differences share."""

    def __init__(self, frames: dict[str, pd.DataFrame], seed: int) -> None:
        """frames: by model, rows of one set with the columns `pair`, `content`, `style` and the measures."""
        first = next(iter(frames.values()))
        self.contents, self.styles = first["content"].nunique(), first["style"].nunique()
        self.networks = first["networks"].iloc[0]
        self.frames = {model: frame.set_index("pair").loc[first["pair"]] for model, frame in frames.items()}
        self._resampling = Resampling(first, seed)

    def mean(self, model: str, measure: str) -> tuple[float, float, float]:
        """Mean of a measure over the pairs, and the ends of its interval."""
        return self._of(self.frames[model][measure].to_numpy(float))

    def difference(self, model: str, other: str, measure: str) -> tuple[float, float, float]:
        """Mean of `model` minus `other`, pair by pair, and the ends of its interval."""
        mine, theirs = (self.frames[name][measure].to_numpy(float) for name in (model, other))
        return self._of(mine - theirs)

    def _of(self, values: np.ndarray) -> tuple[float, float, float]:
        low, high = self._resampling.interval(values[:, None])
        return float(values.mean()), float(low[0]), float(high[0])


def paired_scores(scores: Sequence[Path], seed: int) -> dict[str, PairedScores]:
    """By set, of the models that have images of its pairs. scores: metrics/<model>.csv."""
    frames = {path.stem: pd.read_csv(path) for path in scores}
    sets = next(iter(frames.values()))["set"].unique()
    return {
        name: PairedScores(
            {model: rows for model, frame in frames.items() if len(rows := frame[frame["set"] == name])}, seed
        )
        for name in sets
    }


def differences(sets: dict[str, PairedScores]) -> pd.DataFrame:
    """One row per set, model to compare with, model and measure: difference, low, high, and whether it is `told`.

    A difference can be told where its interval leaves out 0 and the set has images enough for an interval. A measure
    that was not taken has no rows.
    """
    rows = []
    for name, scores in sets.items():
        enough = min(scores.contents, scores.styles) >= FEWEST
        for other, measures in AGAINST.items():
            for model in scores.frames:
                for measure in measures if model != other else ():
                    if measure not in scores.frames[model]:
                        continue
                    difference, low, high = scores.difference(model, other, measure)
                    row = {"model": model, "set": name, "minus": other, "measure": measure}
                    told = enough and (low > 0 or high < 0)
                    rows.append(row | {"difference": difference, "low": low, "high": high, "told": told})
    return pd.DataFrame(rows)


def document(table: pd.DataFrame) -> Document:
    """The table for programs, people and print, one for each of AGAINST. table: of `differences`."""
    return Document(table, tuple(differences_table(table, other) for other in AGAINST), (NOTE,))


def differences_table(table: pd.DataFrame, other: str) -> Table:
    """Each model minus `other`: a row per set and model, a cell per measure."""
    some = table[table["minus"] == other]
    measures = [measure for measure in AGAINST[other] if measure in set(some["measure"])]
    rows = []
    for (group, model), cells in some.groupby(["set", "model"], sort=False):
        cells = cells.set_index("measure").loc[measures]
        rows.append((words(model), words(group), *(_cell(cell) for cell in cells.itertuples())))
    columns = [Column("model", "Model", words=True), Column("set", "Set", words=True)]
    columns += [Column(measure, TITLES[measure]) for measure in measures]
    return Table(tuple(columns), tuple(rows), title=f"Minus {other}", group=1)


NOTE = (
    "Means of the differences pair by pair, with 95 % bootstrap intervals in brackets "
    f"({RESAMPLES} resamples of the contents and of the styles). Bold: the interval leaves out 0, and the set has at "
    f"least {FEWEST} contents and {FEWEST} styles; what is not bold may be chance."
)


def _cell(cell: Any) -> Cell:
    return measured(cell.difference, (cell.low, cell.high), mark="told" if cell.told else "")
