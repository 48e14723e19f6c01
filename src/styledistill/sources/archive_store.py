"""Images that were taken out of archives, by their id: encoded bytes under a name that no id can break.

The name is made of two hashes, that of the id and that of the bytes, so an image that has changed on the disk is
noticed when it is read. What cannot be used is kept as its reason. Shared by all runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..core.errors import BadImage, UserError
from ..core.files import sha256_bytes, write_bytes, write_text

_BAD = "bad"
_DIGITS = 32


class Stored(NamedTuple):
    """One image of a store."""

    store: Store
    image: str

    def __str__(self) -> str:
        return self.image

    def read(self) -> bytes:
        """Its bytes, as `Store.read`."""
        return self.store.read(self.image)


class Store:
    """The images in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, image: str) -> bool:
        return self._found(image) is not None

    def put(self, image: str, data: bytes) -> None:
        """Keep the bytes of an image, and nothing else of it."""
        self._alone(path := self._path(image, sha256_bytes(data)[:_DIGITS]), image)
        write_bytes(path, data)

    def put_bad(self, image: str, reason: str) -> None:
        """Keep the reason why there are none."""
        self._alone(path := self._path(image, _BAD), image)
        write_text(path, reason)

    def read(self, image: str) -> bytes:
        """The bytes of an image. Raises BadImage with the reason, UserError where it is absent or has changed."""
        path = self._found(image)
        if path is None:
            raise UserError(f"{image!r} is not in {self.folder}. Run `snakemake fetch` where there is a network.")
        data = path.read_bytes()
        if path.suffix == f".{_BAD}":
            raise BadImage(data.decode())
        if not sha256_bytes(data).startswith(path.suffix[1:]):
            path.unlink()  # so that the next fetch brings it again
            raise UserError(f"{path}: {image!r} has changed on the disk and was removed. Run `snakemake fetch` again.")
        return data

    def count(self) -> tuple[int, int]:
        """How many good images are here, and how many bytes they have."""
        sizes = [path.stat().st_size for path in self.folder.glob("*/*") if path.suffix not in (f".{_BAD}", ".part")]
        return len(sizes), sum(sizes)

    def _path(self, image: str, suffix: str) -> Path:
        name = sha256_bytes(image.encode("utf-8", "surrogateescape"))[:_DIGITS]
        return self.folder / name[:2] / f"{name}.{suffix}"

    def _found(self, image: str) -> Path | None:
        path = self._path(image, "*")
        return min(path.parent.glob(path.name), default=None)

    def _alone(self, path: Path, image: str) -> None:
        for other in path.parent.glob(self._path(image, "*").name):
            if other != path:
                other.unlink(missing_ok=True)
