"""Images in memory: float32 RGB tensors (N, 3, H, W) in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .arrays import NOT_FINITE
from .errors import UserError
from .images import load_array


def from_uint8(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) or (H, W, 3) to float32 (N, 3, H, W) in [0, 1]."""
    array = images if images.ndim == 4 else images[None]
    return torch.from_numpy(np.array(array)).permute(0, 3, 1, 2).float().div_(255).contiguous()


def to_uint8(images: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [0, 1] to uint8 (N, H, W, 3), clamped and rounded (not truncated).

    Raises UserError for a number that is not finite: as a level it would be black or white, and look like an image.
    """
    scaled = finite(images, "image").detach().float().clamp(0, 1).mul(255).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def finite(tensor: Tensor, what: str) -> Tensor:
    """The tensor itself. Raises UserError that names `what` where a number of it is not finite."""
    if not bool(tensor.isfinite().all()):
        raise UserError(f"{what}: {NOT_FINITE}")
    return tensor


def finite_weights(weights: Mapping[str, Tensor], what: str) -> None:
    """Raises UserError that names `what` and the first of its tensors that holds a number that is not finite."""
    for name, tensor in weights.items():
        finite(tensor, f"{what}: {name}")


def load_images(paths: Sequence[Path | str]) -> Tensor:
    """Images of one size as float32 (N, 3, H, W) in [0, 1]."""
    return from_uint8(np.stack([load_array(path) for path in paths]))


def recolor(contents: Tensor, styles: Tensor) -> Tensor:
    """The content with the style's mean and standard deviation per RGB channel, clamped to [0, 1]."""
    c_std, c_mean = torch.std_mean(contents, dim=(2, 3), keepdim=True, correction=0)
    s_std, s_mean = torch.std_mean(styles, dim=(2, 3), keepdim=True, correction=0)
    return ((contents - c_mean) / c_std.clamp_min(1e-6) * s_std + s_mean).clamp(0, 1)
