"""KID: the squared maximum mean discrepancy between Inception activations of two sets (Bińkowski et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_ROWS = 1024  # of a kernel at a time: 64 MB of float64 for 8,000 images


class Kid(NamedTuple):
    """A KID and the ends of its 95 % interval; None where there are too few contents or styles."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x . y / D + 1)^3, (N, M), of activations (N, D) and (M, D)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kid(x: np.ndarray, y: np.ndarray, contents: Sequence[str], styles: Sequence[str]) -> Kid:
    """KID of stylized images and of their style images, activations (N, D) each, row by row of one pair.

    contents, styles: the names of both for each row. The unbiased estimator wants images that were drawn independently.
    Stylized images of one content or of one style are alike, and a style stands in y as often as it was used, so only
    two rows that share neither are compared: the mean of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(y_i, x_j) over
    these is unbiased where contents and styles are drawn independently, and 0 where each image is its style. Without
    repeated names it is torch-fidelity's `mmd2` with the estimator `u-statistic`. It may be negative. None below two
    contents or styles.

    The interval is 1.96 deviations of the jackknife (Arvesen 1969) to both sides, which leaves out one content after
    the other, and one style after the other; None where nothing is left to compare then.
    """
    content, style = (np.unique(names, return_inverse=True)[1] for names in (contents, styles))
    x, y = (np.asarray(side, np.float64) for side in (x, y))
    totals, counts = np.zeros(len(x)), np.zeros(len(x))  # of each row, over those that it is compared with
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        apart = (content[rows, None] != content) & (style[rows, None] != style)
        for one, other, sign in ((x, x, 1), (y, y, 1), (x, y, -1), (y, x, -1)):
            totals[rows] += sign * (polynomial_kernel(one[rows], other) * apart).sum(1)
        counts[rows] = apart.sum(1)
    if not counts.any():
        return Kid()
    value = float(totals.sum() / counts.sum())
    deviation = float(np.sqrt(sum(_variance(totals, counts, names) for names in (content, style))))
    if not np.isfinite(deviation):
        return Kid(value)
    return Kid(value, value - 1.96 * deviation, value + 1.96 * deviation)


def _variance(totals: np.ndarray, counts: np.ndarray, names: np.ndarray) -> float:
    """The jackknife's variance of sum(totals) / sum(counts) when rows of one name after the other are left out.

    Not a number where that leaves none.
    """
    # Rows of one name are compared with none of their own, so each takes its row and as much of its column away.
    kept = counts.sum() - 2 * np.bincount(names, counts)
    if not kept.all():
        return float("nan")
    left = (totals.sum() - 2 * np.bincount(names, totals)) / kept
    return (len(left) - 1) * float(left.var())
