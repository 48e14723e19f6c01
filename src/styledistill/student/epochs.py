"""An epoch of a distillation: the order of its pairs, how each is shown, and at which gamma."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def epoch_order(seed: int, epoch: int, count: int) -> list[int]:
    """The order of `count` pairs in an epoch: the same for every loss."""
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


def mirrored(pairs: Tensor, numbers: list[int], seed: int, epoch: int) -> Tensor:
    """Pairs (N, 3, 3, H, W) with a random half of them mirrored, as `seed`, `epoch` and each pair's number say."""
    flips = [bool(np.random.default_rng([seed, epoch, number]).integers(2)) for number in numbers]
    return torch.where(torch.tensor(flips)[:, None, None, None, None], pairs.flip(-1), pairs)


def with_identities(pairs: Tensor, numbers: list[int], share: float, seed: int, epoch: int) -> Tensor:
    """Pairs (N, 3, 3, H, W), of which a random share have their style image as content and as target too.

    `seed`, `epoch` and each pair's number say which: a painting in its own style is to stay as it is.
    """
    drawn = [bool(np.random.default_rng([seed, epoch, number, 2]).random() < share) for number in numbers]
    return torch.where(torch.tensor(drawn)[:, None, None, None, None], pairs[:, 1:2], pairs)


def drawn_gammas(numbers: list[int], count: int, seed: int, epoch: int) -> list[int]:
    """Which of a teacher's `count` gammas the pairs are taught at, as `seed`, `epoch` and each pair's number say."""
    if count < 2:
        return [0] * len(numbers)
    return [int(np.random.default_rng([seed, epoch, number, 1]).integers(count)) for number in numbers]
