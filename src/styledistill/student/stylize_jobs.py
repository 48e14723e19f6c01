"""Which content meets which styles, where the image goes, and what is refused before anything is computed.

No torch here: a slip on the command line is told at once.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..core import image_files
from ..core.errors import UserError
from ..core.files import ADVICE, at_home
from ..core.images import upright_size
from ..core.progress import announce
from ..sources.samples import Packed
from .controls import shares

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # of results, as Pillow names them
# The largest side that a format can tell; images in PNG are bounded by memory alone.
_SIDES = {"JPEG": 65_535, "WEBP": 16_383}


class Job(NamedTuple):
    """One image to make: a content in a style, or in a mixture of several. content: a file, or a member of a tar."""

    content: Path | Packed
    styles: tuple[Path, ...]
    out: Path


@dataclass(frozen=True)
class Options:
    """What holds for all jobs; as in `Stylizing.stylize`, but for files.

    size: the shorter sides of contents and styles, None for their own; style_size: that of styles alone. mask: an image
    of the contents' own size, white where the styles hold. outside: the style where the mask is black.
    """

    size: int | None = None
    style_size: int | None = None
    working_size: int | None = None
    weights: tuple[float, ...] | None = None
    strength: float = 1.0
    preserve_color: bool = False
    mask: Path | None = None
    outside: Path | None = None


def weighted(style: str) -> tuple[Path, float]:
    """The path and the weight of `path:weight`; 1 without a weight. A file of just this name is meant as it is."""
    head, colon, tail = style.rpartition(":")
    if colon and head and not Path(style).exists():
        try:
            return Path(at_home(head)), float(tail)
        except ValueError:
            pass
    return Path(at_home(style)), 1.0


def plan(
    content: Path,
    styles: Path | Sequence[Path],
    out: Path,
    overwrite: bool = False,
    left_out: list[str] | None = None,
) -> list[Job]:
    """Every content with every style, content by content; several styles that are given are mixed.

    content, styles: an image, or a folder whose images are all taken. out: for one content and style a file (its suffix
    says the format) or a folder that is there; otherwise a folder, for `<content>_<style>.png`. left_out: takes the
    names of images in folders that nothing here reads. Raises UserError for what is missing, for two results of one
    name, for a result that would replace an image it is made from, and, unless `overwrite`, for a folder that holds
    some of the results already or cannot be written.
    """
    missed = [] if left_out is None else left_out
    given = [styles] if isinstance(styles, Path) else list(styles)
    if len(given) > 1 and (folder := next((style for style in given if style.is_dir()), None)):
        raise UserError(
            f"{folder}: several styles are mixed, and a folder cannot be. Give images, or this folder alone."
        )
    contents = _images(content, missed)
    taken = [_images(style, missed) for style in given]
    groups = [(style,) for style in taken[0]] if len(given) == 1 else [tuple(some[0] for some in taken)]
    several = content.is_dir() or given[0].is_dir()
    if out.is_dir() or (several and not out.exists() and out.suffix.lower() not in FORMATS):
        jobs = [
            Job(c, group, out / f"{'_'.join(p.stem for p in (c, *group))}.png") for c in contents for group in groups
        ]
    elif several:
        raise UserError(f"{out}: a folder of images gives many results, so give a folder for them.")
    elif out.suffix.lower() not in FORMATS:
        raise UserError(f"{out}: no such folder, and no name of an image ({', '.join(FORMATS)}). Give one of them.")
    else:
        jobs = [Job(content, groups[0], out)]
    _refuse_equal_names(jobs)
    _refuse_overwriting(jobs)
    refuse_unwritable(jobs[0].out.parent)
    if out.is_dir() and not overwrite:
        _refuse_made(jobs, out)
    return jobs


def check(jobs: Sequence[Job], options: Options) -> int:
    """Refuse by the heads of files what would come to nothing; returns the pixels of the largest content (0 unknown).

    Raises UserError for weights that are no shares, a style outside without a mask, a mask of another size than a
    content, and a result that is larger than its format can be.
    """
    shares(options.weights, len(jobs[0].styles))
    if options.outside and not options.mask:
        raise UserError(f"{options.outside}: a style for what a mask leaves out needs --mask.")
    for path in (options.mask, options.outside):
        if path and not path.is_file():
            raise UserError(f"{path}: no such image.")
    mask, largest = upright_size(options.mask) if options.mask else None, 0
    for path, of_content in groupby(jobs, key=lambda job: job.content):
        size = upright_size(path)
        if size is None:
            continue  # what is wrong with it is told when its turn comes
        if mask and mask != size:
            raise UserError(
                f"{options.mask}: a mask of {mask[0]} x {mask[1]} pixels, and {path.name} has {size[0]} x {size[1]}. "
                "Give a mask of the content's size."
            )
        width, height = scaled(size, options.size)
        largest = max(largest, width * height)
        for job in of_content:
            _refuse_sides(job.out, width, height)
    return largest


def scaled(size: tuple[int, int], shorter: int | None) -> tuple[int, int]:
    """Width and height with the shorter side at so many pixels; None leaves them."""
    if not shorter:
        return size
    factor = shorter / min(size)
    width, height = (max(shorter, round(side * factor)) for side in size)
    return width, height


def _refuse_sides(path: Path, width: int, height: int) -> None:
    kind = FORMATS[path.suffix.lower()]
    if max(height, width) > _SIDES.get(kind, max(height, width)):
        raise UserError(f"{path}: {width} x {height} pixels, and {kind} has at most {_SIDES[kind]:,} a side. Use .png.")


def _images(path: Path, missed: list[str]) -> list[Path]:
    """The image itself, or the files of a folder whose names say that they are images, sorted."""
    if not path.exists():
        raise UserError(f"{path}: no such image or folder.")
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: neither a file nor a folder. Give an image or a folder of images.")
    found = image_files.at_top(path)
    for line in image_files.told(found.left_out, str(path)):
        announce(line)
    if not found.images:
        raise UserError(f"{path}: no images in this folder (folders inside it are not searched).")
    missed += [name for name in image_files.missed(found.left_out) if not (path / name).is_dir()]
    return [path / name for name in found.images]


def _refuse_made(jobs: list[Job], out: Path) -> None:
    there = [job.out.name for job in jobs if job.out.is_file()]
    if there:
        more = f" and {len(there) - 1} more results" if len(there) > 1 else ""
        raise UserError(f"{out}: {there[0]}{more} would be overwritten. Give another folder, or --overwrite.")


def _refuse_equal_names(jobs: list[Job]) -> None:
    first: dict[str, Job] = {}
    equal = [
        (other, job)
        for job in jobs
        if (other := first.setdefault(job.out.name.casefold(), job)) is not job  # some file systems ignore case
    ]
    if equal:
        pairs = " and ".join(f"{job.content.name} with {', '.join(s.name for s in job.styles)}" for job in equal[0])
        more = f"; {len(equal) - 1} more results have such a name" if len(equal) > 1 else ""
        raise UserError(f"{equal[0][1].out}: both {pairs} would get this name. Rename one of these images{more}.")


def refuse_unwritable(folder: Path) -> None:
    """Told before thousands of images are drawn for nothing. Folders that are not there yet are made."""
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise UserError(f"{there}: {ADVICE[errno.ENOTDIR]}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{there}: {ADVICE[errno.EACCES]}")


def _refuse_overwriting(jobs: list[Job]) -> None:
    inputs = {_identity(path) for job in jobs for path in (job.content, *job.styles)}
    for job in jobs:
        if job.out.exists() and _identity(job.out) in inputs:
            raise UserError(f"{job.out}: is one of the images to work on. Choose another name or folder.")


def _identity(path: Path) -> tuple[int, int]:
    """What two names of one file have in common."""
    status = path.stat()
    return status.st_dev, status.st_ino
