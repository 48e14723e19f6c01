"""Check that no image is in two splits."""

from pathlib import Path

from styledistill.run.cli import SEED, Readable, Settings, Writable, user_errors

import click

from styledistill import config
from styledistill.core.provenance import run_record
from styledistill.splits import tables, windows


@click.command()
@click.argument("indexes", type=Readable, nargs=-1, required=True)
@click.option("--sources", type=Settings(dict[str, config.Source]), required=True, help="The sources section, as JSON.")
@click.option("--golden", type=Settings(config.Golden), required=True, help="The golden section, as JSON.")
@click.option("--blocks", type=Settings(config.Blocks), required=True, help="The blocks section, as JSON.")
@click.option("--seed", type=SEED, required=True, help="Seed of the sources' order.")
@click.option("--out", type=Writable, required=True, help="CSV: source, listed, taken, free; images of each source.")
def main(
    indexes: tuple[Path, ...],
    sources: dict[str, config.Source],
    golden: config.Golden,
    blocks: config.Blocks,
    seed: int,
    out: Path,
) -> None:
    """Refuse windows of INDEXES that meet: an image in two blocks, or in a block and in the golden set."""
    with user_errors(), run_record(out.with_suffix(".run.json"), "splits", blocks.model_dump(mode="json"), seed):
        entries = tables.read_indexes(indexes)
        orders = {source: windows.order(list(rows), seed) for source, rows in entries.items()}
        hashes = {(source, name): row.sha256 for source, rows in entries.items() for name, row in rows.items()}
        shares = windows.shares(sources)
        windows.check(blocks, golden, orders, hashes, shares)
        taken = windows.taken(blocks, golden, orders, shares)
        rows = [
            (name, len(ordered), len(taken[name]), len(ordered) - len(taken[name])) for name, ordered in orders.items()
        ]
        tables.write(out, ("source", "listed", "taken", "free"), rows)


if __name__ == "__main__":
    main()
