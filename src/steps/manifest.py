"""Gather the shards of a split into its manifest."""

from pathlib import Path

from styledistill.run.cli import Readable, Writable, user_errors

import click

from styledistill.core.provenance import run_record
from styledistill.shards.write import write_manifest
from styledistill.splits import tables
from styledistill.splits.duplicates import Duplicate


@click.command()
@click.argument("shards", type=Readable, nargs=-1, required=True)
@click.option("--split", required=True, help="Name of the split (train).")
@click.option("--pairs", type=click.IntRange(min=1), required=True, help="How many pairs to take, from the first on.")
@click.option("--duplicates", type=Readable, help="CSV of images whose pairs are passed over.")
@click.option("--out", type=Writable, required=True, help="The manifest (shards/train.json), above the shards.")
def main(shards: tuple[Path, ...], split: str, pairs: int, duplicates: Path | None, out: Path) -> None:
    """List the first pairs of SHARDS, in the order given, with the shards' sha256."""
    with user_errors(), run_record(out.with_suffix(".run.json"), "manifest", {"split": split, "pairs": pairs}):
        rows = tables.read(duplicates, Duplicate) if duplicates else []
        write_manifest(out, split, pairs, shards, {(row.block, row.name) for row in rows if row.split == split})


if __name__ == "__main__":
    main()
