"""Pack the pairs of one block into a shard."""

from pathlib import Path

from styledistill.run.cli import Folder, Readable, Writable, user_errors

import click

from styledistill.core.provenance import run_record
from styledistill.shards.write import block_pairs, write_shard


@click.command()
@click.option("--block", type=Readable, required=True, help="Table of one block (blocks/train/0007.csv).")
@click.option("--images", type=Folder, required=True, help="Its crops (images/train/0007).")
@click.option(
    "--teacher", type=Folder, required=True, help="Its teacher images (teacher/train/0007), with teacher.json."
)
@click.option("--name", required=True, help="First part of the pairs' keys (train_0007).")
@click.option("--out", type=Writable, required=True, help="The shard (shards/train/0007.tar).")
def main(block: Path, images: Path, teacher: Path, name: str, out: Path) -> None:
    """Pack the crops and teacher images of one block into a tar that the webdataset package reads."""
    with user_errors(), run_record(out.with_suffix(".run.json"), "pack", {"name": name}):
        write_shard(out, block_pairs(block, images, teacher, name))


if __name__ == "__main__":
    main()
