"""Download a teacher from the Hugging Face hub."""

from pathlib import Path

from styledistill.run.cli import Writable, user_errors

import click

from styledistill.core.errors import UserError
from styledistill.core.files import write_json
from styledistill.core.places import found, hub_id
from styledistill.core.provenance import run_record
from styledistill.downloads.hub_models import checked_files, fetch_model


@click.command()
@click.argument("name")
@click.option("--out", type=Writable, help="JSON: which commit this is, and the sha256 of its files.")
def main(name: str, out: Path | None) -> None:
    """Download the teacher NAME (owner/name) into the hub's cache unless it is there, and check it."""
    with user_errors("teacher.weights"):
        if not hub_id(name):
            there = "it is here already" if found(name).exists() else "and there is nothing there"
            raise UserError(f"{name}: a path of this disk and no hub id (owner/name), {there}.")
        if out is None:
            fetch_model(name)
            checked_files(name)
            return
        with run_record(out.with_suffix(".run.json"), "teacher_weights", {"name": name}):
            folder = fetch_model(name)
            write_json(out, {"name": name, "commit": folder.name, "files": checked_files(name)})


if __name__ == "__main__":
    main()
