"""The table and the figure of the teacher's variants."""

from styledistill.run.cli import SEED, Folder, Settings, user_errors  # isort: skip

from pathlib import Path

import click
import pandas as pd

from styledistill.config import Metrics, Teacher
from styledistill.core.provenance import run_record
from styledistill.report.figures.ablation import ablation_figure
from styledistill.report.figures.charts import save_chart
from styledistill.report.tables import stored
from styledistill.report.tables.ablation import ablation_table, document


@click.command()
@click.option("--results", type=Folder, required=True, help="Folder of the run (results/<run>).")
@click.option("--variants", type=Settings(dict[str, Teacher]), required=True, help="Teacher sections by name, as JSON.")
@click.option("--order", required=True, help="Names of the variants as the table shows them, by comma.")
@click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON.")
@click.option("--seed", type=SEED, required=True, help="Seed of the bootstrap.")
def main(results: Path, variants: dict[str, Teacher], order: str, settings: Metrics, seed: int) -> None:
    """Write tables/ablation.{csv,json,md,tex} and figures/ablation.{png,pdf} from what lies in ablation/."""
    path, scores = results / "tables" / "ablation.csv", [results / "ablation" / f"{n}.csv" for n in order.split(",")]
    with user_errors(), run_record(path.with_suffix(".run.json"), "ablation_figure", {"variants": order}, seed):
        table = ablation_table(scores, variants, settings.fid_minimum, seed)
        stored.write(document(table, settings.fid_minimum), path)
        deviation = pd.read_csv(results / "ablation" / "deviation.csv")
        save_chart(ablation_figure(table, deviation), results / "figures" / "ablation")


if __name__ == "__main__":
    main()
