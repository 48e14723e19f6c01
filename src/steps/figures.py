"""The figures of a run: golden sheet, data set, loss curves, quality against cost, breakdown, extreme pairs."""

from styledistill.run.cli import Folder, user_errors  # isort: skip  (before pandas)

from pathlib import Path

import click
import pandas as pd

from styledistill.core.provenance import run_record
from styledistill.report.figures import charts, sheets
from styledistill.report.figures.distances import distance_measure, extremes, golden_distances
from styledistill.report.tables import stored


def _names(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


@click.command()
@click.option(
    "--results", type=Folder, required=True, help="Folder of the run (results/<run>); its figures/ is written."
)
@click.option("--golden-contents", type=click.IntRange(1), required=True, help="Golden contents: c0, c1, ...")
@click.option("--golden-styles", type=click.IntRange(1), required=True, help="Golden styles: s0, s1, ...")
@click.option(
    "--models", callback=_names, required=True, help="Columns of the sheet after content and style, by comma."
)
@click.option("--losses", callback=_names, required=True, help="Losses whose history.csv is drawn, by comma.")
@click.option("--validated", callback=_names, required=True, help="Models whose extreme pairs are shown, by comma.")
def main(
    results: Path,
    golden_contents: int,
    golden_styles: int,
    models: list[str],
    losses: list[str],
    validated: list[str],
) -> None:
    """Draw figures/<name>.{png,pdf}: golden, samples, losses, cost, breakdown and pairs."""
    out = results / "figures"
    with user_errors(), run_record(out / "figures.run.json", "figures", {"models": models, "losses": losses}):
        sheets.save_sheet(sheets.golden_sheet(results, golden_contents, golden_styles, models), out / "golden")
        sheets.save_sheet(sheets.dataset_samples(results), out / "samples")
        histories = {loss: pd.read_csv(results / "students" / loss / "history.csv") for loss in losses}
        charts.save_chart(charts.loss_curves(histories), out / "losses")
        metrics = stored.read(results / "tables" / "metrics").data
        benchmark = pd.read_csv(results / "tables" / "benchmark.csv")
        golden, measure = metrics[metrics["set"] == "golden"], distance_measure(metrics)
        charts.save_chart(charts.quality_cost(golden, benchmark, models, measure), out / "cost")
        distances = golden_distances(results, ["recolor", *(name for name in models if name != "teacher")], measure)
        charts.save_chart(charts.by_image(distances, measure, results / "images" / "golden"), out / "breakdown")
        found = {model: extremes(results, model, measure) for model in validated}
        sheets.save_sheet(sheets.extreme_pairs(results, found, measure), out / "pairs")


if __name__ == "__main__":
    main()
