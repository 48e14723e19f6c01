"""Find images of the training and validation blocks, or of the golden set, that look like one of another split."""

from collections.abc import Iterable
from pathlib import Path

from styledistill.run.cli import Folder, Readable, Writable, user_errors

import click

from styledistill.core.images import open_rgb
from styledistill.core.progress import announce, progress
from styledistill.core.provenance import run_record
from styledistill.splits import tables
from styledistill.splits.duplicates import Duplicate, Shown, duplicates, looks, refuse_new
from styledistill.splits.select import shown


@click.command()
@click.argument("blocks", type=Readable, nargs=-1, required=True)
@click.option("--golden", type=Readable, required=True, help="Table of the golden set, which keeps its images.")
@click.option("--left-out", type=Readable, help="The table of an earlier call: refuse golden images that it lacks.")
@click.option("--images", type=Folder, required=True, help="Folder of the crops (results/<run>/images).")
@click.option("--out", type=Writable, required=True, help="CSV: source, image, reason, split, block, name.")
def main(blocks: tuple[Path, ...], golden: Path, left_out: Path | None, images: Path, out: Path) -> None:
    """Compare the crops of BLOCKS (blocks/<split>/0007.csv) and of the golden set.

    Where two share an image, training gives way to validation, and both to the golden set.
    """
    with user_errors(), run_record(out.with_suffix(".run.json"), "duplicates", {"blocks": len(blocks)}):
        crops = [
            ("golden", "", row, images / "golden" / f"{row.name}.png") for row in tables.read(golden, tables.BlockRow)
        ]
        crops += [
            (table.parent.name, table.stem, row, images / table.parent.name / table.stem / f"{row.name}.png")
            for table in blocks
            for row in tables.read(table, tables.BlockRow)
        ]
        images = _seen(progress(crops, unit="image", label="compare"))
        if left_out:
            refuse_new(images, tables.read(left_out, Duplicate), left_out)
        found = [] if left_out else duplicates(images)
        for row in found:
            announce(f"left out of {row.split}: {shown(row.image)} of {row.source}: {row.reason}")
        tables.write(out, Duplicate._fields, found)


def _seen(crops: Iterable[tuple[str, str, tables.BlockRow, Path]]) -> list[Shown]:
    return [
        Shown(split, block, row.name, row.source, row.image, *looks(open_rgb(path)))
        for split, block, row, path in crops
    ]


if __name__ == "__main__":
    main()
