"""Finished pairs, kept beyond runs: a killed job, a changed plan or block size loses none of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.errors import BadImage
from ..core.files import write_bytes
from ..core.images import encode_png, open_rgb
from .cache import Store


class PairStore(Store):
    """Images by their content and style; key: `AnyTeacher.key`."""

    suffix = ".png"
    unreadable = (BadImage,)

    def get(self, content: np.ndarray, style: np.ndarray) -> np.ndarray | None:
        """The image of a pair, uint8 (H, W, 3), or None. content, style: uint8 (H, W, 3)."""
        return self._found(self._place(content, style), lambda data: np.array(open_rgb(data)))

    def put(self, content: np.ndarray, style: np.ndarray, image: np.ndarray) -> None:
        """Keep the image of a pair in place of any other; all uint8 (H, W, 3)."""
        self._keep(self._place(content, style), encode_png(image))

    def round_trip(self, image: np.ndarray) -> float | None:
        """The round-trip error of the inversion of an image, uint8 (H, W, 3), or None."""
        try:
            return float(self._round_trip(image).read_text("utf-8"))
        except (OSError, ValueError):
            return None

    def put_round_trip(self, image: np.ndarray, error: float) -> None:
        """Keep the round-trip error of the inversion of an image, uint8 (H, W, 3)."""
        write_bytes(self._round_trip(image), f"{error!r}\n".encode())

    def _round_trip(self, image: np.ndarray) -> Path:
        place = self._place(image)
        return place.with_name(f"{place.name}.round_trip.txt")
