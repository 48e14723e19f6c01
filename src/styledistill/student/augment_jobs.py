"""A data set in drawn styles: which image meets which styles, where the result goes, and what is there already.

Images come from a folder or from WebDataset's tars, and go to a folder or to such tars. No torch here.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..core import image_files
from ..core.errors import UserError
from ..core.files import read_json, write_csv
from ..core.places import meant, weights_mark
from ..core.progress import announce
from ..sources.samples import Packed, members, samples, split_key
from .stylize_jobs import Job, Options

MAP = "augment.csv"  # what was drawn with what, in the folder of the results
SETTINGS = "augment.json"  # what it was drawn by, beside the map
COLUMNS = ("image", "content", "style")
SHARD_IMAGES = 1000  # of a folder, whose results go to tars
_TOGETHER = 8  # images of a folder that a worker takes at once


class Row(NamedTuple):
    """An image of a tar to make. name: there. labels: what else its sample holds, by names of the result."""

    name: str
    job: Job
    labels: tuple[tuple[str, Packed], ...]


@dataclass(frozen=True)
class Work:
    """What one worker does in one go: files, or the rows of a tar of which some lack."""

    jobs: list[Job]
    tar: Path | None = None
    rows: tuple[Row, ...] = ()


class _Content(NamedTuple):
    """An image to be drawn. name: in the map. group: the tar that it comes from or goes to, without suffix, or ''."""

    name: str
    place: Path | Packed
    group: str
    others: tuple[Packed, ...] = ()


def plan(
    images: Path, styles: Path, out: Path, each: int, seed: int, *, shards: bool = False, member: str | None = None
) -> list[Work]:
    """Every image of a folder (at any depth) or of tars in `each` different styles of a folder; without what is there.

    images: a folder, a tar, or a pattern of tars (`*`, `{000..019}`). Results keep the folders and names of images:
    `<folder>/<name>_<1..each>.png`, below a folder `<tar>/` if images come from tars. shards: they go to tars, one for
    each tar, or for every SHARD_IMAGES images of a folder; labels, the other members of a sample, go along. member:
    which image of a sample is drawn, where samples hold several, by what stands behind the key.

    Which styles an image meets depends on the seed and on the image's own name, so further images change nothing for
    the others. Writes the map, `augment.csv`, before anything is drawn. Raises UserError for places without images, for
    fewer styles than `each`, for two images of one name, for results among the images, and for a folder that holds the
    results of other images, styles or seeds.
    """
    drawn = _found(styles)
    if images.is_dir():
        if member:
            raise UserError(f"--member {member}: {images} is a folder. It names a member of the samples of tars.")
        contents = _of_folder(images, shards)
    else:
        contents = list(_of_tars(images, member))
    for folder in (images if images.is_dir() else None, styles):
        if folder and out.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{out}: lies in {folder}, so results would be taken for images. Choose another folder.")
    if each > len(drawn):
        raise UserError(f"{styles}: {len(drawn)} styles, and each image asks for {each}. Give more, or ask for fewer.")
    taken: set[str] = set()
    rows: list[tuple[str, str, str]] = []
    groups: dict[str, list[Row]] = {}
    for content in contents:
        for number, style in enumerate(random.Random(f"{seed}/{content.name}").sample(drawn, each), 1):
            row = _row(content, number, styles / style, out, shards)
            shown = row.job.out.relative_to(out).as_posix()
            for name in (shown, *(f"{content.group}.tar/{label}" for label, _ in row.labels)):
                if name.casefold() in taken:  # some file systems ignore case
                    raise UserError(f"{out / name}: two images would get this name. Rename {content.name}.")
                taken.add(name.casefold())
            rows.append((shown, content.name, style))
            groups.setdefault(content.group, []).append(row)
    if any(path.resolve() == (out / path.name).resolve() for path in _tars(contents)) and shards:
        raise UserError(f"{out}: holds the tars themselves, which results would replace. Choose another folder.")
    _keep_map(out / MAP, rows)
    if shards:
        return [work for group, some in groups.items() if (work := _lacking(out / f"{group}.tar", some)).jobs]
    jobs = [row.job for some in groups.values() for row in some if not row.job.out.is_file()]
    return [Work(some) for some in _batches(jobs)]


def settings(model: str, revision: str, options: Options) -> dict[str, object]:
    """What makes one image of a content and a style another: the student's weights and the options, as JSON."""
    drawn = {"size": options.size, "strength": options.strength, "preserve_color": options.preserve_color}
    return {"student": weights_mark(model) or f"{model}@{revision}", **drawn}


