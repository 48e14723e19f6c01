"""A data set in drawn styles: which image meets which styles, where the result goes, and what is there already.

No torch here.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path, PurePosixPath

from ..core import image_files
from ..core.errors import UserError
from ..core.files import write_csv
from ..core.progress import announce
from .stylize_jobs import Job

MAP = "augment.csv"  # what was drawn with what, in the folder of the results
COLUMNS = ("image", "content", "style")


def plan(images: Path, styles: Path, out: Path, each: int, seed: int) -> list[Job]:
    """Every image of a folder, at any depth, in `each` different styles of another; those that are there are left out.

    Results keep the folders of the images: `<folder>/<name>_<1..each>.png`. Which styles an image meets depends on the
    seed and on the image's own name, so further images change nothing for the others. Writes the map, `augment.csv`,
    before anything is drawn. Raises UserError for folders without images, for fewer styles than `each`, for two images
    of one name, for results among the images, and for a folder that holds the results of other images, styles or seeds.
    """
    for folder in (images, styles):
        if out.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{out}: lies in {folder}, so results would be taken for images. Choose another folder.")
    contents, drawn = _found(images), _found(styles)
    if each > len(drawn):
        raise UserError(f"{styles}: {len(drawn)} styles, and each image asks for {each}. Give more, or ask for fewer.")
    rows: dict[str, tuple[str, str, str]] = {}
    for content in contents:
        for number, style in enumerate(random.Random(f"{seed}/{content}").sample(drawn, each), 1):
            name = str(PurePosixPath(content).with_suffix("")) + f"_{number}.png"
            if name.casefold() in rows:  # some file systems ignore case
                raise UserError(f"{out / name}: two images would get this name. Rename {content}.")
            rows[name.casefold()] = (name, content, style)
    _keep_map(out / MAP, list(rows.values()))
    jobs = [Job(images / content, (styles / style,), out / name) for name, content, style in rows.values()]
    return [job for job in jobs if not job.out.is_file()]


def _found(folder: Path) -> list[str]:
    """Names of the images below a folder, sorted."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. Give a folder of images.")
    found = image_files.for_tables(image_files.find(folder))
    if not found.images:
        raise UserError(f"{folder}: no images below this folder.")
    for line in image_files.told(found.left_out, str(folder)):
        announce(line)
    return found.images


def _keep_map(path: Path, rows: list[tuple[str, str, str]]) -> None:
    """Write what will be drawn with what. A map that is there must say the same of its images: then work goes on."""
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            before = {tuple(row) for row in csv.reader(file)}
        if not before <= {COLUMNS, *rows}:
            raise UserError(f"{path}: of other images, styles or another seed. Give another folder for the results.")
    write_csv(path, COLUMNS, rows)
