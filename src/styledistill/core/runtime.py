"""Where and how a job computes: device, seeds, threads."""

from __future__ import annotations

import os
import random

import numpy as np
import torch

from .errors import UserError


def pick_device(name: str) -> torch.device:
    """`auto` (CUDA where there is one, else CPU), `cpu`, `cuda` or `cuda:N`. Resolved inside the job, never before."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device: {name} was asked for, but no CUDA device is visible here. Use auto or cpu.")
    return device


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and ask cuDNN for repeatable kernels."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def use_threads(count: int | None = None) -> int:
    """Let torch use `count` threads, or as many as Snakemake granted (OMP_NUM_THREADS), or all cores. Returns it."""
    count = count or int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count() or 1
    torch.set_num_threads(count)
    return count
