"""Gather the scores of all models into one table."""

from pathlib import Path

from styledistill.run.cli import SEED, Readable, Settings, Writable, user_errors

import click

from styledistill.config import Metrics
from styledistill.core.provenance import run_record
from styledistill.report.tables import stored
from styledistill.report.tables.metrics import document, gather


@click.command()
@click.argument("scores", type=Readable, nargs=-1, required=True)
@click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON.")
@click.option("--seed", type=SEED, required=True, help="Seed of the bootstrap.")
@click.option("--table", type=Writable, required=True, help="CSV to write; .json, .md and .tex go beside it.")
def main(scores: tuple[Path, ...], settings: Metrics, seed: int, table: Path) -> None:
    """Gather SCORES (metrics/<model>.csv in the order of the table; the .json lies beside each)."""
    with user_errors(), run_record(table.with_suffix(".run.json"), "table", settings.model_dump(), seed):
        gathered = gather(scores, settings.fid_minimum, seed)
        stored.write(document(gathered, settings.fid_minimum), table)


if __name__ == "__main__":
    main()
