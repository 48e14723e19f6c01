"""Finished triplets of anybody: content, style and the image that some stylizer made of them.

A folder with a table `triplets.csv` (columns content, style, target: paths below the folder), such a table by another
name, or a WebDataset tar whose samples have the members `<key>.content.*`, `<key>.style.*` and `<key>.target.*`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from .. import config
from ..core.errors import BadImage, UserError
from ..core.files import sha256_bytes
from ..core.image_files import MAX_BYTES, LeftOut, climbs_out
from ..core.images import large_enough, open_rgb, square_crop
from .archive_store import Stored
from .samples import Packed, samples, split_key

TABLE = "triplets.csv"
ROLES = ("content", "style", "target")

Part = Path | Packed | Stored  # one of a triplet's images

# Width and height of images that were decoded, by sha256: many triplets share a content or a style, and one process may
# ask for both sources.
_SIZES: dict[str, tuple[int, int]] = {}


class Listing(NamedTuple):
    """The triplets of a place by name, in their order, and rows that are none."""

    triplets: dict[str, dict[str, Part]]
    left_out: tuple[LeftOut, ...]


def names(source: config.TripletsSource) -> list[str]:
    """Names of all triplets, sorted. Raises UserError where there is none."""
    found = _listing(source)
    if not found.triplets:
        first = "".join(f"; {left.name}: {left.reason}" for left in found.left_out[:1])
        raise UserError(f"{source.path}: no triplets in it{first}.")
    return sorted(found.triplets)


def left_out(source: config.TripletsSource) -> tuple[LeftOut, ...]:
    """Rows and samples that lack one of the three images, or name one outside the folder."""
    return _listing(source).left_out


def read(source: config.TripletsSource, name: str) -> bytes:
    """The three images of a triplet, as `joined`."""
    return joined(source.take, _listing(source).triplets[name])


def joined(take: str, parts: Mapping[str, Part]) -> bytes:
    """The three images of a triplet as one: the role that is taken, then each with its length before it.

    So an image that several triplets share is no copy, but a triplet that is there twice is. Raises BadImage.
    """
    images = [_bytes(role, parts[role]) for role in ROLES]
    return take[:1].encode() + b"".join(len(image).to_bytes(8, "big") + image for image in images)


def size(source: config.Triplets, name: str, data: bytes) -> tuple[int, int]:
    """Width and height of the image that is taken. Raises BadImage where any of the three cannot be taken.

    So the sources of contents and of styles leave out the same triplets, and stay in step.
    """
    images = {role: _size(role, image) for role, image in _images(data).items()}
    if images["content"] != images["target"]:
        content, target = (f"{width} x {height}" for width, height in (images["content"], images["target"]))
        raise BadImage(f"content of {content} pixels, target of {target}; both must be of one size")
    return images[source.take]


def crop(source: config.Triplets, name: str, side: int, data: bytes) -> Image.Image:
    """The center square of the image that is taken, at `side` x `side` pixels."""
    return square_crop(open_rgb(_images(data)[source.take]), side)


def target(data: bytes, side: int) -> Image.Image:
    """That of the target, from what `read` gave."""
    return square_crop(open_rgb(_images(data)["target"]), side)


def _images(data: bytes) -> dict[str, bytes]:
    stream = io.BytesIO(data[1:])
    return {role: stream.read(int.from_bytes(stream.read(8), "big")) for role in ROLES}


def _size(role: str, data: bytes) -> tuple[int, int]:
    if (digest := sha256_bytes(data)) not in _SIZES:
        try:
            width, height = open_rgb(data).size
            large_enough(width, height)
        except BadImage as error:
            raise BadImage(f"{role}: {error}") from error
        _SIZES[digest] = width, height
    return _SIZES[digest]


def _bytes(role: str, part: Part) -> bytes:
    try:
        return _of_file(part) if isinstance(part, Path) else part.read()
    except OSError as error:
        raise BadImage(f"{role}: {part} cannot be read ({error.strerror})") from error
    except BadImage as error:
        raise BadImage(f"{role}: {error}") from error


def _of_file(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadImage(f"over {MAX_BYTES:,} bytes")
    return data


def _listing(source: config.TripletsSource) -> Listing:
    path = source.listing
    try:
        facts = path.stat()
        return _listed(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). It lists the triplets.") from error


@lru_cache(maxsize=4)
def _listed(path: Path, size: int, time: int) -> Listing:
    rows = _tar_rows(path) if path.suffix == ".tar" else _table_rows(path)
    return sorted_out(rows)


def lacking(parts: Mapping[str, object]) -> str:
    """What is wrong with a triplet of these images by role: the first that is not there, or nothing."""
    return next((f"no {role}" for role in ROLES if role not in parts), "")


def sorted_out(rows: Iterable[tuple[str, dict[str, Part], str]]) -> Listing:
    """Rows (name, images, fault; "" for none) as triplets, and those that are none or are there already."""
    triplets: dict[str, dict[str, Part]] = {}
    bad = []
    for name, parts, fault in rows:
        if not fault and name in triplets:
            fault = "there is a triplet of this name already"
        if fault:
            bad.append(LeftOut(name, fault))
        else:
            triplets[name] = parts
    return Listing(triplets, tuple(bad))


def _table_rows(path: Path) -> Iterator[tuple[str, dict[str, Part], str]]:
    """Name of each row (its target), its images, and what is wrong with it."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            lacking = [role for role in ROLES if role not in (table.fieldnames or ())]
            if lacking:
                raise UserError(f"{path}: no column {', '.join(lacking)}. A table of triplets has {', '.join(ROLES)}.")
            rows = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV in UTF-8 ({error}).") from error
    for number, row in enumerate(rows, 2):
        places = {role: (row[role] or "").strip() for role in ROLES}
        empty = [role for role in ROLES if not places[role]]
        outside = [role for role in ROLES if climbs_out(places[role])]
        fault = f"no {empty[0]}" if empty else f"{outside[0]} lies outside the folder" if outside else ""
        parts: dict[str, Part] = {role: path.parent / place for role, place in places.items()}
        yield (f"row {number}" if fault else places["target"]), parts, fault


def _tar_rows(path: Path) -> Iterator[tuple[str, dict[str, Part], str]]:
    for key, members in samples(path).items():
        roles = {split_key(member.name)[1].partition(".")[0]: member for member in members}
        parts: dict[str, Part] = {role: roles[role] for role in ROLES if role in roles}
        if parts:
            yield str(PurePosixPath(key)), parts, lacking(parts)
