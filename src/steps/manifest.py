"""Gather the shards of a split into its manifest."""

from pathlib import Path

from styledistill.run.cli import Readable, Settings, Writable, user_errors

import click
import numpy as np

from styledistill.config import Keep
from styledistill.core.provenance import run_record
from styledistill.shards.write import write_manifest
from styledistill.splits import inversions, names, tables
from styledistill.splits.duplicates import Duplicate


@click.command()
@click.argument("shards", type=Readable, nargs=-1, required=True)
@click.option("--split", required=True, help="Name of the split (train).")
@click.option("--pairs", type=click.IntRange(min=1), required=True, help="How many pairs to take, from the first on.")
@click.option("--duplicates", type=Readable, help="CSV of images whose pairs are passed over.")
@click.option("--keep", type=Settings(Keep | None), default="null", help="Which pairs may teach, as JSON.")
@click.option("--qualities", type=Readable, multiple=True, help="CSV of each shard's block: pair, structure, style.")
@click.option("--inversions", "inverted", type=Readable, multiple=True, help="inversion.csv of each block, to limit.")
@click.option("--out", type=Writable, required=True, help="The manifest (shards/train.json), above the shards.")
def main(
    shards: tuple[Path, ...],
    split: str,
    pairs: int,
    duplicates: Path | None,
    keep: Keep | None,
    qualities: tuple[Path, ...],
    inverted: tuple[Path, ...],
    out: Path,
) -> None:
    """List the first pairs of SHARDS, in the order given, with the shards' sha256."""
    with user_errors(), run_record(out.with_suffix(".run.json"), "manifest", {"split": split, "pairs": pairs}):
        rows = tables.read(duplicates, Duplicate) if duplicates else []
        copies = {(row.block, row.name) for row in rows if row.split == split}
        write_manifest(out, split, pairs, shards, copies, _faults(split, keep, qualities, inverted) if keep else None)


def _faults(split: str, keep: Keep, qualities: tuple[Path, ...], inverted: tuple[Path, ...]) -> dict[str, str]:
    """Keys of the pairs that may not teach, with the reason."""
    errors = {table.parent.name: inversions.read(table.parent) for table in inverted}
    found = {}
    for table in qualities:
        of = errors.get(table.stem)
        for row in tables.read(table, tables.Quality):
            pair = names.both(row.pair)
            errors_of_pair = [of[image] for image in pair] if of else [0.0]
            fault = keep.fault(row.structure, row.style, float(np.max(errors_of_pair)))
            found[str(names.Key(split, table.stem, *pair))] = fault
    return {key: fault for key, fault in found.items() if fault}


if __name__ == "__main__":
    main()
