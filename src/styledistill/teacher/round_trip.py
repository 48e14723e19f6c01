"""Whether an inversion can be undone: how far an image comes back from its noise, measured with few forwards.

DDIM inversion is exact only for infinitely many steps: each step back asks the network elsewhere than the step forth
did. To sample every image back in full would take as many forwards as the inversion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from . import ddim
from .pair_cache import PairStore

# One forward for so many steps.
STRIDE = 10
LEAST = 2


def sampled_back(
    noise: Tensor,
    outputs: Sequence[Tensor],
    steps: Sequence[ddim.Step],
    prediction: str,
    ask: Callable[[Tensor, int], Tensor],
) -> tuple[Tensor, Tensor]:
    """The latents and clean latents (N, C, h, w) at the end of `steps`, sampled from `noise` with few forwards.

    outputs: for each of the steps what the network said at its timestep during the inversion. The steps are cut into
    groups. In the middle of each the network is asked, and what its answer differs from the inversion's is taken to
    hold for the whole group. ask(latents, timestep): the network. With as many groups as steps it is exact.
    """
    latents = clean = noise
    differs: Tensor | float = 0.0
    for first, last in groups(len(steps)):
        middle, way = (first + last) // 2, latents
        for k in range(first, middle):
            way, _ = ddim.advance(way, outputs[k] + differs, steps[k], prediction)
        differs = ask(way, steps[middle].timestep) - outputs[middle]
        for k in range(first, last):
            latents, clean = ddim.advance(latents, outputs[k] + differs, steps[k], prediction)
    return latents, clean


def groups(steps: int) -> list[tuple[int, int]]:
    """`steps` cut into parts of about STRIDE, at least LEAST of them: first and one behind the last."""
    count = min(steps, max(LEAST, steps // STRIDE))
    ends = [round(part * steps / count) for part in range(count + 1)]
    return list(pairwise(ends))


class RoundTrips:
    """Round-trip errors of images, by their bytes; with a store they outlive the job, as its pairs do."""

    def __init__(self, store: PairStore | None = None) -> None:
        self._store = store
        self._known: dict[bytes, float] = {}

    def put(self, images: np.ndarray, errors: Tensor) -> None:
        """Keep the errors (N,) of images, uint8 (N, H, W, 3)."""
        for image, error in zip(images, errors.tolist(), strict=True):
            self._known[image.tobytes()] = error
            if self._store is not None:
                self._store.put_round_trip(image, error)

    def of(self, image: np.ndarray) -> float:
        """The error of an image, uint8 (H, W, 3); not a number where its pairs were finished unmeasured."""
        known = self._known.get(image.tobytes())
        if known is None and self._store is not None:
            known = self._store.round_trip(image)
        return math.nan if known is None else known
