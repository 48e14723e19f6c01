"""The record of what a stage did, beside its outputs. No torch here: the data steps write records too."""

from __future__ import annotations

import os
import platform
import resource
import socket
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .files import write_json

_RECORDED = (
    *("torch", "torchvision", "diffusers", "transformers", "numpy", "pillow", "scikit-image"),
    *("lpips", "pytorch-fid", "webdataset"),
)
_PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MB (10**6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


@contextmanager
def run_record(path: Path | str, stage: str, settings: Any, seed: int | None = None) -> Iterator[dict[str, Any]]:
    """Write a JSON of what a stage did (settings, versions, seconds, device, memory) when the block ends well.

    The yielded dictionary takes further facts. Times and host facts live here only, so that results stay equal bytes.
    """
    facts: dict[str, Any] = {}
    start = time.time()
    yield facts
    write_json(
        path,
        {
            "stage": stage,
            "settings": settings,
            "seed": seed,
            "seconds": round(time.time() - start, 3),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start)),
            "host": socket.gethostname(),
            "device": facts.pop("device", "cpu"),
            "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "versions": _versions(),
            **facts,
        },
    )


def _versions() -> dict[str, str]:
    own = tomllib.loads(_PROJECT.read_text())["project"]
    found = {"python": platform.python_version(), own["name"]: own["version"]}
    for package in _RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a data container carries fewer packages
            continue
    return found
