"""Choose the images of one block."""

from pathlib import Path

from styledistill.run.cli import SEED, Readable, Settings, Writable, user_errors

import click

from styledistill import config
from styledistill.core.provenance import run_record
from styledistill.splits import select, tables, windows


@click.command()
@click.argument("indexes", type=Readable, nargs=-1, required=True)
@click.option("--sources", type=Settings(dict[str, config.Source]), required=True, help="The sources section, as JSON.")
@click.option("--blocks", type=Settings(config.BlockShape), required=True, help="The shape of a block, as JSON.")
@click.option("--seed", type=SEED, required=True, help="Seed of the sources' order.")
@click.option("--split", type=click.Choice(windows.SPLITS), required=True)
@click.option("--block", type=int, required=True)
@click.option("--out", type=Writable, required=True, help="CSV: name, role, source, image, sha256.")
@click.option("--excluded", type=Writable, required=True, help="CSV: source, image, reason; what was replaced.")
def main(
    indexes: tuple[Path, ...],
    sources: dict[str, config.Source],
    blocks: config.BlockShape,
    seed: int,
    split: str,
    block: int,
    out: Path,
    excluded: Path,
) -> None:
    """Choose the images of one block from INDEXES (index/<source>.csv), by its window of each source's order.

    What a source only listed is opened now; a bad image is replaced by a spare one of the block's own window.
    """
    facts_of = blocks.model_dump(mode="json")
    with user_errors(), run_record(out.with_suffix(".run.json"), "select_block", facts_of, seed):
        entries = tables.read_indexes(indexes)
        orders = {source: windows.order(list(rows), seed) for source, rows in entries.items()}
        shares = windows.shares(sources)
        members = windows.block_members(blocks, split, block, orders, shares)
        spares = windows.block_spares(blocks, split, block, orders, shares)
        rows, bad = select.settle(members, spares, sources, entries)
        tables.write(excluded, tables.ExcludedRow._fields, bad)
        tables.write(out, tables.BlockRow._fields, rows)


if __name__ == "__main__":
    main()
