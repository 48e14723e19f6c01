"""Frechet distances between Inception activations of two sets of images (FID, Heusel et al. 2017), and ArtFID."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


@torch.no_grad()
def activations(images: Tensor, inception: nn.Module) -> np.ndarray:
    """Activations, float64 (N, 64 + 2048), of images (N, 3, H, W) in [0, 1]: of the first block, then of pool3.

    The network is pytorch-fid's InceptionV3, which resizes to 299 x 299 (bilinear) and normalizes by itself. The means
    of its first block are the features of pytorch-fid's `--dims 64`: a covariance of 64 dimensions has 2,080 numbers in
    place of 2,098,176, so that fewer images settle it.
    """
    return inception(images).double().cpu().numpy()


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float | None:
    """|m_x - m_y|^2 + tr S_x + tr S_y - 2 tr (S_x S_y)^(1/2) of activations (N, D) and (M, D); None below two samples.

    The same number as pytorch-fid's `calculate_frechet_distance` on `np.mean` and `np.cov` (divisor N - 1). The last
    trace is the nuclear norm of A B^T, where S_x = A^T A and S_y = B^T B: exact also for fewer samples than dimensions,
    where the matrix root of the D x D product is singular, and quicker by orders (16 s against 1 ms at 42 x 2048).
    """
    if min(len(x), len(y)) < 2:
        return None
    shift = x.mean(0) - y.mean(0)
    a, b = _root(x), _root(y)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    distance = shift @ shift + np.square(a).sum() + np.square(b).sum() - 2 * cross
    return max(0.0, float(distance))  # rounding can leave equal sets a little below zero


def _root(x: np.ndarray) -> np.ndarray:
    """A with A^T A = cov(x), of min(N, D) rows."""
    centered = (np.asarray(x, dtype=np.float64) - x.mean(0)) / np.sqrt(len(x) - 1)
    return np.linalg.qr(centered, mode="r") if len(centered) > centered.shape[1] else centered


def artfid(lpips: float, fid: float | None) -> float | None:
    """(1 + mean LPIPS to the content) (1 + FID to the styles); Wright and Ommer 2022, equation 1."""
    return None if fid is None else (1 + lpips) * (1 + fid)
