"""The teacher beside other stylizers: pairs of the golden set, and how much structure and style each kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from PIL import Image

from ...core.numbers import number
from ...splits.names import both
from .sheets import CAPTION, HEADER, Grid, Label, Sheet, enlarged, fitted, font_size

# Column of scores.csv -> how a caption calls it: lower keeps more of the content's structure, or of the style.
MEASURES = {"cfsd": "structure", "gram_distance": "style"}


def teachers_grid(pairs: int, columns: int) -> Grid:
    """Content and style before the stylizers, a row per pair, a line of numbers below each row."""
    bare = Grid(2 + columns, pairs, 1, (), wide_columns=(2,), header=HEADER, side=0, caption=CAPTION)
    return fitted(bare)


def teachers_sheet(results: Path, scores: pd.DataFrame, titles: Mapping[str, str]) -> Sheet:
    """A row per pair: content, style, and what each stylizer made of them, with its two distances beneath.

    scores: rows of teachers/scores.csv. titles: stylizer -> head of its column, in their order. Preprint, Figure 1.
    """
    pairs = list(dict.fromkeys(scores["pair"]))
    table = scores.set_index(["model", "pair"])
    grid = teachers_grid(len(pairs), len(titles))
    sheet, labels = Image.new("RGB", grid.size, "white"), []
    heads = ["content", "style", *titles.values()]
    size = font_size(heads, grid.side)
    for column, head in enumerate(heads):
        labels.append(Label(head, grid.corner(0, 0, column)[0] + grid.side / 2, grid.header - 14, size))
    for row, pair in enumerate(pairs):
        originals = [results / "images" / "golden" / f"{name}.png" for name in both(pair)]
        made = [folder_of(results, name) / f"{pair}.png" for name in titles]
        for column, path in enumerate([*originals, *made]):
            sheet.paste(enlarged(path, grid.side), grid.corner(0, row, column))
        for column, name in enumerate(titles, 2):
            x, y = grid.corner(0, row, column)
            text = "  ".join(f"{word} {number(table.loc[(name, pair), key])}" for key, word in MEASURES.items())
            height = min(font_size([text], grid.side), grid.caption - 10)
            labels.append(Label(text, x + grid.side / 2, y + grid.side + grid.caption - 10, height))
    return Sheet(sheet, tuple(labels))


def folder_of(results: Path, name: str) -> Path:
    """Where the images of a stylizer lie."""
    return results / "golden" / "teacher" if name == "teacher" else results / "teachers" / name


def means(scores: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Mean of both distances over the pairs, a row per stylizer: columns `teacher` (its title) and MEASURES."""
    found = scores.groupby("model", sort=False)[list(MEASURES)].mean().loc[list(titles)]
    return found.rename(index=titles).rename_axis("teacher").reset_index()
