"""How far students are from the teacher: pair by pair, by content and by style, and the pairs at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...core.errors import UserError
from ...splits.names import both
from ...splits.pairs import Pair, validation_pairs

# The first that was measured with trained weights is the one that figures go by.
DISTANCES = {
    "teacher_lpips": "LPIPS to the teacher",
    "teacher_st_lpips": "ST-LPIPS to the teacher",
    "teacher_mse": "MSE to the teacher",
}
_NETWORKS = {"teacher_lpips": {"alexnet", "vgg16"}, "teacher_st_lpips": {"shift_tolerant_alexnet"}}


def distance_measure(metrics: pd.DataFrame) -> str:
    """The column that figures go by: LPIPS to the teacher; ST-LPIPS where LPIPS's network is seeded or none; else MSE.

    metrics: as `tables.gather` makes it. Raises UserError when none of these columns is there.
    """
    seeded = " ".join(metrics["seeded"]).split() if "seeded" in metrics else []
    for measure in DISTANCES:
        if measure in metrics and not _NETWORKS.get(measure, set()) & set(seeded):
            return measure
    raise UserError("tables/metrics.csv: no distance to the teacher; run the score stage")


def golden_distances(results: Path, models: Sequence[str], measure: str) -> dict[str, pd.DataFrame]:
    """Model -> its distances on the golden set, contents down (c0, c1, ...), styles across."""
    found = {}
    for model in models:
        rows = pd.read_csv(results / "metrics" / f"{model}.csv").query("set == 'golden'")
        content, style = zip(*map(both, rows["pair"]), strict=True)
        table = pd.DataFrame({"content": content, "style": style, measure: rows[measure].to_numpy()})
        wide = table.pivot(index="content", columns="style", values=measure)
        found[model] = wide.sort_index(key=_numbers).sort_index(axis=1, key=_numbers)
    return found


def _numbers(names: pd.Index) -> pd.Index:
    return names.str[1:].astype(int)


@dataclass(frozen=True)
class Judged:
    """A validation pair and its image's distance to the teacher's."""

    pair: Pair
    distance: float


@dataclass(frozen=True)
class Extremes:
    """The validation pairs at which a student is closest to its teacher, and farthest from it, each from its end."""

    closest: list[Judged]
    farthest: list[Judged]


def extremes(results: Path, model: str, measure: str, most: int = 3) -> Extremes:
    """Up to `most` validation pairs from either end of a model's distances; no pair at both while there are two."""
    pairs = {pair.name: pair for pair in validation_pairs(results / "images", results / "shards" / "val.json")}
    rows = pd.read_csv(results / "metrics" / f"{model}.csv", dtype={"pair": str}).query("set == 'val'")
    rows = rows.dropna(subset=[measure]).sort_values([measure, "pair"])
    judged = [Judged(pairs[name], float(value)) for name, value in zip(rows["pair"], rows[measure], strict=True)]
    count = max(1, min(most, len(judged) // 2))
    return Extremes(judged[:count], judged[::-1][:count])
