"""What a model costs: parameters, megabytes, and seconds and memory for one image."""

from __future__ import annotations

import ctypes
import gc
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.images import open_rgb, square_crop
from ..core.runtime import use_threads
from ..core.tensors import from_uint8
from .stylizers import Stylizer, Wanted, load_stylizer, networks_of, size_of

_SMALL = 64  # pixels; Stable Diffusion takes no smaller images


@torch.no_grad()
def measure(wanted: Wanted, content: Path, style: Path, size: int, repeats: int) -> dict[str, str | float]:
    """One row of `alone.COLUMNS` for one model and one pair of images, cropped to `size` x `size`.

    megabytes (10**6 bytes): parameters and buffers as loaded. seconds: median of `repeats` after one warm-up, with the
    interquartile range, inputs on the device. peak_memory_mb: the most that an image took above the process with the
    model loaded (weights not counted): resident memory on a CPU, allocated memory on a GPU.
    """
    threads = use_threads()
    stylizer = load_stylizer(wanted)
    images = [_image(file, size).to(wanted.device) for file in (content, style)]
    # Else code that is loaded late counts. What is not made of networks of ours may take images of one size only.
    small = slice(_SMALL) if networks_of(stylizer) else slice(None)
    stylizer.stylize(*(image[..., small, small] for image in images))
    peak = _peak_memory_mb(stylizer, images, wanted.device)
    times = [_seconds(stylizer, images, wanted.device) for _ in range(repeats)]
    parameters, megabytes = size_of(stylizer)
    return {
        "model": wanted.name,
        "parameters": parameters,
        "megabytes": megabytes,
        "seconds": statistics.median(times),
        "seconds_iqr": _iqr(times),
        "peak_memory_mb": peak,
        "device": _name(wanted.device, threads),
    }


def _image(file: Path, size: int) -> Tensor:
    return from_uint8(np.array(square_crop(open_rgb(file), size)))


def _seconds(stylizer: Stylizer, images: list[Tensor], device: torch.device) -> float:
    start = time.perf_counter()
    stylizer.stylize(*images)
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _iqr(times: list[float]) -> float:
    if len(times) < 2:
        return 0.0
    low, _, high = statistics.quantiles(times, n=4, method="inclusive")
    return high - low


def _peak_memory_mb(stylizer: Stylizer, images: list[Tensor], device: torch.device) -> float:
    gc.collect()
    if device.type == "cuda":
        _wait(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        stylizer.stylize(*images)
        _wait(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    before = _forget_peak()
    stylizer.stylize(*images)
    return max(_peak() - before, 0.0)


def _forget_peak() -> float:
    """Let the kernel's peak start anew at the present resident memory, which is returned in MB.

    Where it cannot be reset (other systems than Linux), the peak so far is returned: then only what exceeds the
    loading of the model is seen.
    """
    try:
        # Memory that loading freed but the C library kept would be used again and not be seen.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return _peak()
    return _status("VmRSS")


def _peak() -> float:
    if sys.platform == "linux":
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def _status(field: str) -> float:
    """A field of /proc/self/status in MB; the kernel counts in units of 1024 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024 / 1e6


def _name(device: torch.device, threads: int) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {threads} threads"
