"""The kinds of sources: what each holds (index) and how one picture of it is read (fetch).

Adding a kind is one class of settings in `config` and one line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from .. import config
from ..core.errors import BadPicture, UserError
from ..core.files import sha256_bytes
from ..core.images import open_rgb, square_crop
from . import drawings, photographs

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Entry(NamedTuple):
    """One picture of an index: id within the source, size in pixels (0: any), sha256 of what it is made from."""

    picture: str
    width: int
    height: int
    sha256: str


class Excluded(NamedTuple):
    """A picture that cannot be used, and why."""

    picture: str
    reason: str


@dataclass(frozen=True)
class Kind:
    """What a kind of source can do.

    names: ids of all pictures, without opening any. read: the encoded bytes or the recipe of one picture.
    crop: a square RGB picture of a given side.
    """

    names: Callable[[Any], list[str]]
    read: Callable[[Any, str], bytes]
    crop: Callable[[Any, str, int], Image.Image]


def names(source: config.Source) -> list[str]:
    """Ids of all pictures of a source, sorted, without opening any. Raises UserError where there is none."""
    return KINDS[source.kind].names(source)


def index(source: config.Source) -> Iterator[Entry | Excluded]:
    """Every picture of a source, decoded where it is a file, so that only good ones enter."""
    for name in names(source):
        try:
            yield entry(source, name)
        except BadPicture as error:
            yield Excluded(name, str(error))


def entry(source: config.Source, name: str) -> Entry:
    """Size and hash of one picture. Raises BadPicture."""
    data = KINDS[source.kind].read(source, name)
    if source.kind == "procedural":
        return Entry(name, 0, 0, sha256_bytes(data))
    width, height = open_rgb(data).size
    return Entry(name, width, height, sha256_bytes(data))


def crop(source: config.Source, name: str, size: int) -> Image.Image:
    """The centre square of one picture at `size` x `size` pixels. Raises BadPicture."""
    return KINDS[source.kind].crop(source, name, size)


def _crop_file(source: Any, name: str, size: int) -> Image.Image:
    return square_crop(open_rgb(KINDS[source.kind].read(source, name)), size)


def _folder_names(source: config.FolderSource) -> list[str]:
    folder = Path(source.path)
    if not folder.is_dir():
        raise UserError(f"{source.path}: no such folder. Set the source's path to a folder of pictures.")
    found = sorted(
        str(path.relative_to(folder))
        for path in folder.glob(source.pattern)
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not found:
        raise UserError(f"{source.path}: no pictures here (looked for {source.pattern} with {', '.join(SUFFIXES)}).")
    return found


def _folder_read(source: config.FolderSource, name: str) -> bytes:
    path = Path(source.path) / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"{path}: cannot be read ({error.strerror})") from error


def _procedural_names(source: config.ProceduralSource) -> list[str]:
    return [f"{source.pictures}-{number:06d}" for number in range(source.count)]


def _procedural_crop(source: config.ProceduralSource, name: str, size: int) -> Image.Image:
    return Image.fromarray(drawings.draw(source.pictures, int(name.rpartition("-")[2]), size))


KINDS: dict[str, Kind] = {
    "procedural": Kind(_procedural_names, lambda _, name: name.encode(), _procedural_crop),
    "folder": Kind(_folder_names, _folder_read, _crop_file),
    "skimage": Kind(lambda source: sorted(source.pictures), lambda _, name: photographs.read(name), _crop_file),
}
