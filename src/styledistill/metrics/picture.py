"""Measures that need no trained network, or only features handed in. Pictures are (N, 3, H, W) in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # Rec. 601

# Axes, face diagonals and space diagonals of the RGB cube, one of each opposite pair: 13 directions.
_DIRECTIONS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
_DIRECTIONS += [(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)]


def mse(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error (N,) over channels and pixels."""
    return (x - y).square().mean((1, 2, 3))


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a peak of 1; infinite for equal pictures."""
    return -10 * error.log10()


def luma(x: Tensor) -> Tensor:
    """Rec. 601 luma (N, H, W) in [0, 1]."""
    return torch.einsum("nchw,c->nhw", x, x.new_tensor(LUMA))


def brightness(x: Tensor) -> Tensor:
    """Mean luma (N,) in [0, 1]."""
    return luma(x).mean((1, 2))


def saturation(x: Tensor) -> Tensor:
    """Mean HSV saturation (N,) in [0, 1]: (max - min) / max over the channels, 0 where black."""
    top, low = x.amax(1), x.amin(1)
    return ((top - low) / top.clamp_min(1e-8)).mean((1, 2))


def laplacian_energy(x: Tensor) -> Tensor:
    """Mean square (N,) of the luma's 4-neighbour Laplacian over inner pixels: blur lowers it, artefacts raise it."""
    y = luma(x)
    inner = y[:, 1:-1, 1:-1]
    around = y[:, :-2, 1:-1] + y[:, 2:, 1:-1] + y[:, 1:-1, :-2] + y[:, 1:-1, 2:]
    return (around - 4 * inner).square().mean((1, 2))


def colour_distance(x: Tensor, y: Tensor) -> Tensor:
    """Sliced Wasserstein-1 distance (N,) between the pixels' RGB distributions, mean over 13 fixed directions.

    Directions (unit length): the axes, the face diagonals and the space diagonals of the RGB cube; so colours count
    jointly, not channel by channel. Sizes may differ: quantiles are compared. Unit: RGB in [0, 1].
    """
    directions = torch.nn.functional.normalize(x.new_tensor(_DIRECTIONS), dim=1)
    count = min(x[0, 0].numel(), y[0, 0].numel())
    return (_quantiles(x, directions, count) - _quantiles(y, directions, count)).abs().mean((1, 2))


def _quantiles(x: Tensor, directions: Tensor, count: int) -> Tensor:
    """`count` evenly spaced quantiles of the projected pixels, (N, directions, count)."""
    values = (directions @ x.flatten(2)).sort(2).values
    pixels = values.shape[2]
    places = ((torch.arange(count, device=x.device) + 0.5) * pixels / count).long()
    return values if pixels == count else values[:, :, places]


def gram(features: Tensor) -> Tensor:
    """Gram matrices (N, C, C) of features (N, C, H, W), divided by H * W so that sizes may differ."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram_distance(grams: Sequence[Tensor], style_grams: Sequence[Tensor]) -> Tensor:
    """Mean over layers of ||G - G_style|| / ||G_style|| (Frobenius), (N,).

    Relative, so neither the Gram's normalisation nor the scale of a layer's weights matters; 0 for equal pictures.
    """
    layers = [
        (g - s).flatten(1).norm(dim=1) / s.flatten(1).norm(dim=1).clamp_min(1e-12)
        for g, s in zip(grams, style_grams, strict=True)
    ]
    return torch.stack(layers).mean(0)
