"""Choose the golden images."""

from pathlib import Path

from styledistill.run.cli import SEED, Readable, Settings, Writable, user_errors

import click

from styledistill import config
from styledistill.core.provenance import run_record
from styledistill.splits import select, tables, windows


@click.command()
@click.argument("indexes", type=Readable, nargs=-1, required=True)
@click.option("--sources", type=Settings(dict[str, config.Source]), required=True, help="The sources section, as JSON.")
@click.option("--golden", type=Settings(config.Golden), required=True, help="The golden section, as JSON.")
@click.option("--seed", type=SEED, required=True, help="Seed of the sources' order.")
@click.option("--out", type=Writable, required=True, help="CSV: name, role, source, image, sha256.")
@click.option("--excluded", type=Writable, required=True, help="CSV: source, image, reason; what was replaced.")
def main(
    indexes: tuple[Path, ...],
    sources: dict[str, config.Source],
    golden: config.Golden,
    seed: int,
    out: Path,
    excluded: Path,
) -> None:
    """Choose the golden images from INDEXES."""
    facts_of = golden.model_dump(mode="json")
    with user_errors(), run_record(out.with_suffix(".run.json"), "select_golden", facts_of, seed):
        entries = tables.read_indexes(indexes)
        orders = {source: windows.order(list(rows), seed) for source, rows in entries.items()}
        shares = windows.shares(sources)
        spares = windows.golden_spares(golden, orders, shares)
        rows, bad = select.settle(windows.golden_members(golden, orders, shares), spares, sources, entries)
        tables.write(excluded, tables.ExcludedRow._fields, bad)
        tables.write(out, tables.BlockRow._fields, rows)


if __name__ == "__main__":
    main()
