"""Download weight files of other people, or say which there are."""

from pathlib import Path

import click

from ..core.errors import UserError
from ..core.files import write_json
from ..core.progress import announce, megabytes
from ..core.provenance import run_record
from ..downloads import hub_models
from ..downloads.checks import check_download
from ..downloads.http import fetch_file
from ..downloads.lock import FOLDER as LOCKED
from ..downloads.lock import pin
from ..downloads.registry import FOLDER, WeightFile, expected_sha256, listing, weight_file
from ..run.cli import Folder, user_errors


@click.command()
@click.argument("names", nargs=-1)
@click.option("--list", "listed", is_flag=True, help="Say which weights there are, and which are here already.")
@click.option("--folder", type=Folder, default=FOLDER, show_default=True, help="Where the files are kept.")
@click.option("--stamps", type=Folder, help="Folder for <name>.json: what each file is, its sha256 and its address.")
def main(names: tuple[str, ...], listed: bool, folder: Path, stamps: Path | None) -> None:
    """Download the weights NAMES unless they are here, and check them by their sha256.

    STYLEDISTILL_MIRROR=http://host/folder fetches them from there, under their publishers' file names.
    """
    if not names and not listed:
        raise click.UsageError("which weights? Give their names, or --list")
    with user_errors():
        if listed:
            click.echo(f"{listing(folder)}\n{hub_models.listing()}")
        for name in names:
            fetch(name, folder, stamps)


def fetch(name: str, folder: Path, stamps: Path | None) -> None:
    """One file, and its stamp. A stamp names the publisher, not the mirror: equal files have equal stamps."""
    wanted = weight_file(name)
    path, expected = folder / wanted.file, expected_sha256(wanted)
    if stamps is None:
        _fetched(wanted, path, expected)
        return
    with run_record(stamps / f"{name}.run.json", "weights_file", {"name": name, "address": wanted.address}):
        digest = _fetched(wanted, path, expected)
        facts = {"name": name, "file": wanted.file, "purpose": wanted.purpose, "url": wanted.url}
        write_json(stamps / f"{name}.json", facts | {"sha256": digest, "bytes": path.stat().st_size})


def _fetched(wanted: WeightFile, path: Path, expected: str) -> str:
    if not wanted.by_hand:
        if not path.is_file() and wanted.bytes is not None:
            announce(f"{wanted.name}: {megabytes(wanted.bytes)} to fetch")
        digest = fetch_file(wanted.address, path, expected, wanted.bytes)
    elif path.is_file():
        digest = check_download(path, path.name, expected, wanted.bytes)
    else:
        raise UserError(f"{path} is not here and comes by hand: put it there, {wanted.by_hand}.")
    if not wanted.sha256:
        pin(LOCKED, {wanted.url: digest})
    return digest
