"""Finished triplets of a data set of the hub: which of its images are of one triplet, and how they get here.

Of parquet files each row is a triplet, of tars each WebDataset sample (`<key>.content.*`, ...). Of image files, loose
or in archives, those of one name in the folders of contents, styles and targets are; a target `<content>&&<style>`
names both others, as those of OmniStyle-150K do. Only the images that a run takes are fetched (of tars the whole file).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .. import config
from ..core.errors import UserError
from ..core.image_files import LeftOut
from .archive import Archives
from .archive_store import Stored
from .samples import split_key
from .triplets import ROLES, Listing, Part, joined, lacking, sorted_out

_ROW = re.compile(r".*\.parquet/\d+", re.S)
_ARCHIVE = re.compile(r".*\.(zip|tar|tgz|tar\.gz|tar\.bz2|tar\.xz)", re.S | re.I)
_BOTH = "&&"  # between content and style in the name of a target

Row = tuple[str, dict[str, str], str]  # name of a triplet, its images' ids by role, and what is wrong with it


class Listed(NamedTuple):
    """The triplets of a data set, and the archives that each role's images come from."""

    archives: dict[str, Archives]
    listing: Listing


def names(source: config.HubTripletsSource) -> list[str]:
    """Names of all triplets, sorted; the list is fetched where it is not here. Raises UserError where there is none."""
    found = _listed(source).listing
    if not found.triplets:
        first = "".join(f"; {left.name}: {left.reason}" for left in found.left_out[:1])
        wanted = ", ".join(_called(source).values())
        raise UserError(
            f"{source.repo}: no triplets in it (looked for members or folders {wanted}{first}). Set `roles`."
        )
    return sorted(found.triplets)


def left_out(source: config.HubTripletsSource) -> tuple[LeftOut, ...]:
    """Samples and targets that lack one of the three images, and what in the archives is no image."""
    found = _listed(source)
    return (*found.listing.left_out, *found.archives["content"].left_out())


def known(source: config.HubTripletsSource) -> bool:
    """Whether `names` can be asked at no cost."""
    content = _of_column(source, "content")
    return content.listed and all(one.listed for one in _archives(source, content.names()).values())


def bring(source: config.HubTripletsSource, triplets: Iterable[str], label: str) -> dict[str, int]:
    """Fetch the images of those triplets that are not here: how many were wanted, and how many had to be fetched."""
    found = _listed(source)
    wanted: dict[Archives, set[str]] = {}
    for name in triplets:
        parts = found.listing.triplets[name]
        for role, archives in found.archives.items():
            part = parts[role]
            assert isinstance(part, Stored)
            wanted.setdefault(archives, set()).add(part.image)
    several = len(wanted) > 1  # columns; else what comes is of all three roles
    counts = [
        archives.bring(images, f"{label}, column {archives.source.column}" if several else label)
        for archives, images in wanted.items()
    ]
    return {key: sum(count[key] for count in counts) for key in ("images", "fetched")}


def read(source: config.HubTripletsSource, name: str) -> bytes:
    """The three images of a triplet that is here, as `triplets.joined`. Raises BadImage, and UserError if it is not."""
    return joined(source.take, _listed(source).listing.triplets[name])


def _called(source: config.HubTripletsSource) -> dict[str, str]:
    return {role: getattr(source.roles, role) for role in ROLES}


def _of_column(source: config.HubTripletsSource, role: str) -> Archives:
    """The images of one role where they are columns; else all images."""
    same = source.model_dump(include={"repo", "revision", "files", "pattern", "whole"})
    return Archives(config.HubSource(kind="hub", column=_called(source)[role], **same))


def _archives(source: config.HubTripletsSource, images: Sequence[str]) -> dict[str, Archives]:
    """Those of each role; images: what the content's have. Raises UserError where files of both forms are named."""
    rows = sum(bool(_ROW.fullmatch(image)) for image in images)
    if rows == len(images):
        return {role: _of_column(source, role) for role in ROLES}
    if rows:
        raise UserError(f"{source.repo}: {source.files!r} fits parquet files and others. Set `files` to one form.")
    return dict.fromkeys(ROLES, _of_column(source, "content"))


def _listed(source: config.HubTripletsSource) -> Listed:
    content = _of_column(source, "content")
    if not content.listed:
        content.names()
    return _read((content.folder / "list.json").absolute(), (content.folder / "list.json").stat().st_mtime_ns, source)


@lru_cache(maxsize=4)
def _read(_list: Path, _time: int, source: config.HubTripletsSource) -> Listed:
    images = _of_column(source, "content").names()
    archives = _archives(source, images)
    if archives["style"] is archives["content"]:
        rows = list(_grouped(images, _called(source)))
    else:
        for one in archives.values():
            one.names()  # a column that is not there is told of now
        rows = [(image, dict.fromkeys(ROLES, image), "") for image in images]
    parts: list[tuple[str, dict[str, Part], str]] = [
        (name, {role: Stored(archives[role].store, image) for role, image in ids.items()}, fault)
        for name, ids, fault in rows
    ]
    return Listed(archives, sorted_out(parts))


def _grouped(images: Iterable[str], called: dict[str, str]) -> Iterator[Row]:
    """The triplets among images: first those of samples, then those of folders."""
    roles = {name: role for role, name in called.items()}
    samples: dict[str, dict[str, str]] = {}
    folders: dict[str, dict[tuple[str, ...], str]] = {role: {} for role in ROLES}
    for image in images:
        key, rest = split_key(image)
        if role := roles.get(rest.partition(".")[0]):
            samples.setdefault(key, {})[role] = image
        elif place := _place(image, roles):
            folders[place[0]][place[1]] = image
    for key, parts in samples.items():
        yield key, parts, lacking(parts)
    shared = {role: _by_name(folders[role]) for role in ROLES[:2]}
    for place, target in folders["target"].items():
        yield _of_target(place, target, shared)


def _place(image: str, roles: dict[str, str]) -> tuple[str, tuple[str, ...]] | None:
    """Role of an image in a folder of one, and its path without that folder and without the archive's name."""
    *above, file = image.split("/")
    found = [number for number, folder in enumerate(above) if folder in roles]
    if not found:
        return None
    packed = [number for number, folder in enumerate(above[: found[-1]]) if _ARCHIVE.fullmatch(folder)]
    before = above[packed[-1] + 1 if packed else 0 : found[-1]]
    return roles[above[found[-1]]], (*before, *above[found[-1] + 1 :], file)


def _by_name(images: dict[tuple[str, ...], str]) -> dict[tuple[str, ...], list[str]]:
    """Images by their path, with suffix and without."""
    found: dict[tuple[str, ...], list[str]] = {}
    for place, image in images.items():
        for called in {place, _bare(place)}:
            found.setdefault(called, []).append(image)
    return found


def _bare(place: tuple[str, ...]) -> tuple[str, ...]:
    return (*place[:-1], PurePosixPath(place[-1]).stem)


def _of_target(place: tuple[str, ...], target: str, shared: dict[str, dict[tuple[str, ...], list[str]]]) -> Row:
    bare = _bare(place)
    first, both, second = bare[-1].partition(_BOTH)
    parts = {"target": target}
    for role, called in zip(ROLES, (first, second if both else first), strict=False):
        images = shared[role].get((*bare[:-1], called), [])
        if len(images) != 1:
            return target, {}, f"{'more than one' if images else 'no'} {role} {called!r}"
        parts[role] = images[0]
    return target, parts, ""