def refuse_other_settings(out: Path, asked: dict[str, object]) -> None:
    """Raises UserError where the images of `out` were drawn by another student or with other options."""
    path = out / SETTINGS
    try:
        before = dict(read_json(path)) if path.is_file() else asked
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read. Remove it, or give another folder for the results.") from error
    if other := [name for name, value in asked.items() if before.get(name) != value]:
        raise UserError(
            f"{out}: its images were drawn with another {', '.join(other)}. Give another folder for the results."
        )


def _row(content: _Content, number: int, style: Path, out: Path, shards: bool) -> Row:
    """The `number`-th result of an image: its name, its job, its labels."""
    if isinstance(content.place, Packed):
        key, rest = split_key(content.place.name)
        kind = PurePosixPath(f"x.{rest}").with_suffix(".png").name.removeprefix("x.")  # content.jpg: content.png
    else:
        key, kind = str(PurePosixPath(content.name).with_suffix("")), "png"
        if shards:  # behind the first dot a sample's key would end
            folder, slash, last = key.rpartition("/")
            key = f"{folder}{slash}{last.replace('.', '_')}"
    name = f"{key}_{number}.{kind}"
    if shards:
        place = out / f"{content.group}.tar" / name
        labels = [(f"{key}_{number}.{split_key(other.name)[1]}", other) for other in content.others]
        return Row(name, Job(content.place, (style,), place), tuple(labels))
    return Row(name, Job(content.place, (style,), out / content.group / name), ())


def _lacking(tar: Path, rows: list[Row]) -> Work:
    """The jobs of a tar whose images it does not hold yet, or not with all rows around them."""
    there = {member.name for member in members(tar)} if tar.is_file() else set()
    return Work([row.job for row in rows if row.name not in there], tar, tuple(rows))


def _batches(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    """The jobs of a few images together, so that each image is read once."""
    batch: list[Job] = []
    for number, (_, some) in enumerate(groupby(jobs, key=lambda job: job.content), 1):
        batch += some
        if number % _TOGETHER == 0:
            yield batch
            batch = []
    if batch:
        yield batch


# --- images -------------------------------------------------------------------------------------------------------


def _of_folder(images: Path, shards: bool) -> list[_Content]:
    return [
        _Content(name, images / name, f"{number // SHARD_IMAGES:06d}" if shards else "")
        for number, name in enumerate(_found(images))
    ]


def _of_tars(images: Path, member: str | None) -> Iterator[_Content]:
    """The images of the tars that a path or a pattern means."""
    paths = [path for path in meant(str(images)) if path.exists()]
    if not paths:
        raise UserError(f"{images}: no such folder or tar. Give a folder of images, or tars of WebDataset.")
    empty = True
    for path in paths:
        if path.suffix.lower() != ".tar" or not path.is_file():
            raise UserError(f"{path}: neither a folder of images nor a .tar. Give one of them.")
        for key, some in samples(path).items():
            drawable = [one for one in some if image_files.is_image(one.name)]
            if member:
                drawable = [one for one in drawable if split_key(one.name)[1] == member]
            if unnamed := [one.name for one in drawable if not image_files.in_tables(f"{path.name}/{one.name}")]:
                left_out = [image_files.LeftOut(name, image_files.NO_TABLE) for name in unnamed]
                for line in image_files.told(left_out, str(path)):
                    announce(line)
                continue
            if len(drawable) > 1:
                rests = ", ".join(split_key(one.name)[1] for one in drawable)
                raise UserError(f"{path}: the sample {key} holds several images ({rests}). Say which by --member.")
            for one in drawable:
                empty = False
                others = tuple(other for other in some if other is not one)
                yield _Content(f"{path.name}/{one.name}", one, path.stem, others)
    if empty:
        raise UserError(f"{images}: no images in these tars{f' named <key>.{member}' if member else ''}.")


def _tars(contents: list[_Content]) -> set[Path]:
    return {content.place.tar for content in contents if isinstance(content.place, Packed)}


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
