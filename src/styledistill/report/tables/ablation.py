"""What each part of the teacher does: a table of its variants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ...config import Teacher
from .formats import LATEX, MARKDOWN, Syntax, latex_table, markdown_table, number
from .metrics import MEASURES, best_row, gather

SETTINGS = ("gamma", "temperature", "adain", "injection")
SETTING_TITLES = ("Gamma", "Temperature", "AdaIN", "Injection")
_SHOWN = ("lpips", "fid", "artfid", "cfsd", "gram_distance", "colour_distance")
SHOWN = [measure for measure in MEASURES if measure.name in _SHOWN]


def ablation_table(scores: Sequence[Path], variants: dict[str, Teacher], fid_minimum: int, seed: int) -> pd.DataFrame:
    """Settings and scores of each variant: columns as of `tables.gather`, with SETTINGS behind `model`."""
    table = gather(scores, fid_minimum, seed)
    for place, name in enumerate(SETTINGS):
        table.insert(1 + place, name, [_said(getattr(variants[model], name)) for model in table["model"]])
    return table.drop(columns="laplacian_ratio")


def read_table(path: Path) -> pd.DataFrame:
    """What `ablation_table` made, from tables/ablation.csv."""
    return pd.read_csv(path, converters={"gamma": lambda text: text if "to" in text else float(text)})


def _said(value: object) -> object:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, float | int) else f"{value.start:g} to {value.end:g}"


def markdown(table: pd.DataFrame, fid_minimum: int) -> str:
    """The table as GitHub's Markdown."""
    return markdown_table(*_rows(table, MARKDOWN), [note(table, fid_minimum)], texts=5)


def latex(table: pd.DataFrame, fid_minimum: int) -> str:
    """The table as a LaTeX `table*`."""
    return latex_table(*_rows(table, LATEX), [note(table, fid_minimum)], texts=5, group=4)


def note(table: pd.DataFrame, fid_minimum: int) -> str:
    """What a reader must know."""
    said = f"{table['pairs'].iloc[0]} golden pairs; 95 % bootstrap intervals over contents and styles in brackets."
    said += " Bold: best."
    if table["fid_greyed"].any():
        said += f" FID and ArtFID in grey brackets: fewer than {fid_minimum} pairs."
    if table["seeded"].iloc[0]:
        said += " Networks with seeded random weights: these numbers compare with each other only."
    return said


def _rows(table: pd.DataFrame, syntax: Syntax) -> tuple[list[str], list[list[str]]]:
    titles = ["Variant", *SETTING_TITLES]
    titles += [measure.title + syntax.arrows[measure.best] for measure in SHOWN]
    best = {measure.name: best_row(table, measure) for measure in SHOWN}
    rows = []
    for index, row in table.iterrows():
        cells = [f"{row[name]:g}" if isinstance(row[name], float) else str(row[name]) for name in SETTINGS]
        for measure in SHOWN:
            value = number(row[measure.name], syntax)
            value = syntax.bold(value) if index == best[measure.name] else value
            if measure.per_pair:
                value = syntax.interval(
                    value, *(number(row[f"{measure.name}_{end}"], syntax) for end in ("low", "high"))
                )
            cells.append(syntax.grey(value) if not measure.per_pair and row["fid_greyed"] else value)
        rows.append([row["model"], *cells])
    return titles, rows
