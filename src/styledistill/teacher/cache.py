"""What a teacher made, kept beyond jobs and runs by the images that it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core.files import canonical_json, sha256_bytes, write_bytes, write_json

T = TypeVar("T")


class Store:
    """Files below root/<hash of key>/<aa>/, named by the bytes of images.

    key: everything else that a file depends on. Each file's own sha256 stands in its name, so one rename makes a file
    and its proof at once; a file with other bytes counts as missing and is removed.
    """

    # Of its files, and what decoding one raises that is no such file.
    suffix = ""
    unreadable: tuple[type[Exception], ...] = ()

    def __init__(self, root: Path, key: dict[str, Any]) -> None:
        self.folder = Path(root) / sha256_bytes(canonical_json(key).encode())[:16]
        if not (self.folder / "key.json").is_file():
            write_json(self.folder / "key.json", key)

    def _found(self, place: Path, decode: Callable[[bytes], T]) -> T | None:
        for path in sorted(place.parent.glob(f"{place.name}.*{self.suffix}")):
            try:
                data = path.read_bytes()
                if sha256_bytes(data)[:32] == path.name.split(".")[1]:
                    return decode(data)
            except (OSError, *self.unreadable):
                pass  # unreadable is as good as missing: it is made again
            path.unlink(missing_ok=True)
        return None

    def _keep(self, place: Path, data: bytes) -> None:
        """In place of any other."""
        others = set(place.parent.glob(f"{place.name}.*{self.suffix}"))
        path = place.with_name(f"{place.name}.{sha256_bytes(data)[:32]}{self.suffix}")
        write_bytes(path, data)
        for other in others - {path}:
            other.unlink(missing_ok=True)

    def _place(self, *images: np.ndarray) -> Path:
        """Where files of these images, uint8 (H, W, 3) each, lie, without what stands behind the name."""
        digest = hashlib.sha256()
        for image in images:
            digest.update(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
        name = digest.hexdigest()[:32]
        return self.folder / name[:2] / name
