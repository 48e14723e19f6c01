"""Colors of images in memory: lightness, and the distance between two images' colors.

Torch is not imported before a tensor is there: LUMA serves arrays too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

from .arrays import LUMA

# Axes, face diagonals and space diagonals of the RGB cube, one of each opposite pair: 13 directions.
RGB_DIRECTIONS = (
    *((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)),
    *((1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)),
)


def luma(x: Tensor) -> Tensor:
    """Rec. 601 luma (N, H, W) of images (N, 3, H, W), in their range."""
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1)


def color_distance(x: Tensor, y: Tensor) -> Tensor:
    """Sliced Wasserstein-1 distance (N,) between the RGB distributions of images (N, 3, H, W), over RGB_DIRECTIONS.

    Along unit vectors, so colors count jointly and not channel by channel. Sizes may differ: quantiles are compared.
    Unit: RGB in [0, 1].
    """
    directions = x.new_tensor(RGB_DIRECTIONS)
    directions = directions / directions.norm(dim=1, keepdim=True)
    count = min(x[0, 0].numel(), y[0, 0].numel())
    return (_quantiles(x, directions, count) - _quantiles(y, directions, count)).abs().mean((1, 2))


def _quantiles(x: Tensor, directions: Tensor, count: int) -> Tensor:
    """`count` evenly spaced quantiles of the projected pixels, (N, directions, count)."""
    values = (directions @ x.flatten(2)).sort(2).values
    pixels = values.shape[2]
    if pixels == count:
        return values
    import torch

    return values[:, :, ((torch.arange(count, device=x.device) + 0.5) * pixels / count).long()]
