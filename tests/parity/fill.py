"""The rule by which the reference programs' weights and images were filled (fixtures/fill_rule.json)."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def unit(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers of mean 0 and variance 1 that depend on `key` only; raw bits, so equal on every platform."""
    raw = np.random.Philox(zlib.crc32(key.encode())).random_raw(math.prod(shape))
    return (((raw >> np.uint64(11)) * 2.0**-53 * 2 - 1) * math.sqrt(3)).reshape(shape)


def filled(key: str, shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
    """The values of one entry of a state dict."""
    name = key.rsplit(".", 1)[-1]
    if name == "num_batches_tracked":
        return torch.zeros((), dtype=torch.int64)
    z = unit(key, shape)
    if name == "running_mean":
        values = 0.02 * z
    elif name == "running_var":
        values = 1 + 0.2 * np.abs(z)
    elif len(shape) >= 2:
        values = gain * z / math.sqrt(math.prod(shape[1:]))
    elif name == "weight":
        values = 1 + 0.02 * z
    else:
        values = 0.02 * z
    return torch.from_numpy(values.astype(np.float32))


def fill(module: torch.nn.Module, gain: float = 1.0, prefix: str = "") -> torch.nn.Module:
    """Fill a module's whole state; `prefix` stands before its keys in the rule."""
    state = {key: filled(prefix + key, tuple(value.shape), gain) for key, value in module.state_dict().items()}
    module.load_state_dict(state)
    return module


def seeded_image(key: str, height: int, width: int, count: int = 1) -> Tensor:
    """Images (count, 3, height, width) in [0, 1]: coarse tiles of 8 x 8 and fine noise."""
    coarse = unit(f"{key}/coarse", (count, 3, -(-height // 8), -(-width // 8)))
    coarse = coarse.repeat(8, axis=2).repeat(8, axis=3)[:, :, :height, :width]
    fine = unit(f"{key}/fine", (count, 3, height, width))
    return torch.from_numpy(np.clip(0.5 + 0.18 * coarse + 0.08 * fine, 0, 1).astype(np.float32))
