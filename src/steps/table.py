"""Gather the scores of all models into one table."""

from pathlib import Path

from styledistill.run.cli import SEED, Readable, Settings, Writable, user_errors

import click

from styledistill.config import Metrics
from styledistill.core.files import write_together
from styledistill.core.provenance import run_record
from styledistill.report.tables.formats import csv, latex, markdown
from styledistill.report.tables.metrics import document, gather


@click.command()
@click.argument("scores", type=Readable, nargs=-1, required=True)
@click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON.")
@click.option("--seed", type=SEED, required=True, help="Seed of the bootstrap.")
@click.option("--csv", "csv_file", type=Writable, required=True, help="Table for programs, full precision.")
@click.option("--markdown", "markdown_file", type=Writable, required=True, help="Table for people.")
@click.option("--latex", "latex_file", type=Writable, required=True, help="Table for print (booktabs).")
def main(
    scores: tuple[Path, ...], settings: Metrics, seed: int, csv_file: Path, markdown_file: Path, latex_file: Path
) -> None:
    """Gather SCORES (metrics/<model>.csv in the order of the table; the .json lies beside each)."""
    with user_errors(), run_record(csv_file.with_suffix(".run.json"), "table", settings.model_dump(), seed):
        table = gather(scores, settings.fid_minimum, seed)
        shown = document(table, settings.fid_minimum)
        texts = {csv_file: csv(table), markdown_file: markdown(shown), latex_file: latex(shown)}
        write_together({path: text.encode() for path, text in texts.items()})


if __name__ == "__main__":
    main()
