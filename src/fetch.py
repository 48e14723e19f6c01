"""Choose the pictures of one block."""

from pathlib import Path

from command import Readable, Settings, Writable, user_errors

import click

from styledistill import config
from styledistill.core.record import run_record
from styledistill.plan import tables, windows
from styledistill.sources.registry import Entry


@click.command()
@click.argument("indexes", type=Readable, nargs=-1, required=True)
@click.option("--blocks", type=Settings(config.BlockShape), required=True, help="The shape of a block, as JSON.")
@click.option("--seed", type=int, required=True, help="Seed of the sources' order.")
@click.option("--split", type=click.Choice(windows.SPLITS), required=True)
@click.option("--block", type=int, required=True)
@click.option("--out", type=Writable, required=True, help="CSV: name, role, source, picture, sha256.")
def main(indexes: tuple[Path, ...], blocks: config.BlockShape, seed: int, split: str, block: int, out: Path) -> None:
    """Choose the pictures of one block from INDEXES (index/<source>.csv), by its window of each source's order."""
    facts_of = blocks.model_dump(mode="json")
    with user_errors(), run_record(out.with_suffix(".run.json"), "fetch", facts_of, seed):
        entries = {path.stem: {row.picture: row for row in tables.read(path, Entry)} for path in indexes}
        orders = {source: windows.order(list(rows), seed) for source, rows in entries.items()}
        members = windows.block_members(blocks, split, block, orders)
        rows = [tables.BlockRow(*member, entries[member.source][member.picture].sha256) for member in members]
        tables.write(out, tables.BlockRow._fields, rows)


if __name__ == "__main__":
    main()
