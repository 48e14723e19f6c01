"""The report page of a run, and the summary in words."""

from styledistill.run.cli import Folder, Writable, user_errors  # isort: skip

import json
from pathlib import Path

import click

from styledistill.config import Config, load, validate
from styledistill.core.provenance import run_record
from styledistill.report.page.page import write_page


def _config(ctx: click.Context, param: click.Parameter, value: str) -> Config:
    with user_errors():
        return validate(json.loads(value)) if value.lstrip().startswith("{") else load(value)


@click.command()
@click.option("--results", type=Folder, required=True, help="Folder of the run (results/<run>).")
@click.option("--config", callback=_config, required=True, help="The configuration: a YAML file, or JSON.")
@click.option("--out", type=Writable, required=True, help="The page to write (results/<run>/report.html).")
def main(results: Path, config: Config, out: Path) -> None:
    """Write one HTML page with the images, tables, curves, costs and the configuration of a run."""
    with user_errors(), run_record(out.with_suffix(".run.json"), "report", {"run": config.run}):
        write_page(results, config, out)


if __name__ == "__main__":
    main()
