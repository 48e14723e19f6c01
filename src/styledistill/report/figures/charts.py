"""Charts for print, as PNG and PDF: loss curves, quality against cost, distances by content and style.

Drawn by matplotlib. Equal inputs give equal bytes: no file carries a date.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image

from ...core.errors import UserError
from ...core.files import write_together
from ...core.images import open_rgb
from .distances import DISTANCES

DPI = 300

# Okabe and Ito's palette: told apart with any color vision. Shapes tell the same again.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
INK = "#222222"
# Models that every run has are gray, so that a loss has one color in every figure.
_FIXED_LOOKS = {
    "teacher": (INK, "*"),
    "pretrained": ("#7f7f7f", "X"),
    "start": ("#5f5f5f", "d"),
    "recolor": ("#9a9a9a", "h"),
}
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
# How all charts look; what is drawn inside `matplotlib.rc_context(STYLE)` has the page's ink.
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "styledistill",
}


def loss_curves(histories: dict[str, pd.DataFrame], width: float = 7.09) -> Figure:
    """Training and validation loss per epoch, one panel per loss; dotted lines where the learning rate was reduced.

    histories: loss -> students/<loss>/history.csv (columns epoch, rate, train_loss, val_loss).
    Panels have their own scale: losses with different weights do not compare by value. width in inches.
    """
    columns = min(len(histories), 3)
    rows = math.ceil(len(histories) / columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, 0.35 + 2.0 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for number, (name, history) in enumerate(histories.items()):
            _loss_panel(axes[number], name, history, COLORS[number % len(COLORS)])
        for unused in list(axes)[len(histories) :]:
            unused.remove()
        figure.legend(handles=_line_kinds(), loc="outside upper right", ncols=3, frameon=False, fontsize=7)
    return figure


def _line_kinds() -> list[Line2D]:
    return [
        Line2D([], [], color=INK, linewidth=1.0, linestyle="--", alpha=0.75, label="training"),
        Line2D([], [], color=INK, linewidth=1.6, label="validation"),
        Line2D([], [], color=INK, linewidth=0, marker="o", markersize=4, label="best"),
    ]


def _loss_panel(axes, name: str, history: pd.DataFrame, color: str) -> None:
    epochs, shown = history["epoch"], ["train_loss", "val_loss"]
    for column in shown:
        train = column == "train_loss"
        axes.plot(
            epochs,
            history[column],
            color=color,
            linestyle="--" if train else "-",
            linewidth=1.0 if train else 1.6,
            alpha=0.75 if train else 1.0,
            marker="." if len(history) < 3 else None,
        )
    for epoch, rate in rate_reductions(history):
        axes.axvline(epoch, color=INK, linewidth=0.6, linestyle=":")
        axes.annotate(
            f"rate {rate:.2g}",
            (epoch, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-2, -2),
            textcoords="offset points",
            rotation=90,
            fontsize=6,
            va="top",
            ha="right",
        )
    if history["val_loss"].notna().any():
        best = history["val_loss"].idxmin()
        axes.plot([epochs[best]], [history["val_loss"][best]], "o", color=color, markersize=4)
    values = history[shown].to_numpy(dtype=float)
    if values.size and values.min() > 0 and values.max() > 5 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(_PLAIN)
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", which="both", labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("epoch")
    axes.set_title(name, fontsize=9, loc="left")


def rate_reductions(history: pd.DataFrame) -> list[tuple[float, float]]:
    """(first epoch with the new rate, the new rate) for every reduction of the learning rate.

    None where it falls in each epoch, as a cosine does: a line at each would say nothing.
    """
    rates, epochs = (history[column].to_numpy(dtype=float) for column in ("rate", "epoch"))
    falls = [at for at in range(1, len(rates)) if rates[at] < rates[at - 1] * (1 - 1e-9)]
    return [(float(epochs[at]), float(rates[at])) for at in falls] if len(falls) < len(rates) - 1 else []


def quality_cost(
    metrics: pd.DataFrame, benchmark: pd.DataFrame, models: Sequence[str], measure: str, width: float = 7.09
) -> Figure:
    """Distance to the teacher against seconds per image and against the weights' megabytes.

    metrics: rows of one set, with `model` and the distance `measure`; benchmark: `model` and the columns of `COSTS`.
    The teacher stands at distance 0. Lower left is better in both panels. Raises UserError where no cost is known.
    """
    costs = [(column, title) for column, title in COSTS.items() if column in benchmark]
    if not costs:
        raise UserError("tables/benchmark.csv: no seconds and no megabytes to draw; run the benchmark stage")
    table = benchmark.merge(metrics[["model", *(c for c in metrics if c.startswith(measure))]], on="model")
    shown = set(table["model"])
    table = table.set_index("model").reindex([model for model in models if model in shown])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, 2.6), layout="constrained")
        panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
        for axes, (column, title) in zip(panels, costs, strict=True):
            _cost_panel(axes, table, measure, column, title)
        panels[0].set_ylabel(DISTANCES[measure])
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=7)
    return figure


COSTS = {"seconds": "seconds per image", "megabytes": "megabytes of weights"}


def _cost_panel(axes, table: pd.DataFrame, quality: str, cost: str, title: str) -> None:
    looks = _looks(list(table.index))
    table = table[table[cost].notna()]  # nobody knows the weights of a Python function
    for model, row in table.iterrows():
        color, marker = looks[model]
        axes.errorbar(
            row[cost],
            row[quality],
            yerr=_whiskers(row, quality),
            fmt=marker,
            color=color,
            markersize=8 if marker == "*" else 5.5,
            elinewidth=0.8,
            alpha=0.9,
            label=model,
        )
    positive = table[cost][table[cost] > 0]
    axes.margins(0.1)
    if len(positive) == len(table) and positive.max() > 10 * positive.min():
        axes.set_xscale("log")
        decades = math.log10(positive.max() / positive.min())
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1,)))
        axes.xaxis.set_major_formatter(_PLAIN)
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif len(positive):
        axes.set_xlim(left=-0.05 * positive.max())
    axes.set_xlabel(title)


def _looks(models: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Model -> color and marker; losses take colors in their order, as in the loss curves."""
    losses = [model for model in models if model not in _FIXED_LOOKS]
    return _FIXED_LOOKS | {
        loss: (COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]) for number, loss in enumerate(losses)
    }


