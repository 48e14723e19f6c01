"""Pictures in memory: float32 RGB tensors (N, 3, H, W) in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .images import load_array


def from_uint8(pictures: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) or (H, W, 3) to float32 (N, 3, H, W) in [0, 1]."""
    array = pictures if pictures.ndim == 4 else pictures[None]
    return torch.from_numpy(np.array(array)).permute(0, 3, 1, 2).float().div_(255).contiguous()


def to_uint8(pictures: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [0, 1] to uint8 (N, H, W, 3), clamped and rounded (not truncated)."""
    scaled = pictures.detach().float().clamp(0, 1).mul(255).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def load_pictures(paths: Sequence[Path | str]) -> Tensor:
    """Pictures of one size as float32 (N, 3, H, W) in [0, 1]."""
    return from_uint8(np.stack([load_array(path) for path in paths]))
