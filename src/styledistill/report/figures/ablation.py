"""The two curves that the teacher's settings come from."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from ..figures.charts import COLORS, INK, STYLE


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
    curve = curve.sort_values("gamma", kind="stable")
    axes.plot(curve["fid"], curve["lpips"], "o-", color=COLORS[0], markersize=4, linewidth=1.2)
    axes.plot(schedules["fid"], schedules["lpips"], "D", color=COLORS[2], markersize=4)
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
    few = f", of only {default['pairs']} pairs" if default["fid_grayed"] else ""
    axes.set_xlabel(f"FID to the styles{few}")
    axes.set_ylabel("LPIPS to the content")
    axes.set_title("LPIPS against FID over gamma (bold: default)", fontsize=9, loc="left")


def _deviations(axes, deviation: pd.DataFrame) -> None:
    means = deviation.groupby(["kind", "timestep"])["deviation"].mean().unstack("kind")
    for kind, label, color in (
        ("own", "without injection", INK),
        ("injected", "with injection", COLORS[1]),
    ):
        axes.plot(means.index, means[kind], ".-", color=color, linewidth=1.2, label=label)
    axes.invert_xaxis()  # sampling goes from noise to image
    axes.set_ylim(bottom=0)
    axes.set_xlabel("timestep")
    axes.set_ylabel("deviation of the logits")
    axes.set_title(f"without / with injection: {ratio(deviation):.2f} on average", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=7)


def ratio(deviation: pd.DataFrame) -> float:
    """Deviation without injection over that with it, mean over timesteps and layers: the temperature it suggests."""
    kinds = deviation.pivot(index=["timestep", "layer"], columns="kind", values="deviation")
    return float((kinds["own"] / kinds["injected"]).mean())
