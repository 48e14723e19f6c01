"""Finished pairs, kept beyond runs: a killed job, a changed plan or block size loses none of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import BadImage
from ..core.files import canonical_json, sha256_bytes, write_bytes, write_json
from ..core.images import encode_png, open_rgb


class PairStore:
    """Images below root/<hash of key>/<aa>/, named by the bytes of their content and style.

    key: everything else that an image depends on (`Teacher.key`). Each file's own sha256 stands in its name, so one
    rename makes an image and its proof at once; a file with other bytes counts as missing and is removed.
    """

    def __init__(self, root: Path, key: dict[str, Any]) -> None:
        self.folder = Path(root) / sha256_bytes(canonical_json(key).encode())[:16]
        if not (self.folder / "key.json").is_file():
            write_json(self.folder / "key.json", key)

    def get(self, content: np.ndarray, style: np.ndarray) -> np.ndarray | None:
        """The image of a pair, uint8 (H, W, 3), or None. content, style: uint8 (H, W, 3)."""
        folder, name = self._place(content, style)
        for path in sorted(folder.glob(f"{name}.*.png")):
            try:
                data = path.read_bytes()
                if sha256_bytes(data)[:32] == path.name.split(".")[1]:
                    return np.array(open_rgb(data))
            except (OSError, BadImage):
                pass  # unreadable is as good as missing: the pair is made again
            path.unlink(missing_ok=True)
        return None

    def put(self, content: np.ndarray, style: np.ndarray, image: np.ndarray) -> None:
        """Keep the image of a pair in place of any other; all uint8 (H, W, 3)."""
        folder, name = self._place(content, style)
        others = set(folder.glob(f"{name}.*.png"))
        data = encode_png(image)
        path = folder / f"{name}.{sha256_bytes(data)[:32]}.png"
        write_bytes(path, data)
        for other in others - {path}:
            other.unlink(missing_ok=True)

    def round_trip(self, image: np.ndarray) -> float | None:
        """The round-trip error of the inversion of an image, uint8 (H, W, 3), or None."""
        folder, name = self._place(image)
        try:
            return float((folder / f"{name}.round_trip.txt").read_text("utf-8"))
        except (OSError, ValueError):
            return None

    def put_round_trip(self, image: np.ndarray, error: float) -> None:
        """Keep the round-trip error of the inversion of an image, uint8 (H, W, 3)."""
        folder, name = self._place(image)
        write_bytes(folder / f"{name}.round_trip.txt", f"{error!r}\n".encode())

    def _place(self, *images: np.ndarray) -> tuple[Path, str]:
        digest = hashlib.sha256()
        for image in images:
            digest.update(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
        name = digest.hexdigest()[:32]
        return self.folder / name[:2], name
