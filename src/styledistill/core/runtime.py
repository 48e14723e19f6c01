"""Where and how a job computes: device, seeds, threads."""

from __future__ import annotations

import os
import random
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from .errors import UserError
from .threads import granted_threads


def pick_device(name: str) -> torch.device:
    """`auto` (CUDA where there is one, else CPU), `cpu`, `cuda` or `cuda:N`. Resolved inside the job, never before.

    Of several GPUs `auto` and `cuda` mean one that no other job of this machine has claimed, so that jobs side by side
    take one each; in a training of several processes every process has its own already. Raises UserError for a device
    that is none or is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"device {name}: no such device. Use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device: {name} was asked for, but no CUDA device is visible here. Use auto or cpu.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device: {name} is not here; CUDA devices have the numbers 0 to {torch.cuda.device_count() - 1}."
        )
    if name == "cuda" and torch.cuda.device_count() > 1 and "LOCAL_RANK" not in os.environ:
        gpus = [str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())]
        return torch.device("cuda", claim(gpus, own_folder()))
    return device


def own_folder() -> Path:
    """A folder for temporary files of this user alone, the same one for all jobs on a machine. Raises UserError.

    Its name is known to everybody, so another user may have made it first, or put a link there.
    """
    folder = Path(tempfile.gettempdir()) / f"styledistill-{os.getuid()}"
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        facts = folder.lstat()
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}). Set TMPDIR to a folder of yours.") from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise UserError(f"{folder}: not a folder that only you can write to. Remove it, or set TMPDIR to one of yours.")
    return folder


_claims: list[FileLock] = []  # a claim ends with its process, however that ends


def claim(gpus: Sequence[str], folder: Path) -> int:
    """Index of the first of `gpus` (names that all jobs of a machine know) that no living process holds; now ours.

    The first where all are held. folder: of the lock files, one for each GPU; nobody else can write there.
    """
    for index, gpu in enumerate(gpus):
        lock = FileLock(folder / f"{gpu}.lock", blocking=False)
        with suppress(Timeout):
            lock.acquire()
            _claims.append(lock)
            return index
    return 0


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and ask cuDNN for repeatable kernels."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def use_threads(count: int | None = None) -> int:
    """Let torch use `count` threads, or as many as Snakemake granted (OMP_NUM_THREADS), or all cores. Returns it."""
    count = count or granted_threads()
    torch.set_num_threads(count)
    return count
