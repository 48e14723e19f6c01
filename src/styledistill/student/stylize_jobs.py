"""Which content meets which style, and where the picture goes.

No torch here: a slip on the command line is told at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..core import image_files
from ..core.errors import UserError
from ..core.progress import announce

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # of results, as Pillow names them


class Job(NamedTuple):
    """One picture to make."""

    content: Path
    style: Path
    out: Path


def plan(content: Path, style: Path, out: Path) -> list[Job]:
    """Every content with every style, content by content.

    content, style: a picture, or a folder whose pictures are all taken. out: for two pictures a file (its suffix says
    the format) or a folder that is there; otherwise a folder, for `<content>_<style>.png`. Raises UserError for what is
    missing, for two results of one name, and for a result that would replace a picture it is made from.
    """
    contents, styles = _pictures(content), _pictures(style)
    several = content.is_dir() or style.is_dir()
    if out.is_dir() or (several and not out.exists() and out.suffix.lower() not in FORMATS):
        jobs = [Job(c, s, out / f"{c.stem}_{s.stem}.png") for c in contents for s in styles]
    elif several:
        raise UserError(f"{out}: a folder of pictures gives many results, so give a folder for them.")
    elif out.suffix.lower() not in FORMATS:
        raise UserError(f"{out}: no such folder, and no name of a picture ({', '.join(FORMATS)}). Give one of them.")
    else:
        jobs = [Job(content, style, out)]
    _refuse_equal_names(jobs)
    _refuse_overwriting(jobs)
    return jobs


def _pictures(path: Path) -> list[Path]:
    """The picture itself, or the files of a folder whose names say that they are pictures, sorted."""
    if not path.exists():
        raise UserError(f"{path}: no such picture or folder.")
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: neither a file nor a folder. Give a picture or a folder of pictures.")
    found = image_files.at_top(path)
    if not found.pictures:
        raise UserError(f"{path}: no pictures in this folder (folders inside it are not searched).")
    for line in image_files.told(found.left_out, str(path)):
        announce(line)
    return [path / name for name in found.pictures]


def _refuse_equal_names(jobs: list[Job]) -> None:
    first: dict[str, Job] = {}
    for job in jobs:
        other = first.setdefault(job.out.name.casefold(), job)  # some file systems ignore case
        if other is not job:
            pairs = " and ".join(f"{j.content.name} with {j.style.name}" for j in (other, job))
            raise UserError(f"{job.out}: both {pairs} would get this name. Rename one of these pictures.")


def _refuse_overwriting(jobs: list[Job]) -> None:
    inputs = {_identity(path) for job in jobs for path in (job.content, job.style)}
    for job in jobs:
        if job.out.exists() and _identity(job.out) in inputs:
            raise UserError(f"{job.out}: is one of the pictures to work on. Choose another name or folder.")


def _identity(path: Path) -> tuple[int, int]:
    """What two names of one file have in common."""
    status = path.stat()
    return status.st_dev, status.st_ino
