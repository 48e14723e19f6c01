"""How sure a mean over pairs is."""

from __future__ import annotations

import numpy as np
import pandas as pd

RESAMPLES = 2000
FEWEST = 5  # contents and styles; fewer draws than that say nothing about an interval


class Resampling:
    """95 % intervals of means over pairs that share contents and styles.

    Pairs of one content are alike, and so are pairs of one style; a bootstrap that draws pairs as if each were a find
    of its own makes intervals too narrow. So contents and styles are drawn, each with replacement and independently,
    and a pair counts as often as its content times its style was drawn (Owen, "The pigeonhole bootstrap", 2007). The
    same draws serve every model, so that models and their differences compare.
    """

    def __init__(self, pairs: pd.DataFrame, seed: int, resamples: int = RESAMPLES) -> None:
        """pairs: a row per pair, with the columns `content` and `style`."""
        random = np.random.default_rng(seed)
        weights = np.ones((resamples, len(pairs)))
        for side in ("content", "style"):
            places, names = pd.factorize(pairs[side])
            weights *= random.multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)[:, places]
        drawn = weights.sum(1)
        self._weights = weights[drawn > 0] / drawn[drawn > 0, None]

    def interval(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Low and high end for the mean of each column of `values` (pairs, measures), in the order of the pairs."""
        finite = np.isfinite(values)
        means = self._weights @ np.where(finite, values, 0)
        means[self._weights @ ~finite > 0] = np.inf  # the PSNR of equal images, where such a pair was drawn
        return np.quantile(means, 0.025, axis=0, method="nearest"), np.quantile(means, 0.975, axis=0, method="nearest")
