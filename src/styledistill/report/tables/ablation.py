"""What each part of the teacher does: a table of its variants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ...config import Teacher
from .formats import Document
from .metrics import MEASURES, best_row, column, gather, score
from .model import Column, Table, words
from .small_sets import cautions

SETTINGS = ("gamma", "temperature", "adain", "injection")
SETTING_TITLES = ("Gamma", "Temperature", "AdaIN", "Injection")
_SHOWN = ("lpips", "st_lpips", "fid", "fid_64", "kid", "artfid", "cfsd", "gram_distance", "color_distance")
SHOWN = [measure for measure in MEASURES if measure.name in _SHOWN]


def ablation_table(scores: Sequence[Path], variants: dict[str, Teacher], fid_minimum: int, seed: int) -> pd.DataFrame:
    """Settings and scores of each variant: columns as of `tables.gather`, with SETTINGS behind `model`."""
    table = gather(scores, fid_minimum, seed)
    for place, name in enumerate(SETTINGS):
        table.insert(1 + place, name, [_said(getattr(variants[model], name)) for model in table["model"]])
    return table.drop(columns="laplacian_ratio")


def _said(value: object) -> object:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, float | int) else f"{value.start:g} to {value.end:g}"


def document(table: pd.DataFrame, fid_minimum: int) -> Document:
    """The table for programs, people and print. table: of `ablation_table`."""
    return Document(table, (variants_table(table, fid_minimum),))


def variants_table(table: pd.DataFrame, fid_minimum: int) -> Table:
    """A row per variant with its settings and scores; the best of each measure marked."""
    best = {measure.name: best_row(table, measure) for measure in SHOWN}
    columns = [Column("model", "Variant", words=True)]
    columns += [Column(name, title, words=True) for name, title in zip(SETTINGS, SETTING_TITLES, strict=True)]
    rows = [
        (
            words(row["model"]),
            *(words(row[name], f"{row[name]:g}" if isinstance(row[name], float) else None) for name in SETTINGS),
            *(score(row, measure, index == best[measure.name]) for measure in SHOWN),
        )
        for index, row in table.iterrows()
    ]
    columns += [column(measure) for measure in SHOWN]
    return Table(tuple(columns), tuple(rows), notes=(note(table, fid_minimum),), group=4)


def note(table: pd.DataFrame, fid_minimum: int) -> str:
    """What a reader must know."""
    said = f"{table['pairs'].iloc[0]} golden pairs; 95 % bootstrap intervals over contents and styles in brackets."
    said += " Bold: best."
    said += "".join(f" {text}" for text in cautions(table, fid_minimum))
    if table["seeded"].iloc[0]:
        said += " Networks with seeded random weights: these numbers compare with each other only."
    return said
