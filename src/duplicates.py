"""Find pictures of the training and validation blocks that look like one of another split."""

from pathlib import Path

from command import Folder, Readable, Writable, user_errors

import click

from styledistill.core.images import open_rgb
from styledistill.core.progress import announce, progress
from styledistill.core.record import run_record
from styledistill.plan import tables
from styledistill.plan.duplicates import Duplicate, Shown, duplicates, looks
from styledistill.plan.settled import shown


@click.command()
@click.argument("blocks", type=Readable, nargs=-1, required=True)
@click.option("--golden", type=Readable, required=True, help="Table of the golden set.")
@click.option("--images", type=Folder, required=True, help="Folder of the crops (results/<run>/images).")
@click.option("--out", type=Writable, required=True, help="CSV: source, picture, reason, split, block, name.")
def main(blocks: tuple[Path, ...], golden: Path, images: Path, out: Path) -> None:
    """Compare the crops of BLOCKS (blocks/<split>/0007.csv) and of the golden set; training gives way to validation."""
    with user_errors(), run_record(out.with_suffix(".run.json"), "duplicates", {"blocks": len(blocks)}):
        places = [("golden", "", golden, images / "golden")]
        places += [(table.parent.name, table.stem, table, images / table.parent.name / table.stem) for table in blocks]
        crops = [
            (split, block, row, folder / f"{row.name}.png")
            for split, block, table, folder in places
            for row in tables.read(table, tables.BlockRow)
        ]
        pictures = [
            Shown(split, block, row.name, row.source, row.picture, *looks(open_rgb(path)))
            for split, block, row, path in progress(crops, unit="picture", label="compare")
        ]
        found = duplicates(pictures)
        for row in found:
            announce(f"left out of {row.split}: {shown(row.picture)} of {row.source}: {row.reason}")
        tables.write(out, Duplicate._fields, found)


if __name__ == "__main__":
    main()
