"""Learned styles, kept beyond jobs and runs as finished pairs are: no block learns a style anew that another had."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..core.files import atomic_path, canonical_json, sha256_bytes, write_bytes, write_json


class StyleCache:
    """Embeddings below root/<hash of key>/<aa>/, named by the bytes of their style image.

    key: everything else that an embedding depends on. As in `PairStore`, a file's own sha256 stands in its name, and a
    file with other bytes is removed and counts as missing. Beside it lies the state of a learning that was cut off.
    """

    def __init__(self, root: Path, key: dict[str, Any]) -> None:
        self.folder = Path(root) / sha256_bytes(canonical_json(key).encode())[:16]
        if not (self.folder / "key.json").is_file():
            write_json(self.folder / "key.json", key)

    def get(self, style: np.ndarray) -> Tensor | None:
        """The embedding (channels,) of a style image, uint8 (H, W, 3), or None."""
        place = self._place(style)
        for path in sorted(place.parent.glob(f"{place.name}.*.safetensors")):
            try:
                data = path.read_bytes()
                if sha256_bytes(data)[:32] == path.name.split(".")[1]:
                    return load(data)["embedding"]
            except (OSError, SafetensorError, KeyError):
                pass  # unreadable is as good as missing: the style is learned again
            path.unlink(missing_ok=True)
        return None

    def put(self, style: np.ndarray, embedding: Tensor) -> None:
        """Keep the embedding (channels,) of a style image; what was kept of its learning goes."""
        place = self._place(style)
        data = save({"embedding": embedding.detach().cpu().contiguous()})
        write_bytes(place.with_name(f"{place.name}.{sha256_bytes(data)[:32]}.safetensors"), data)
        self._state(style).unlink(missing_ok=True)

    def state(self, style: np.ndarray) -> dict[str, Any] | None:
        """What `keep_state` was given last for a style image; None where nothing readable is there."""
        try:
            return torch.load(io.BytesIO(self._state(style).read_bytes()), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            return None

    def keep_state(self, style: np.ndarray, state: dict[str, Any]) -> None:
        """Keep what a learning needs to go on: tensors, numbers and dictionaries of them."""
        with atomic_path(self._state(style)) as temporary:
            torch.save(state, temporary)

    def _state(self, style: np.ndarray) -> Path:
        place = self._place(style)
        return place.with_name(f"{place.name}.state.pt")

    def _place(self, style: np.ndarray) -> Path:
        name = hashlib.sha256(repr(style.shape).encode() + np.ascontiguousarray(style).tobytes()).hexdigest()[:32]
        return self.folder / name[:2] / name
