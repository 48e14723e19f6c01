"""What each part of the teacher does: a table of its variants, and the two curves that its settings come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from ..config import Teacher
from .charts import COLOURS, INK, STYLE
from .layout import LATEX, MARKDOWN, Syntax, latex_table, markdown_table, number
from .tables import MEASURES, best_row, gather

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


# --- figure -----------------------------------------------------------------------------------------------------


def ablation_figure(table: pd.DataFrame, deviation: pd.DataFrame, width: float = 7.09) -> Figure:
    """Left: LPIPS against FID over gamma, other settings as in `default`. Right: deviation of the logits over time.

    table: as `ablation_table` makes it. deviation: rows of ablation/deviation.csv.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _gamma_curve(left, table)
        _deviations(right, deviation)
    return figure


def _gamma_curve(axes, table: pd.DataFrame) -> None:
    default = table.iloc[0]
    alike = (table[["temperature", "adain", "injection"]] == default[["temperature", "adain", "injection"]]).all(axis=1)
    constant = table["gamma"].map(lambda value: isinstance(value, float | int))
    curve, schedules = (table[alike & kind] for kind in (constant, ~constant))
    curve = curve.sort_values("gamma")
    axes.plot(curve["fid"], curve["lpips"], "o-", color=COLOURS[0], markersize=4, linewidth=1.2)
    axes.plot(schedules["fid"], schedules["lpips"], "D", color=COLOURS[2], markersize=4)
    # Beside the curve: below it where it rises, above it where it falls.
    rises = curve["fid"].corr(curve["lpips"]) > 0
    for _, row in pd.concat([curve, schedules]).iterrows():
        axes.annotate(
            f"{row['gamma']:g}" if isinstance(row["gamma"], float | int) else row["gamma"],
            (row["fid"], row["lpips"]),
            xytext=(4, -9 if rises else 4),
            textcoords="offset points",
            fontsize=7,
            weight="bold" if row["model"] == default["model"] else "normal",
        )
    axes.margins(0.12)
    few = f", of only {default['pairs']} pairs" if default["fid_greyed"] else ""
    axes.set_xlabel(f"FID to the styles{few}")
    axes.set_ylabel("LPIPS to the content")
    axes.set_title("LPIPS against FID over gamma (bold: default)", fontsize=9, loc="left")


def _deviations(axes, deviation: pd.DataFrame) -> None:
    means = deviation.groupby(["kind", "timestep"])["deviation"].mean().unstack("kind")
    for kind, label, colour in (
        ("own", "without injection", INK),
        ("injected", "with injection", COLOURS[1]),
    ):
        axes.plot(means.index, means[kind], ".-", color=colour, linewidth=1.2, label=label)
    axes.invert_xaxis()  # sampling goes from noise to picture
    axes.set_ylim(bottom=0)
    axes.set_xlabel("timestep")
    axes.set_ylabel("deviation of the logits")
    axes.set_title(f"without / with injection: {ratio(deviation):.2f} on average", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=7)


def ratio(deviation: pd.DataFrame) -> float:
    """Deviation without injection over that with it, mean over timesteps and layers: the temperature it suggests."""
    kinds = deviation.pivot(index=["timestep", "layer"], columns="kind", values="deviation")
    return float((kinds["own"] / kinds["injected"]).mean())
