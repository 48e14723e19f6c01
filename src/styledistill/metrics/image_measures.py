"""Measures that need no trained network, or only features handed in. Images are (N, 3, H, W) in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..core.colors import luma


def mse(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error (N,) over channels and pixels."""
    return (x - y).square().mean((1, 2, 3))


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a peak of 1; infinite for equal images."""
    return -10 * error.log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity (N,), at most 1: mean over channels and over the pixels whose window lies inside.

    Wang et al. 2004 with their constants: Gaussian window of 11 x 11, sigma 1.5, K1 0.01, K2 0.03, range 1. The same
    number as scikit-image's with gaussian_weights and without use_sample_covariance. Sides of at least 11 pixels.
    """
    c1, c2 = 0.01**2, 0.03**2
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return (above / below).mean((1, 2, 3))


def _blurred(x: Tensor) -> Tensor:
    """Gaussian means of 11 x 11 windows, float64 (N, C, H - 10, W - 10): variances are small differences of squares."""
    offsets = torch.arange(-5, 6, device=x.device, dtype=torch.float64)
    weights = torch.softmax(-(offsets**2) / (2 * 1.5**2), 0)
    planes = x.double().flatten(0, 1)[:, None]
    planes = torch.nn.functional.conv2d(planes, weights[None, None, :, None])
    return torch.nn.functional.conv2d(planes, weights[None, None, None, :]).unflatten(0, x.shape[:2])[:, :, 0]


def brightness(x: Tensor) -> Tensor:
    """Mean luma (N,) in [0, 1]."""
    return luma(x).mean((1, 2))


def saturation(x: Tensor) -> Tensor:
    """Mean HSV saturation (N,) in [0, 1]: (max - min) / max over the channels, 0 where black."""
    top, low = x.amax(1), x.amin(1)
    return ((top - low) / top.clamp_min(1e-8)).mean((1, 2))


def laplacian_energy(x: Tensor) -> Tensor:
    """Mean square (N,) of the luma's 4-neighbor Laplacian over inner pixels: blur lowers it, artifacts raise it."""
    return _laplacian(x).square().mean((1, 2))


def artifact_energy(x: Tensor, y: Tensor, cell: int = 8) -> Tensor:
    """By how much the Laplacian energy of x exceeds that of y, mean over cells of `cell` x `cell` pixels, (N,).

    Cells in which x is the calmer count as 0, so that blur here does not make up for defects there.
    """
    energies = [torch.nn.functional.avg_pool2d(_laplacian(image).square(), cell) for image in (x, y)]
    return (energies[0] - energies[1]).clamp_min(0).mean((1, 2))


def _laplacian(x: Tensor) -> Tensor:
    """The luma's 4-neighbor Laplacian at inner pixels, (N, H - 2, W - 2)."""
    y = luma(x)
    around = y[:, :-2, 1:-1] + y[:, 2:, 1:-1] + y[:, 1:-1, :-2] + y[:, 1:-1, 2:]
    return around - 4 * y[:, 1:-1, 1:-1]


def gram(features: Tensor) -> Tensor:
    """Gram matrices (N, C, C) of features (N, C, H, W), divided by H * W so that sizes may differ."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram_distance(grams: Sequence[Tensor], style_grams: Sequence[Tensor]) -> Tensor:
    """Mean over layers of ||G - G_style|| / ||G_style|| (Frobenius), (N,).

    Relative, so neither the Gram's normalization nor the scale of a layer's weights matters; 0 for equal images.
    """
    layers = [
        (g - s).flatten(1).norm(dim=1) / s.flatten(1).norm(dim=1).clamp_min(1e-12)
        for g, s in zip(grams, style_grams, strict=True)
    ]
    return torch.stack(layers).mean(0)
