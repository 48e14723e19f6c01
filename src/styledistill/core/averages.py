"""A moving average of weights, kept beside a training and used in their place at its end."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


@torch.no_grad()
def start_average(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the weights, by name: the average before the first step."""
    return {name: value.detach().clone() for name, value in weights.items()}


@torch.no_grad()
def follow(average: Mapping[str, Tensor], weights: Mapping[str, Tensor], decay: float) -> None:
    """Move the average, in place, to `decay` x itself + (1 - `decay`) x the weights of the same names."""
    torch._foreach_lerp_([average[name] for name in weights], list(weights.values()), 1 - decay)


@torch.no_grad()
def use_average(average: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Put the average in place of the weights of the same names."""
    for name, value in weights.items():
        value.copy_(average[name])
