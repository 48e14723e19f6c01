"""The table of all models, gathered from scores: CSV for programs, Markdown for people, LaTeX (booktabs) for print."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import CONTROLS
from ..core.errors import UserError
from ..core.files import read_json

RESAMPLES = 2000
NETWORKS = {"alexnet": "LPIPS", "vgg19": "CFSD and Gram distance", "inception": "FID"}


@dataclass(frozen=True)
class Measure:
    """A column of the table. best: which end is better, or None where neither is."""

    name: str
    title: str
    best: str | None  # min | max
    per_pair: bool = True


MEASURES = (
    Measure("lpips", "LPIPS", "min"),
    Measure("fid", "FID", "min", per_pair=False),
    Measure("artfid", "ArtFID", "min", per_pair=False),
    Measure("cfsd", "CFSD (sum)", "min"),
    Measure("cfsd_mean", "CFSD (mean)", "min"),
    Measure("teacher_mse", "MSE to teacher", "min"),
    Measure("teacher_psnr", "PSNR to teacher, dB", "max"),
    Measure("teacher_lpips", "LPIPS to teacher", "min"),
    Measure("gram_distance", "Gram distance", "min"),
    Measure("colour_distance", "Colour distance", "min"),
    Measure("laplacian_energy", "Laplacian energy", None),
    Measure("laplacian_ratio", "Laplacian energy / teacher's", None, per_pair=False),
    Measure("saturation", "Saturation", None),
    Measure("brightness", "Brightness", None),
)
_PER_PAIR = [measure.name for measure in MEASURES if measure.per_pair]


# --- gathering ----------------------------------------------------------------------------------------------------


def gather(scores: Sequence[Path], fid_minimum: int, seed: int) -> pd.DataFrame:
    """One row per (set, model), sets in turn, models in the order of `scores`; first column `model`.

    scores: metrics/<model>.csv, each with its .json beside it. Per-pair measures become `<name>` (mean), `<name>_low`
    and `<name>_high` (95 % percentile bootstrap over pairs, RESAMPLES resamples of `seed`, the same resamples for every
    model, so that models compare). `fid_greyed` is true below `fid_minimum` pairs. `laplacian_ratio` divides by the
    teacher's mean on the set. Raises UserError when models were scored with different networks.
    """
    summaries = [read_json(path.with_suffix(".json")) for path in scores]
    _same_networks(scores, summaries)
    pairs = [pd.read_csv(path) for path in scores]
    rows = [
        _row(summary, name, frame[frame["set"] == name], fid_minimum, seed)
        for name in summaries[0]["sets"]
        for summary, frame in zip(summaries, pairs, strict=True)
    ]
    table = pd.DataFrame(rows)
    teacher = table[table["model"] == "teacher"].set_index("set")["laplacian_energy"]
    place = table.columns.get_loc("laplacian_energy_high") + 1
    table.insert(place, "laplacian_ratio", table["laplacian_energy"] / table["set"].map(teacher))
    return table


def _same_networks(scores: Sequence[Path], summaries: Sequence[dict]) -> None:
    for path, summary in zip(scores, summaries, strict=True):
        if summary["networks"] != summaries[0]["networks"]:
            raise UserError(f"{path}: scored with other networks than {scores[0]}; score both again with the same ones")


def _row(summary: dict, name: str, frame: pd.DataFrame, fid_minimum: int, seed: int) -> dict:
    facts = summary["sets"][name]
    values = frame[_PER_PAIR].to_numpy(float)
    low, high = bootstrap(values, seed)
    means = values.mean(0)
    row = {"model": summary["model"], "set": name, "pairs": facts["pairs"]}
    for i, measure in enumerate(_PER_PAIR):
        row |= {measure: means[i], f"{measure}_low": low[i], f"{measure}_high": high[i]}
    fid = {key: math.nan if facts[key] is None else facts[key] for key in ("fid", "artfid")}
    row |= {**fid, "fid_greyed": facts["pairs"] < fid_minimum}
    return row | summary["networks"] | {"seeded": " ".join(summary["seeded"])}


def bootstrap(values: np.ndarray, seed: int, resamples: int = RESAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile bootstrap interval of the mean of each column of `values` (pairs, measures)."""
    chosen = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    means = np.stack([values[drawn].mean(0) for drawn in chosen])
    return np.quantile(means, 0.025, axis=0, method="nearest"), np.quantile(means, 0.975, axis=0, method="nearest")


# --- showing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Syntax:
    """How one kind of document writes a number, its interval, the best of a column, and what does not count."""

    interval: Callable[[str, str, str], str]
    bold: Callable[[str], str]
    grey: Callable[[str], str]
    missing: str
    infinite: str


