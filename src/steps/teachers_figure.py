"""The figure of the teacher beside other stylizers."""

from styledistill.run.cli import Folder, Settings, user_errors  # isort: skip

from pathlib import Path

import click
import pandas as pd

from styledistill.core.provenance import run_record
from styledistill.report.figures.sheets import save_sheet
from styledistill.report.figures.teachers import teachers_sheet


@click.command()
@click.option("--results", type=Folder, required=True, help="Folder of the run (results/<run>).")
@click.option("--titles", type=Settings(dict[str, str]), required=True, help="Stylizer to head of column, as JSON.")
@click.option("--order", required=True, help="Names of the stylizers in the order of the columns, by comma.")
def main(results: Path, titles: dict[str, str], order: str) -> None:
    """Write figures/teachers.{png,pdf} from what lies in teachers/ and golden/teacher."""
    with user_errors(), run_record(results / "figures" / "teachers.run.json", "teachers_figure", {"titles": titles}):
        scores = pd.read_csv(results / "teachers" / "scores.csv")
        sheet = teachers_sheet(results, scores, {name: titles[name] for name in order.split(",")})
        save_sheet(sheet, results / "figures" / "teachers")


if __name__ == "__main__":
    main()
