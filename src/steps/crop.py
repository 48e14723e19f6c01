"""Crop the images of one block to squares."""

from pathlib import Path

from styledistill.run.cli import Folder, Readable, Settings, user_errors

import click

from styledistill import config
from styledistill.core.images import save_png
from styledistill.core.progress import progress
from styledistill.core.provenance import run_record
from styledistill.sources import registry
from styledistill.splits import tables


@click.command()
@click.option("--block", type=Readable, required=True, help="Table of one block (blocks/train/0007.csv).")
@click.option("--sources", type=Settings(dict[str, config.Source]), required=True, help="The sources section, as JSON.")
@click.option("--size", type=int, required=True, help="Side of the crops in pixels.")
@click.option("--out", type=Folder, required=True, help="Folder for <name>.png.")
def main(block: Path, sources: dict[str, config.Source], size: int, out: Path) -> None:
    """Crop the images of one block to squares."""
    with user_errors(), run_record(out / "crop.run.json", "crop", {"size": size}):
        for row in progress(tables.read(block, tables.BlockRow), unit="image", label=f"crop {block.stem}"):
            crop = registry.crop(sources[row.source], row.image, size, row.sha256)
            save_png(crop, out / f"{row.name}.png")


if __name__ == "__main__":
    main()
