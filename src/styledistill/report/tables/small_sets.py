"""Which measures of a whole set hardly count, because it has few images, and how a reader is told."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from .bootstrap import FEWEST
from .model import listed

FID_64_DIMENSIONS = 64


def grayed(pairs: int, contents: int, styles: int, fid_minimum: int) -> dict[str, bool]:
    """Columns of a row of tables/metrics.csv: whether FID and ArtFID, FID (64) and KID of a set hardly count.

    pairs, contents, styles: how many different ones the set has.
    """
    return {
        "fid_grayed": pairs < fid_minimum,
        "fid_64_grayed": min(pairs, styles) <= FID_64_DIMENSIONS,
        "kid_grayed": min(contents, styles) < FEWEST,
    }


def cautions(table: pd.DataFrame, fid_minimum: int) -> list[str]:
    """What a reader must know of the measures that `grayed` says hardly count, one sentence or two for each.

    table: rows of tables/metrics.csv, of any sets; columns that it lacks are not spoken of.
    """
    of_fid = "FID and ArtFID are" if "artfid" in table else "FID is"
    said = {
        "fid_grayed": (
            lambda row: f"{row['pairs']:.0f} pairs",
            f"{of_fid} grayed: {{}}, below the {fid_minimum} that 2,048 dimensions need. "
            "Gram and color distances stand for style there.",
        ),
        "fid_64_grayed": (
            lambda row: f"{row['styles']:.0f} styles",
            f"FID (64) is grayed: {{}}, and {FID_64_DIMENSIONS} dimensions need more different images than that.",
        ),
        "kid_grayed": (
            lambda row: f"{row['contents']:.0f} contents and {row['styles']:.0f} styles",
            f"KID is grayed: {{}}. It has no bias, but fewer than {FEWEST} contents or styles settle nothing.",
        ),
    }
    return [text.format(_sets(table[table[name]], size)) for name, (size, text) in said.items() if _any(table, name)]


def _any(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool(table[name].any())


def _sets(rows: pd.DataFrame, size: Callable[[pd.Series], str]) -> str:
    return listed([f"{row['set']} has {size(row)}" for _, row in rows.drop_duplicates("set").iterrows()])
