"""Distances of images and of feature maps, which loss terms and trainings are made of.

They take feature maps (B, C, h, w) or images (B, 3, H, W). Squared and absolute errors are means over all numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.colors import luma


def gram(features: Tensor, normalization: Literal["hw", "chw"] = "chw", per_image: bool = True) -> Tensor:
    """Gram matrices of features (B, C, H, W), divided by H W or by C H W: (B, C, C).

    per_image=False is STTR's `gram_matrix`: the batch is folded into the rows, (B C, B C), divided by B too; it then
    also holds products of features of different images.
    """
    count, channels, height, width = features.shape
    rows = features.flatten(2) if per_image else features.reshape(1, count * channels, height * width)
    size = height * width * (channels if normalization == "chw" else 1) * (1 if per_image else count)
    matrices = _products(rows)[0] / size
    return matrices if per_image else matrices[0]


def _products(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Scalar products (B, C, C) of all rows (B, C, N) with each other, and the rows' sums (B, C); float32 at least."""
    # Never in half precision, whatever the training's dtype: a float16 sum over 512 x 512 places is infinite.
    with torch.autocast(rows.device.type, enabled=False):
        return _Products.apply(rows.to(torch.promote_types(rows.dtype, torch.float32)))


class _Products(torch.autograd.Function):
    """The gradient takes one product, where that of `rows @ rows.transpose(1, 2)` takes two and their sum.

    It lies in memory as the rows do: channels-last features would be copied otherwise. A quarter of a Gram term's time.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(rows)
        return rows @ rows.transpose(1, 2), rows.sum(2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor, of_sums: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        symmetric = gradient + gradient.transpose(1, 2)
        if rows.stride(1) == 1:
            return torch.baddbmm(of_sums[:, None], rows.mT, symmetric).mT
        return torch.baddbmm(of_sums[:, :, None], symmetric, rows)


def gram_distance(
    x: Sequence[Tensor],
    y: Sequence[Tensor],
    normalization: Literal["hw", "chw"] = "chw",
    per_image: bool = True,
) -> Tensor:
    """Sum over slices of the mean squared error of Gram matrices (the preprint's second term)."""
    pairs = zip(x, y, strict=True)
    return sum(F.mse_loss(gram(a, normalization, per_image), gram(b, normalization, per_image)) for a, b in pairs)


def statistics_distance(x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
    """Sum over slices of the squared errors of channel means and standard deviations (AdaIN style loss, as in STTR)."""
    total = x[0].new_zeros(())
    for a, b in zip(x, y, strict=True):
        a_std, a_mean = torch.std_mean(a, dim=(2, 3))
        b_std, b_mean = torch.std_mean(b, dim=(2, 3))
        # STTR adds 1e-6 to each deviation, which the difference takes away again.
        total = total + F.mse_loss(a_mean, b_mean) + F.mse_loss(a_std, b_std)
    return total


def texture_distance(x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
    """Relative distance of feature statistics, (B,): mean over maps (B, C, h, w), of which y's may have other sizes.

    Of each map the squared errors of channel means and deviations over the mean variance of y's channels, and half of
    the squared error of the Gram matrix over its own mean square: so every depth counts alike, whatever its scale
    (balanced Gram matrices: Gatys et al. 2016 with each layer divided by its own norm).
    """
    return torch.stack([_texture_of(a, b) for a, b in zip(x, y, strict=True)]).mean(0)


def _texture_of(a: Tensor, b: Tensor) -> Tensor:
    (mean, deviation, matrix), (mean_y, deviation_y, matrix_y) = _moments(a), _moments(b)
    spread = deviation_y.square().mean(1) + 1e-4
    first = ((mean - mean_y).square().mean(1) + (deviation - deviation_y).square().mean(1)) / spread
    second = (matrix - matrix_y).square().mean((1, 2)) / (matrix_y.square().mean((1, 2)) + 1e-6)
    return first + 0.5 * second


def _moments(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Channel means and deviations (B, C), from the Gram's diagonal, and Gram matrices (B, C, C) of features."""
    places = features.shape[2] * features.shape[3]
    products, sums = _products(features.flatten(2))
    matrix, mean = products / places, sums / places
    variance = matrix.diagonal(dim1=1, dim2=2) - mean.square()
    return mean, torch.sqrt(variance.clamp(min=0) + 1e-6), matrix


def self_similarity(features: Tensor) -> Tensor:
    """Cosines between all places of features (B, C, h, w), channels centered: (B, h w, h w). Kolkin et al. 2019."""
    rows = features.flatten(2)
    rows = F.normalize(rows - rows.mean(2, keepdim=True), dim=1)
    return rows.transpose(1, 2) @ rows


def structure_parts(x: Sequence[Tensor], y: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Distances (B,) of what is where, of maps (B, C, h, w) of equal sizes.

    The mean squared error of the middle maps, each channel normalized over the image (so colors and contrast are
    free), and the mean absolute difference of the deepest map's self-similarity.
    """
    middle = [(_normalized(a) - _normalized(b)).square().mean((1, 2, 3)) for a, b in zip(x[2:-1], y[2:-1], strict=True)]
    return torch.stack(middle).mean(0), (self_similarity(x[-1]) - self_similarity(y[-1])).abs().mean((1, 2))


def _normalized(features: Tensor) -> Tensor:
    centered = features - features.mean((2, 3), keepdim=True)
    return centered * torch.rsqrt(centered.square().mean((2, 3), keepdim=True) + 1e-3)


def sliced_distance(x: Tensor, y: Tensor, directions: Tensor, squared: bool = False) -> Tensor:
    """Sliced Wasserstein-1 distance (B,) of vectors x and y (B, C, N), along directions (K, C). Rabin et al. 2011.

    squared: of the squared Wasserstein-2 distances.
    """
    difference = ordered(directions @ x) - ordered(directions @ y)
    return (difference.square() if squared else difference.abs()).mean((1, 2))


def ordered(rows: Tensor) -> Tensor:
    """Numbers (B, K, N) sorted along their last axis.

    On a CPU by NumPy, whose sort is vectorized: a fifth of torch's time, and half where a gradient is wanted.
    """
    if rows.device.type != "cpu" or rows.dtype != torch.float32:
        return rows.sort(2).values
    if torch.is_grad_enabled() and rows.requires_grad:
        return rows.gather(2, torch.from_numpy(np.argsort(rows.detach().numpy(), 2)))
    return torch.from_numpy(np.sort(rows.detach().numpy(), 2))


def color_moments(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error (B,) of the channel means and of the deviations of images (B, 3, H, W)."""
    (mean, deviation, _), (mean_y, deviation_y, _) = _moments(x), _moments(y)
    return (mean - mean_y).square().mean(1) + (deviation - deviation_y).square().mean(1)


def tone_distance(x: Tensor, y: Tensor, scales: Sequence[int] = (4, 16)) -> Tensor:
    """One minus the correlation (B,) of the lightness of images (B, 3, H, W) reduced by each scale, mean over scales.

    Light stays light and dark stays dark, whatever the contrast, the colors and the strokes.
    """
    distances = []
    x, y = luma(x), luma(y)
    for scale in scales:
        a, b = (F.avg_pool2d(lightness, scale).flatten(1) for lightness in (x, y))
        a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
        size = a.square().sum(1) * b.square().sum(1) + 1e-8 * a.shape[1] ** 2
        distances.append(1 - (a * b).sum(1) / size.sqrt())
    return torch.stack(distances).mean(0)


def grain_distance(x: Tensor, y: Tensor) -> Tensor:
    """Squared difference (B,) of the log energies in the finest bands (Haar) of images (B, 3, H, W).

    Halved logarithms, so of amplitudes; mean over the horizontal, the vertical and the diagonal band. Features of
    stride 2 do not see a pattern of period 2; this does.
    """
    ratio = torch.log((_bands(x) + 1e-5) / (_bands(y) + 1e-5)) / 2
    return ratio.square().mean(0)


def _bands(x: Tensor) -> Tensor:
    """Mean squares (3, B) of horizontal, vertical and diagonal differences; an odd last row or column is left out."""
    x = x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
    a, b, c, d = x[:, :, ::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2]
    bands = (a + b - c - d, a - b + c - d, a - b - c + d)
    return torch.stack([(band / 2).square().mean((1, 2, 3)) for band in bands])


def patch_distance(x: Tensor, y: Tensor, side: int = 7, slices: int = 64, stride: int = 2) -> Tensor:
    """Sliced Wasserstein-1 distance (B,) of the patches (side x side) of images (B, 3, H, W) of one size.

    Along fixed random directions of unit length, so that a training's gradient depends on its images alone. It
    compares strokes without asking where they are. Elnekave and Weiss 2022 ("Generating natural images with direct
    patch distributions matching").
    """
    random = torch.Generator().manual_seed(side)
    filters = torch.randn(slices, 3, side, side, generator=random)
    filters = (filters / filters.flatten(1).norm(dim=1)[:, None, None, None]).to(x)
    a, b = (F.conv2d(images, filters, stride=stride).flatten(2) for images in (x, y))
    return (ordered(a) - ordered(b)).abs().mean((1, 2))


def total_variation(images: Tensor) -> Tensor:
    """Sum of squared differences of neighbors, down and across (STTR's `loss_tv`)."""
    return images.diff(dim=2).square().sum() + images.diff(dim=3).square().sum()
