"""Smooth random images: of many levels, and unlike from one to the next."""

from __future__ import annotations

import torch
from torch import Tensor


def images(count: int, size: int = 64, seed: int = 0) -> Tensor:
    """Images (count, 3, size, size) in [0, 1]."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
