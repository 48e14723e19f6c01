"""The kinds of sources: what each holds (index) and how one image of it is read (fetch).

Adding a kind is one class of settings in `config/sources.py`, a module here that reads it, and one line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from .. import config
from ..core import image_files
from ..core.errors import BadImage, UserError
from ..core.files import sha256_bytes
from ..core.images import large_enough, open_rgb, square_crop
from ..procedural import draw
from . import hub_triplets, skimage, triplets
from .archive import Archives


class Entry(NamedTuple):
    """One image of an index: id within the source, size in pixels (0: any), sha256 of what it is made from.

    A source that only lists its images knows neither size nor sha256 before they are fetched: 0 and "".
    """

    image: str
    width: int
    height: int
    sha256: str


class Excluded(NamedTuple):
    """An image that cannot be used, and why."""

    image: str
    reason: str


@dataclass(frozen=True)
class Kind:
    """What a kind of source can do.

    names: ids of all images, without opening any. read: the encoded bytes or the recipe of one image.
    crop: a square RGB image of a given side, from that. left_out: what lies among the images and is none, without
    opening any. drawn: images have no size of their own. bring: fetches images that are not here, of a kind whose
    images are not opened for the index; a block then has spares for those that turn out bad. known: whether `names`
    costs nothing. size: width and height, once an image has been found good.
    """

    names: Callable[[Any], list[str]]
    read: Callable[[Any, str], bytes]
    crop: Callable[[Any, str, int, bytes], Image.Image]
    left_out: Callable[[Any], Iterable[image_files.LeftOut]] = lambda _: ()
    drawn: bool = False
    bring: Callable[[Any, Iterable[str], str], dict[str, int]] | None = None
    known: Callable[[Any], bool] = lambda _: True
    size: Callable[[Any, str, bytes], tuple[int, int]] = lambda _, name, data: open_rgb(data, name).size


def names(source: config.Source) -> list[str]:
    """Ids of all images of a source, sorted, without opening any. Raises UserError where there is none."""
    return KINDS[source.kind].names(source)


def listed(source: config.Source) -> bool:
    """Whether the source lists its images without opening them."""
    return KINDS[source.kind].bring is not None


def needs_network(source: config.Source) -> bool:
    """Whether a source lies on a server."""
    return source.remote


def left_out(source: config.Source) -> list[Excluded]:
    """What lies among the images of a folder or of archives and is not taken, with the reason, without opening any.

    Of archives once they are listed.
    """
    found = KINDS[source.kind].left_out(source)
    return [
        Excluded(left.name if image_files.in_tables(left.name) else ascii(left.name), left.reason) for left in found
    ]


def known(source: config.Source) -> bool:
    """Whether `names` can be asked at no cost: the list of an archive is made once, by a job."""
    return KINDS[source.kind].known(source)


def index(source: config.Source, images: Iterable[str] | None = None) -> Iterator[Entry | Excluded]:
    """Every image of a source, decoded where it is a file, so that only good ones enter.

    images: its `names`, where they are known already.
    """
    for name in names(source) if images is None else images:
        if not image_files.in_tables(name):
            yield Excluded(ascii(name), image_files.NO_TABLE)
        elif listed(source):
            yield Entry(name, 0, 0, "")
        else:
            try:
                yield entry(source, name)
            except BadImage as error:
                yield Excluded(name, str(error))


def entry(source: config.Source, name: str) -> Entry:
    """Size and hash of one image. Raises BadImage."""
    data = KINDS[source.kind].read(source, name)
    if KINDS[source.kind].drawn:
        return Entry(name, 0, 0, sha256_bytes(data))
    width, height = KINDS[source.kind].size(source, name, data)
    large_enough(width, height)
    return Entry(name, width, height, sha256_bytes(data))


def bring(source: config.Source, images: Iterable[str], label: str = "") -> dict[str, int]:
    """Fetch those of `images` that are not here: how many were wanted, and how many had to be fetched."""
    if (fetch := KINDS[source.kind].bring) is not None:
        return fetch(source, images, label)
    return {"images": len(set(images)), "fetched": 0}


def crop(source: config.Source, name: str, size: int, sha256: str) -> Image.Image:
    """The center square of one image at `size` x `size` pixels, its bytes checked. Raises UserError."""
    return KINDS[source.kind].crop(source, name, size, _unchanged(source, name, sha256))


def target(source: config.Triplets, name: str, size: int, sha256: str) -> Image.Image:
    """The same of a triplet's target. Raises UserError."""
    return triplets.target(_unchanged(source, name, sha256), size)


def _unchanged(source: config.Source, name: str, sha256: str) -> bytes:
    data = KINDS[source.kind].read(source, name)
    if sha256_bytes(data) != sha256:
        raise UserError(f"{name!r} has changed since its source was indexed; remove results/<run>/index and run again.")
    return data


def _crop_file(_: Any, name: str, size: int, data: bytes) -> Image.Image:
    return square_crop(open_rgb(data), size)


def _folder_names(source: config.FolderSource) -> list[str]:
    folder = Path(source.path)
    if not folder.is_dir():
        raise UserError(f"{source.path}: no such folder. Set the source's path to a folder of images.")
    found = image_files.find(folder, source.pattern)
    if not found.images:
        first = "".join(f"; {left.name} is left out: {left.reason}" for left in found.left_out[:1])
        raise UserError(f"{source.path}: no images here (looked for {source.pattern}{first}).")
    return found.images


def _folder_read(source: config.FolderSource, name: str) -> bytes:
    path = Path(source.path) / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"{path}: cannot be read ({error.strerror})") from error


def _procedural_names(source: config.ProceduralSource) -> list[str]:
    return [f"{source.images}-{number:06d}" for number in range(source.count)]


def _procedural_crop(source: config.ProceduralSource, name: str, size: int, _: bytes) -> Image.Image:
    return Image.fromarray(draw.draw(source.images, int(name.rpartition("-")[2]), size))


_ARCHIVES = Kind(
    lambda source: Archives(source).names(),
    lambda source, name: Archives(source).store.read(name),
    _crop_file,
    lambda source: Archives(source).left_out(),
    bring=lambda source, images, label: Archives(source).bring(images, label),
    known=lambda source: Archives(source).listed,
)

KINDS: dict[str, Kind] = {
    "procedural": Kind(_procedural_names, lambda _, name: name.encode(), _procedural_crop, drawn=True),
    "folder": Kind(
        _folder_names, _folder_read, _crop_file, lambda source: image_files.find(source.path, source.pattern).left_out
    ),
    "skimage": Kind(lambda source: sorted(source.images), lambda _, name: skimage.read(name), _crop_file),
    "triplets": Kind(triplets.names, triplets.read, triplets.crop, triplets.left_out, size=triplets.size),
    "archive": _ARCHIVES,
    "hub": _ARCHIVES,
    "hub_triplets": Kind(
        hub_triplets.names,
        hub_triplets.read,
        triplets.crop,
        hub_triplets.left_out,
        bring=hub_triplets.bring,
        known=hub_triplets.known,
        size=triplets.size,
    ),
}
