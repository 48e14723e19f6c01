"""Stylize the pairs of one block with the teacher."""

from pathlib import Path

from styledistill.run.cli import Folder, Settings, user_errors

import click

from styledistill.config import Teacher
from styledistill.core.files import write_json
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, use_threads
from styledistill.metrics.stylizers import StoredTeacher, render
from styledistill.splits.pairs import block_pairs


@click.command()
@click.option("--images", type=Folder, required=True, help="Crops of the block (images/train/0007).")
@click.option("--shape", type=click.IntRange(1), nargs=2, required=True, help="Contents and styles of the block.")
@click.option("--teacher", type=Settings(Teacher), required=True, help="The teacher section, as JSON.")
@click.option("--store", type=Folder, required=True, help="Finished pairs, shared by all runs (resources/pairs).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--out", type=Folder, required=True, help="Folder for c03_s05.png and the like.")
def main(images: Path, shape: tuple[int, int], teacher: Teacher, store: Path, device: str, out: Path) -> None:
    """Stylize every content of one block with every style of it; pairs that the store holds are copied."""
    with user_errors(), run_record(out / "teach.run.json", "teach", teacher.model_dump(mode="json")) as facts:
        use_threads()
        where = pick_device(device)
        facts["device"] = str(where)
        pairs = block_pairs(images, *shape)
        stylizer = StoredTeacher(teacher, where, store)
        # The teacher inverts each image once for all pairs that it is handed, so it gets the block together.
        render(stylizer, pairs, out, where, chunk=len(pairs))
        facts["images"] = len(pairs)
        write_json(out / "teacher.json", stylizer.facts)


if __name__ == "__main__":
    main()
