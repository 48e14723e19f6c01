"""Distillation: the student learns the teacher's pictures from pairs, by a weighted sum of named terms.

Every loss starts from the same weights and sees the same pairs in the same order (DESIGN: the recipe that all losses
share). The tail's batch norm uses stored statistics and dropout is off, so the split of a batch changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..config import Distill
from ..core.errors import UserError
from ..core.progress import Meter
from ..shards.read import PairDataset
from .train import Row, Signals, StateFile, cpu_copy, parameter_groups, pieces, share_of, update, watch_signals

MATCHING_PAIRS = 64  # pairs that the Gram term's constant is measured on
FLOOR = 0.01  # part of the first rate below which it does not fall


def epoch_order(seed: int, epoch: int, count: int) -> list[int]:
    """The order of `count` pairs in an epoch: the same for every loss."""
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


def mirrored(seed: int, epoch: int, number: int) -> bool:
    """Whether a pair is mirrored in an epoch: content, style and target together."""
    return bool(np.random.default_rng([seed, epoch, number]).integers(2))
