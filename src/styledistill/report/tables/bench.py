"""The scores of one stylizer on one set of pairs, as a typed file that programs can rely on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from .bootstrap import FEWEST, RESAMPLES, Resampling
from .metrics import MEASURES

FORMAT = "styledistill.bench/1"
BETTER = {"min": "lower", "max": "higher", None: "neither"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Stylizer(_Part):
    """What was measured."""

    name: str = Field(description="how the row is called")
    kind: Literal["control", "student", "folder", "onnx", "python"] = Field(description="how it was given")
    origin: str = Field(description="function, or name of the folder")
    version: str | None = Field(description="of the installed package, or as the user said it; null: unknown")
    sha256: str | None = Field(description="of the files that decide its images; null: a control, which has none")


class Images(_Part):
    """Images of one role."""

    count: int = Field(ge=1, description="number of images")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of their names and bytes")


class Data(_Part):
    """On what it was measured."""

    contents: Images
    styles: Images
    stylized: Images = Field(description="the images that were scored")
    size: int | None = Field(description="side in pixels of the center squares that were compared; null: whole images")


class Measured(_Part):
    """One measure."""

    title: str = Field(description="as tables call it")
    value: float | None = Field(description="mean over the pairs, or of the whole set; null: infinite, or of too few")
    low: float | None = Field(description="low end of its 95 % interval; null: none is known")
    high: float | None = Field(description="high end, likewise")
    better: Literal["lower", "higher", "neither"] = Field(description="which direction is better")


class Result(_Part):
    """The file that `styledistill bench` writes. Equal inputs give equal bytes on one machine."""

    format: Literal["styledistill.bench/1"] = Field(FORMAT, description="name and version of this schema")
    stylizer: Stylizer
    data: Data
    networks: dict[str, str] = Field(description="networks that measured, each with the name of its weights")
    seeded: list[str] = Field(description="those with random weights, whose numbers compare with nothing published")
    intervals: str = Field(description="how intervals were made")
    measures: dict[str, Measured] = Field(description="by the name of its column in other tables")
    versions: dict[str, str] = Field(description="packages that decide the numbers")


def intervals_said(seed: int, few: bool) -> str:
    """How intervals are made, in words. few: whether the set has too few contents or styles for them."""
    said = f"bootstrap over contents and over styles, {RESAMPLES} resamples, seed {seed}"
    return said + (f"; fewer than {FEWEST} contents or styles, so they say little" if few else "")


def measured(rows: Sequence[dict[str, Any]], summary: dict[str, Any], seed: int) -> dict[str, Measured]:
    """Every measure that the scores of a set hold. rows, summary: of `metrics.score.Scores`."""
    table = pd.DataFrame(rows)
    resampling = Resampling(table, seed)
    found = {}
    for measure in MEASURES:
        if measure.per_pair and measure.name in table:
            values = table[measure.name].to_numpy(float)
            if np.isnan(values).all():  # a distance to a teacher that was not given
                continue
            low, high = (float(end[0]) for end in resampling.interval(values[:, None]))
            value = float(values.mean())
        elif measure.name in summary:
            value, low, high = (summary.get(f"{measure.name}{end}") for end in ("", "_low", "_high"))
        else:
            continue
        ends = {"value": _finite(value), "low": _finite(low), "high": _finite(high)}
        found[measure.name] = Measured(title=measure.title, better=BETTER[measure.best], **ends)
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
