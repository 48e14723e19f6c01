"""Make the student before distillation from weights that are not of this project."""

from pathlib import Path

from styledistill.run.cli import SEED, Folder, user_errors

import click

from styledistill.core.provenance import run_record
from styledistill.student.model import Student, load_imagenet


@click.command()
@click.option("--start", required=True, help="'imagenet' (backbones only) or the authors' checkpoint (.pth).")
@click.option("--size", type=click.Choice(["tiny", "full"]), required=True, help="Size of the student.")
@click.option("--seed", type=SEED, required=True, help="Of the weights that `imagenet` does not give.")
@click.option("--out", type=Folder, required=True, help="student.safetensors and config.json go here.")
def main(start: str, size: str, seed: int, out: Path) -> None:
    """Write a student folder with ImageNet's backbones or with the authors' weights."""
    with user_errors("student.start"), run_record(out / "convert.run.json", "convert", {"start": start}, seed):
        if start == "imagenet":
            student = Student.create(size, seed)
            load_imagenet(student)
        else:
            student = Student.from_checkpoint(start)
        student.save(out)


if __name__ == "__main__":
    main()