def _whiskers(row: pd.Series, quality: str) -> list[list[float]] | None:
    low, high = row.get(f"{quality}_low"), row.get(f"{quality}_high")
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return None
    return [[max(row[quality] - low, 0)], [max(high - row[quality], 0)]]


def by_image(distances: dict[str, pd.DataFrame], measure: str, originals: Path, width: float = 7.09) -> Figure:
    """Distance to the teacher by golden content and by golden style: the mean, and the span over the pairs behind it.

    distances: model -> contents (c0, ...) down, styles (s0, ...) across; originals: the folder of c0.png and s0.png.
    """
    first = next(iter(distances.values()))
    names = list(first.index), list(first.columns)
    stacked = sum(map(len, names)) > 16
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, 4.8 if stacked else 2.7), layout="constrained")
        shape, ratios = ((2, 1), None) if stacked else ((1, 2), [len(some) + 1 for some in names])
        panels = figure.subplots(*shape, sharey=True, squeeze=False, width_ratios=ratios).flat
        room = width * 72 * (0.85 if stacked else 0.75 / (sum(map(len, names)) + 2))
        for axes, role, some in zip(panels, ("content", "style"), names, strict=True):
            side = min(34.0, 0.85 * (room / (len(some) + 1) if stacked else room))
            tables = {model: table if role == "content" else table.T for model, table in distances.items()}
            _image_panel(axes, tables, marker=min(4.0, 1.2 * side / len(tables)))
            _thumbnails(axes, [originals / f"{name}.png" for name in some], side)
            axes.set_xticks(range(len(some)), some, fontsize=min(7.0, 0.5 * side))
            axes.tick_params(axis="x", length=0, pad=side + 6)
            axes.set_title(f"by {role}", fontsize=9, loc="left")
        panels[0].set_ylabel(DISTANCES[measure])
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=7)
    return figure


def _image_panel(axes, tables: dict[str, pd.DataFrame], marker: float) -> None:
    looks = _looks(list(tables))
    for number, (model, table) in enumerate(tables.items()):
        values, mean = table.to_numpy(float), table.to_numpy(float).mean(1)
        places = np.arange(len(values)) + 0.6 * ((number + 0.5) / len(tables) - 0.5)
        spans = [mean - values.min(1), values.max(1) - mean]
        color, shape = looks[model]
        axes.errorbar(places, mean, yerr=spans, fmt=shape, color=color, markersize=marker, elinewidth=0.7, label=model)
    axes.set_xlim(-0.6, len(values) - 0.4)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", linewidth=0.3, alpha=0.5)


def _thumbnails(axes, files: Sequence[Path], side: float) -> None:
    """Images below the axis, one per tick, `side` points wide."""
    for place, file in enumerate(files):
        image = open_rgb(file)
        image.thumbnail((128, 128), Image.Resampling.BICUBIC)
        image = OffsetImage(np.asarray(image), zoom=side / image.width)
        below = AnnotationBbox(
            image, (place, 0), xycoords=("data", "axes fraction"), xybox=(0, -3), boxcoords="offset points",
            box_alignment=(0.5, 1), frameon=False, pad=0, annotation_clip=False,
        )  # fmt: skip
        axes.add_artist(below)


def save_chart(figure: Figure, path: Path) -> None:
    """Write `path`.png (300 dpi) and `path`.pdf (vector)."""
    drawn = {}
    with matplotlib.rc_context(STYLE):
        for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=DPI, metadata=metadata)
            drawn[path.with_suffix(suffix)] = buffer.getvalue()
    write_together(drawn)
