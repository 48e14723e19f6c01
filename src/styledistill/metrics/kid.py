"""KID: the squared maximum mean discrepancy between Inception activations of two sets (Bińkowski et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ROWS = 1024  # of a kernel at a time: 64 MB of float64 for 8,000 images


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x . y / D + 1)^3, (N, M), of activations (N, D) and (M, D)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kid(x: np.ndarray, y: np.ndarray, contents: Sequence[str], styles: Sequence[str]) -> float | None:
    """KID of stylized images and of their style images, activations (N, D) each, row by row of one pair.

    contents, styles: the names of both for each row. The unbiased estimator wants images that were drawn independently.
    Stylized images of one content or of one style are alike, and a style stands in y as often as it was used, so only
    two rows that share neither are compared: the mean of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(y_i, x_j) over
    these is unbiased where contents and styles are drawn independently, and 0 where each image is its style. Without
    repeated names it is torch-fidelity's `mmd2` with the estimator `u-statistic`. It may be negative. None where no two
    rows can be compared.
    """
    content, style = (np.unique(names, return_inverse=True)[1] for names in (contents, styles))
    x, y = (np.asarray(side, np.float64) for side in (x, y))
    total = count = 0.0
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        apart = (content[rows, None] != content) & (style[rows, None] != style)
        for one, other, sign in ((x, x, 1), (y, y, 1), (x, y, -1), (y, x, -1)):
            total += sign * polynomial_kernel(one[rows], other)[apart].sum()
        count += apart.sum()
    return float(total / count) if count else None
