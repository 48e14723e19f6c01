"""The table of all models, gathered from scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...config import CONTROLS
from ...core.errors import UserError
from ...core.files import read_json
from . import small_sets
from .bootstrap import RESAMPLES, Resampling
from .formats import Document
from .model import Cell, Column, Table, measured, words

NETWORKS = {
    "alexnet": "LPIPS",
    "vgg16": "LPIPS",
    "shift_tolerant_alexnet": "ST-LPIPS",
    "vgg19": "CFSD and Gram distance",
    "efficientnet_lite0": "CFSD and Gram distance",
    "inception": "FID and KID",
    "art_inception": "FID and KID",
}


@dataclass(frozen=True)
class Measure:
    """A column of the table. best: which end is better, or None where neither is."""

    name: str
    title: str
    best: str | None  # min | max
    per_pair: bool = True
    grayed: str = ""  # the column that says where it hardly counts


MEASURES = (
    Measure("lpips", "LPIPS", "min"),
    Measure("st_lpips", "ST-LPIPS", "min"),
    Measure("fid", "FID", "min", per_pair=False, grayed="fid_grayed"),
    Measure("fid_64", "FID (64)", "min", per_pair=False, grayed="fid_64_grayed"),
    Measure("kid", "KID", "min", per_pair=False, grayed="kid_grayed"),
    Measure("artfid", "ArtFID", "min", per_pair=False, grayed="fid_grayed"),
    Measure("cfsd", "CFSD (sum)", "min"),
    Measure("cfsd_mean", "CFSD (mean)", "min"),
    Measure("teacher_mse", "MSE to teacher", "min"),
    Measure("teacher_psnr", "PSNR to teacher, dB", "max"),
    Measure("teacher_ssim", "SSIM to teacher", "max"),
    Measure("teacher_lpips", "LPIPS to teacher", "min"),
    Measure("teacher_st_lpips", "ST-LPIPS to teacher", "min"),
    Measure("teacher_artifacts", "Artifacts beyond teacher", "min"),
    Measure("gram_distance", "Gram distance", "min"),
    Measure("color_distance", "Color distance", "min"),
    Measure("laplacian_energy", "Laplacian energy", None),
    Measure("laplacian_ratio", "Laplacian energy / teacher's", None, per_pair=False),
    Measure("saturation", "Saturation", None),
    Measure("brightness", "Brightness", None),
)
_PER_PAIR = [measure.name for measure in MEASURES if measure.per_pair]
_OF_INCEPTION = [*(measure.name for measure in MEASURES if measure.grayed), "kid_low", "kid_high"]


# --- gathering ----------------------------------------------------------------------------------------------------


def gather(scores: Sequence[Path], fid_minimum: int, seed: int) -> pd.DataFrame:
    """One row per (set, model), sets in turn, models in the order of `scores`; first column `model`.

    scores: metrics/<model>.csv, each with its .json beside it. Per-pair measures become `<name>` (mean), `<name>_low`
    and `<name>_high` (95 % interval, see `Resampling`). `<name>_grayed`: see `small_sets`. Measures that were not
    taken, of networks `none`, have no columns. `laplacian_ratio`
    divides by the teacher's mean on the set. A model without images of a set has no row there. Raises UserError when
    models were scored with different networks.
    """
    summaries = [read_json(path.with_suffix(".json")) for path in scores]
    _same_networks(scores, summaries)
    pairs = [pd.read_csv(path) for path in scores]
    rows = []
    for name in summaries[0]["sets"]:
        frames = [frame[frame["set"] == name] for frame in pairs]
        resampling = Resampling(frames[0], seed)
        both = zip(summaries, frames, strict=True)
        rows += [_row(summary, frame, resampling, fid_minimum) for summary, frame in both if len(frame)]
    table = pd.DataFrame(rows)
    teacher = table[table["model"] == "teacher"].set_index("set")["laplacian_energy"]
    place = table.columns.get_loc("laplacian_energy_high") + 1
    table.insert(place, "laplacian_ratio", table["laplacian_energy"] / table["set"].map(teacher))
    return table


def _same_networks(scores: Sequence[Path], summaries: Sequence[dict]) -> None:
    for path, summary in zip(scores, summaries, strict=True):
        if summary["networks"] != summaries[0]["networks"]:
            raise UserError(f"{path}: scored with other networks than {scores[0]}; score both again with the same ones")


def _row(summary: dict, frame: pd.DataFrame, resampling: Resampling, fid_minimum: int) -> dict:
    name = frame["set"].iloc[0]
    facts = summary["sets"][name]
    taken = [measure for measure in _PER_PAIR if measure in frame]
    values = frame[taken].to_numpy(float)
    low, high = resampling.interval(values)
    means = values.mean(0)
    counts = {"pairs": facts["pairs"], "contents": frame["content"].nunique(), "styles": frame["style"].nunique()}
    row = {"model": summary["model"], "set": name, **counts}
    for i, measure in enumerate(taken):
        row |= {measure: means[i], f"{measure}_low": low[i], f"{measure}_high": high[i]}
    row |= {key: math.nan if facts[key] is None else facts[key] for key in _OF_INCEPTION if key in facts}
    grayed = small_sets.grayed(**counts, fid_minimum=fid_minimum)
    row |= {key: few for key, few in grayed.items() if key.removesuffix("_grayed") in facts}
    return row | summary["networks"] | {"seeded": " ".join(summary["seeded"])}


# --- showing ------------------------------------------------------------------------------------------------------


def document(table: pd.DataFrame, fid_minimum: int) -> Document:
    """The table for programs, people and print; its own notes are the cautions about small sets. table: of `gather`."""
    return Document(table, (metrics_table(table),), tuple(small_sets.cautions(table, fid_minimum)))


def metrics_table(table: pd.DataFrame) -> Table:
    """A row per set and model, the best of each set marked; measures that `table` lacks are left out."""
    measures = [measure for measure in MEASURES if measure.name in table]
    best = {(m.name, group): best_of(rows, m) for group, rows in table.groupby("set") for m in measures}
    columns = [Column("model", "Model", words=True), Column("set", "Set", words=True), Column("pairs", "Pairs")]
    rows = [
        (
            words(row["model"]),
            words(row["set"]),
            measured(row["pairs"], digits=0),
            *(score(row, m, index == best[m.name, row["set"]]) for m in measures),
        )
        for index, row in table.iterrows()
    ]
    columns += [column(measure) for measure in measures]
    return Table(tuple(columns), tuple(rows), notes=tuple(notes(table)), group=1)


def column(measure: Measure) -> Column:
    """The column of a measure."""
    return Column(measure.name, measure.title, measure.best)


def score(row: pd.Series, measure: Measure, best: bool) -> Cell:
    """The cell of a measure, of a row as `gather` makes it. Gray where `small_sets` says that it hardly counts."""
    value = float(row[measure.name])
    # The PSNR of equal images is infinite, and so are the ends of its interval.
    ends = [row[f"{measure.name}_{end}"] for end in ("low", "high") if f"{measure.name}_{end}" in row]
    gray = bool(measure.grayed and row[measure.grayed])
    return measured(value, ends if math.isfinite(value) else (), mark="best" if best else "", gray=gray)


def notes(table: pd.DataFrame) -> list[str]:
    """What a reader must know to read the table, a paragraph each: statistics, the networks' weights."""
    said = [
        f"Means over pairs with 95 % bootstrap intervals in brackets ({RESAMPLES} resamples of the contents and of the "
        "styles, since pairs share both). Bold: the best of a set; the teacher and the controls do not "
        "compete. The validation pairs chose the epoch that was kept."
    ]
    if "kid_low" in table:
        said[0] += " KID is of the whole set; its interval leaves out one content and one style at a time (jackknife)."
    for name, rows in table.groupby("set", sort=False):
        if lacking := [model for model in dict.fromkeys(table["model"]) if model not in set(rows["model"])]:
            said.append(f"Not in the set {name}: {', '.join(lacking)}, of which there are no images of its pairs.")
    first = table.iloc[0]
    used = {name: use for name, use in NETWORKS.items() if name in table}
    said.append("Weights of the networks: " + "; ".join(f"{use}: {first[n]}" for n, use in used.items()) + ".")
    if seeded := [use for name, use in used.items() if name in str(first["seeded"]).split()]:
        said.append(
            f"Seeded random weights were used for {', '.join(seeded)}: these numbers compare the rows of this table "
            "with each other only, never with published figures."
        )
    return said


def best_of(rows: pd.DataFrame, measure: Measure) -> object:
    """The index of the best student or stylizer from outside of a set; None where nothing competes."""
    return best_row(rows[~rows["model"].isin([*CONTROLS, "teacher"])], measure)


def best_row(rows: pd.DataFrame, measure: Measure) -> object:
    """The index of the best of these rows; None where fewer than two compete."""
    values = rows[measure.name]
    if measure.grayed in rows:
        values = values[~rows[measure.grayed]]
    if measure.best is None or values.count() < 2:
        return None
    return values.idxmin() if measure.best == "min" else values.idxmax()
