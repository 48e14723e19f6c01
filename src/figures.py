"""The figures of a run: golden sheet, loss curves, dataset samples, quality against cost."""

from command import Folder, user_errors  # isort: skip  (before pandas)

from pathlib import Path

import click
import pandas as pd

from styledistill.core.record import run_record
from styledistill.report import figures


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
def main(results: Path, golden_contents: int, golden_styles: int, models: list[str], losses: list[str]) -> None:
    """Draw figures/{golden,losses,samples,cost}.{png,pdf} from pictures, histories and tables of a run."""
    out = results / "figures"
    with user_errors(), run_record(out / "figures.run.json", "figures", {"models": models, "losses": losses}):
        figures.save_sheet(figures.golden_sheet(results, golden_contents, golden_styles, models), out / "golden")
        figures.save_sheet(figures.dataset_samples(results), out / "samples")
        histories = {loss: pd.read_csv(results / "students" / loss / "history.csv") for loss in losses}
        figures.save_chart(figures.loss_curves(histories), out / "losses")
        metrics, benchmark = (pd.read_csv(results / "tables" / f"{name}.csv") for name in ("metrics", "benchmark"))
        figures.save_chart(figures.quality_cost(metrics[metrics["set"] == "golden"], benchmark, models), out / "cost")


if __name__ == "__main__":
    main()
