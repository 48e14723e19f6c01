"""Learned styles, kept beyond jobs and runs as finished pairs are: no block learns a style anew that another had."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..core.files import atomic_path
from .cache import Store


class StyleCache(Store):
    """Embeddings by their style image; beside one lies the state of a learning that was cut off."""

    suffix = ".safetensors"
    unreadable = (SafetensorError, KeyError)

    def get(self, style: np.ndarray) -> Tensor | None:
        """The embedding (channels,) of a style image, uint8 (H, W, 3), or None."""
        return self._found(self._place(style), lambda data: load(data)["embedding"])

    def put(self, style: np.ndarray, embedding: Tensor) -> None:
        """Keep the embedding (channels,) of a style image; what was kept of its learning goes."""
        self._keep(self._place(style), save({"embedding": embedding.detach().cpu().contiguous()}))
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