_MARKDOWN = _Syntax(
    interval=lambda value, low, high: f"{value} <sub>[{low}, {high}]</sub>",
    bold=lambda text: f"**{text}**",
    grey=lambda text: f'<span style="color:gray">({text})</span>',
    missing="–",
    infinite="∞",
)
_LATEX = _Syntax(
    interval=lambda value, low, high: f"{value} {{\\scriptsize [{low}, {high}]}}",
    bold=lambda text: f"\\textbf{{{text}}}",
    grey=lambda text: f"\\textcolor{{gray}}{{({text})}}",
    missing="--",
    infinite="$\\infty$",
)


def markdown(table: pd.DataFrame, fid_minimum: int) -> str:
    """The table as GitHub's Markdown, with the note under it."""
    arrows = {"min": " ↓", "max": " ↑", None: ""}
    titles = ["Model", "Set", "Pairs", *(m.title + arrows[m.best] for m in MEASURES)]
    lines = [titles, ["---", "---", *["---:"] * (len(titles) - 2)]]
    lines += _cells(table, _MARKDOWN)
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return text + "\n\n" + "\n\n".join(notes(table, fid_minimum)) + "\n"


def latex(table: pd.DataFrame, fid_minimum: int) -> str:
    """The table as a LaTeX `table*` with booktabs rules, best in bold, a rule between sets, the note under it."""
    arrows = {"min": r" $\downarrow$", "max": r" $\uparrow$", None: ""}
    titles = ["Model", "Set", "Pairs", *(_escape(m.title) + arrows[m.best] for m in MEASURES)]
    body, before = [], None
    for cells, name in zip(_cells(table, _LATEX, _escape), table["set"], strict=True):
        body += [r"\midrule"] if name != before else []
        body.append(" & ".join(cells) + r" \\")
        before = name
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx,xcolor}",
            r"\begin{table*}",
            r"\centering",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{ll{'r' * (len(titles) - 2)}}}",
            r"\toprule",
            " & ".join(titles) + r" \\",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip\footnotesize\raggedright",
            *(_escape(note) + r"\par" for note in notes(table, fid_minimum)),
            r"\end{table*}",
            "",
        ]
    )


def notes(table: pd.DataFrame, fid_minimum: int) -> list[str]:
    """What a reader must know to read the table, a paragraph each: statistics, what is grey, the networks' weights."""
    said = [
        f"Means over pairs with 95 % bootstrap intervals in brackets ({RESAMPLES} resamples of the pairs). Bold: the "
        "best student of a set; the teacher and the controls do not compete. The validation pairs steered the learning "
        "rate, nothing else."
    ]
    if table["fid_greyed"].any():
        said.append(
            f"FID and ArtFID in grey brackets: fewer than {fid_minimum} pairs, too few for 2,048 dimensions; look at "
            "the Gram and colour distances for style."
        )
    first = table.iloc[0]
    said.append("Weights of the networks: " + "; ".join(f"{use}: {first[n]}" for n, use in NETWORKS.items()) + ".")
    if seeded := [use for name, use in NETWORKS.items() if name in str(first["seeded"]).split()]:
        said.append(
            f"Seeded random weights were used for {', '.join(seeded)}: these numbers compare the rows of this table "
            "with each other only, never with published figures."
        )
    return said


def _cells(table: pd.DataFrame, syntax: _Syntax, escape: Callable[[str], str] = str) -> list[list[str]]:
    best = {(m.name, group): _best(rows, m) for group, rows in table.groupby("set") for m in MEASURES}
    return [
        [
            escape(row["model"]),
            escape(row["set"]),
            str(row["pairs"]),
            *(_cell(row, m, index == best[m.name, row["set"]], syntax) for m in MEASURES),
        ]
        for index, row in table.iterrows()
    ]


def _best(rows: pd.DataFrame, measure: Measure) -> object:
    """The index of the best student of a set; None where nothing competes."""
    values = rows[~rows["model"].isin([*CONTROLS, "teacher"])][measure.name]
    if measure.name in ("fid", "artfid"):
        values = values[~rows["fid_greyed"]]
    if measure.best is None or values.count() < 2:
        return None
    return values.idxmin() if measure.best == "min" else values.idxmax()


def _cell(row: pd.Series, measure: Measure, best: bool, syntax: _Syntax) -> str:
    value = _number(row[measure.name], syntax)
    if best:
        value = syntax.bold(value)
    if measure.name in ("fid", "artfid") and row["fid_greyed"] and not math.isnan(row[measure.name]):
        return syntax.grey(value)
    if measure.per_pair and math.isfinite(row[measure.name]):
        low, high = (_number(row[f"{measure.name}_{end}"], syntax) for end in ("low", "high"))
        return syntax.interval(value, low, high)
    return value


def _number(value: float, syntax: _Syntax) -> str:
    """Three significant digits; in exponent form below 0.0001; what only rounding left is 0."""
    if math.isnan(value):
        return syntax.missing
    if math.isinf(value):
        return syntax.infinite
    if abs(value) < 1e-9:
        return "0"
    if abs(value) < 1e-4:
        return f"{value:.2e}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def _escape(text: str) -> str:
    for character in "&%_#$":
        text = text.replace(character, f"\\{character}")
    return text
