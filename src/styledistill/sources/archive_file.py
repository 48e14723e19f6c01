"""One archive: where it lies, what form it has, what it is checked by, and the ids of the images in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from ..core.errors import UserError
from ..core.image_files import is_image
from ..core.places import on_server
from ..downloads import hub
from ..downloads.checks import OtherFile, check_file
from ..downloads.http import mirrored
from .archive_formats import Contents, Member

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Archive:
    """One file that holds images. name: first part of their ids, empty where there is one archive only.

    address: path, or where a server has it. sha256: of the whole file, where its publisher says it.
    """

    name: str
    address: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def remote(self) -> bool:
        """Whether it lies on a server."""
        return self.address.startswith("hf://") or on_server(self.address)

    @property
    def url(self) -> str:
        """Where it is asked for: on the hub's endpoint, or from the mirror if one is set."""
        if self.address.startswith("hf://"):
            return hub.url(self.address)
        # Single images are many, and named alike in each of their folders.
        return mirrored(self.address, parts=2 if self.form == "image" else 1)

    @property
    def form(self) -> str:
        """zip, tar, parquet or image. Raises UserError for a name that says none of these."""
        path = urlsplit(self.address).path.lower() if self.remote else self.address.lower()
        if path.endswith(_TARS):
            return "tar"
        suffix = PurePosixPath(path).suffix
        if suffix in (".zip", ".parquet"):
            return suffix[1:]
        if is_image(PurePosixPath(path).name):
            return "image"
        raise UserError(
            f"{self.address}: of no known form; it must end with .zip, .tar, .tar.gz, .parquet or as an image"
        )


def check_local(archive: Archive) -> None:
    """An archive that lies here by its owner's hand, against what the configuration says of it."""
    if (archive.size, archive.sha256, archive.md5) == (None, None, None) or not Path(archive.address).is_file():
        return
    try:
        check_file(archive.address, archive.sha256 or "", archive.size, archive.md5)
    except OtherFile as error:
        raise UserError(
            f"{archive.address}: not the archive that the source describes ({error.reason}). Put the right one there, "
            f"or mend the source's bytes, sha256 or md5."
        ) from error


@cache
def checked_once(path: Path, sha256: str, size: int | None, md5: str | None, _changed: int) -> str:
    """Gigabytes are hashed once in a process."""
    return check_file(path, sha256, size, md5)


def some_groups(lists: list[tuple[Archive, Contents]], limit: int) -> Iterator[tuple[Archive, Contents]]:
    """Row groups spread over the whole data set, in an order that lasts, whatever it is sorted by."""
    groups = [(archive, group) for archive, contents in lists for group in contents.members]
    chosen: dict[Archive, list[Member]] = {}
    taken = 0
    for archive, group in sorted(groups, key=lambda one: spread(f"{one[0].name}/{one[1].name}")):
        if taken < limit:
            chosen.setdefault(archive, []).append(group)
            taken += group.facts[2]
    yield from ((archive, Contents(groups, [])) for archive, groups in chosen.items())


def spread(name: str) -> bytes:
    """By what files and row groups are ordered: by chance, and always alike."""
    return hashlib.sha256(name.encode()).digest()


def image_id(archive: Archive, name: str) -> str:
    """Id, within its source, of an image or a row of an archive."""
    if archive.form == "image":
        return archive.name or name
    return f"{archive.name}/{name}" if archive.name else name


def names_in(archive: Archive, members: Iterable[Member]) -> Iterator[str]:
    """Names of an archive's members; of parquet files, whose members are row groups, the numbers of their rows."""
    for member in members:
        if archive.form == "parquet":
            _, first, count = member.facts
            yield from map(str, range(first, first + count))
        else:
            yield member.name


def wanted_ids(archive: Archive, members: Iterable[Member], lacking: set[str]) -> Iterator[str]:
    """Those ids of the members that are in `lacking`."""
    yield from (image for name in names_in(archive, members) if (image := image_id(archive, name)) in lacking)


def wanted_members(archive: Archive, members: list[Member], lacking: set[str]) -> list[Member]:
    """Those members, or row groups, that hold one of `lacking`."""
    if archive.form == "parquet":
        return [group for group in members if any(True for _ in wanted_ids(archive, [group], lacking))]
    return [member for member in members if image_id(archive, member.name) in lacking]
