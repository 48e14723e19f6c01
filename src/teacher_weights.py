"""Download a teacher from the Hugging Face hub."""

import re
from pathlib import Path

from command import Writable, user_errors

import click

from styledistill.core.errors import UserError
from styledistill.core.files import sha256_file, write_json
from styledistill.core.record import run_record
from styledistill.teacher.load import download


@click.command()
@click.argument("name")
@click.option("--out", type=Writable, required=True, help="JSON: which commit this is, and the sha256 of its files.")
def main(name: str, out: Path) -> None:
    """Download the teacher NAME (owner/name) into the hub's cache unless it is there, and check it."""
    with user_errors(), run_record(out.with_suffix(".run.json"), "weights", {"name": name}):
        folder = download(name)
        files = {str(path.relative_to(folder)): checked(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        write_json(out, {"name": name, "commit": folder.name, "files": files})


def checked(path: Path) -> str:
    """The sha256 of a file, which the cache names large files by."""
    digest, named = sha256_file(path), path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", named) and named != digest:
        raise UserError(f"{path.resolve()}: damaged (sha256 is {digest[:16]}..); remove it and run again")
    return digest


if __name__ == "__main__":
    main()
