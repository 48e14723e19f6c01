"""List the images of one source."""

from pathlib import Path

from styledistill.run.cli import Settings, Writable, user_errors

import click

from styledistill import config
from styledistill.core.progress import announce, progress
from styledistill.core.provenance import run_record
from styledistill.sources import registry
from styledistill.splits import tables
from styledistill.splits.select import shown


@click.command()
@click.option("--name", required=True, help="Name of the source in the configuration.")
@click.option(
    "--source", type=Settings(config.Source), required=True, help="Its section of the configuration, as JSON."
)
@click.option("--out", type=Writable, required=True, help="CSV: image, width, height, sha256.")
@click.option("--excluded", type=Writable, required=True, help="CSV: image, reason; what is left out.")
def main(name: str, source: config.Source, out: Path, excluded: Path) -> None:
    """List the images of one source; files are decoded, so that only good images enter the blocks."""
    facts_of = source.model_dump(mode="json")
    with user_errors(f"sources.{name}"), run_record(out.with_suffix(".run.json"), "index", facts_of):
        names = registry.names(source)
        listed = registry.index(source, names)
        found = list(progress(listed, unit="image", total=len(names), label=f"index {name}"))
        bad = [*registry.left_out(source), *(entry for entry in found if isinstance(entry, registry.Excluded))]
        for entry in bad:
            announce(f"excluded from {name}: {shown(entry.image)}: {entry.reason}")
        tables.write(excluded, registry.Excluded._fields, bad)
        tables.write(out, registry.Entry._fields, [entry for entry in found if isinstance(entry, registry.Entry)])


if __name__ == "__main__":
    main()
