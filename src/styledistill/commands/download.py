"""Fetch the images that a run takes, or say which data sets and weights there are."""

from pathlib import Path

import click

from .. import config
from ..core.files import write_json
from ..core.provenance import run_record
from ..run.cli import SEED, Readable, Settings, Writable, needs, user_errors


@click.command()
@click.argument("indexes", type=Readable, nargs=-1)
@click.option("--list", "listed", is_flag=True, help="Say which data sets and weights there are, and which are here.")
@click.option("--sources", type=Settings(dict[str, config.Source]), help="The sources section, as JSON.")
@click.option("--blocks", type=Settings(config.Blocks), help="The blocks section, as JSON.")
@click.option("--golden", type=Settings(config.Golden), help="The golden section, as JSON.")
@click.option("--seed", type=SEED, help="Seed of the sources' order.")
@click.option("--out", type=Writable, help="JSON: by source, how many images the run takes, spares included.")
def main(
    indexes: tuple[Path, ...],
    listed: bool,
    sources: dict[str, config.Source] | None,
    blocks: config.Blocks | None,
    golden: config.Golden | None,
    seed: int | None,
    out: Path | None,
) -> None:
    """Fetch all images that blocks and golden set take from INDEXES (index/<source>.csv), unless they are here."""
    if listed:
        with needs():
            from ..downloads import hub_models
            from ..sources.listing import listing
        click.echo(f"{listing()}\n\nTeachers:\n{hub_models.listing()}")
        return
    if not (indexes and sources and blocks and golden and out) or seed is None:
        raise click.UsageError("give either --list, or INDEXES and all other options")
    with needs():
        from ..sources import registry
        from ..splits import tables, windows
    with user_errors(), run_record(out.with_suffix(".run.json"), "download", golden.model_dump(mode="json"), seed):
        entries = tables.read_indexes(indexes)
        orders = {source: windows.order(list(rows), seed) for source, rows in entries.items()}
        wanted = windows.taken(blocks, golden, orders, windows.shares(sources))
        for source, images in sorted(wanted.items()):
            registry.bring(sources[source], images, label=source)
        write_json(out, {source: len(images) for source, images in wanted.items()})
