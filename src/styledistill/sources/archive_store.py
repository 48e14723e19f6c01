"""Pictures that were taken out of archives, by their id: encoded bytes under a name that no id can break.

The name is made of two hashes, that of the id and that of the bytes, so a picture that has changed on the disk is
noticed when it is read. What cannot be used is kept as its reason. Shared by all runs.
"""

from __future__ import annotations

from pathlib import Path

from ..core.errors import BadPicture, UserError
from ..core.files import sha256_bytes, write_bytes, write_text

_BAD = "bad"
_DIGITS = 32


class Store:
    """The pictures in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, picture: str) -> bool:
        return self._found(picture) is not None

    def put(self, picture: str, data: bytes) -> None:
        """Keep the bytes of a picture, and nothing else of it."""
        self._alone(path := self._path(picture, sha256_bytes(data)[:_DIGITS]), picture)
        write_bytes(path, data)

    def put_bad(self, picture: str, reason: str) -> None:
        """Keep the reason why there are none."""
        self._alone(path := self._path(picture, _BAD), picture)
        write_text(path, reason)

    def read(self, picture: str) -> bytes:
        """The bytes of a picture. Raises BadPicture with the reason, UserError where it is absent or has changed."""
        path = self._found(picture)
        if path is None:
            raise UserError(f"{picture!r} is not in {self.folder}. Run `snakemake fetch` where there is a network.")
        data = path.read_bytes()
        if path.suffix == f".{_BAD}":
            raise BadPicture(data.decode())
        if not sha256_bytes(data).startswith(path.suffix[1:]):
            path.unlink()  # so that the next fetch brings it again
            raise UserError(
                f"{path}: {picture!r} has changed on the disk and was removed. Run `snakemake fetch` again."
            )
        return data

    def count(self) -> tuple[int, int]:
        """How many good pictures are here, and how many bytes they have."""
        sizes = [path.stat().st_size for path in self.folder.glob("*/*") if path.suffix not in (f".{_BAD}", ".part")]
        return len(sizes), sum(sizes)

    def _path(self, picture: str, suffix: str) -> Path:
        name = sha256_bytes(picture.encode("utf-8", "surrogateescape"))[:_DIGITS]
        return self.folder / name[:2] / f"{name}.{suffix}"

    def _found(self, picture: str) -> Path | None:
        path = self._path(picture, "*")
        return min(path.parent.glob(path.name), default=None)

    def _alone(self, path: Path, picture: str) -> None:
        for other in path.parent.glob(self._path(picture, "*").name):
            if other != path:
                other.unlink(missing_ok=True)
