"""What models cost, each measured in a process of its own.

No torch in this one: it would be loaded a second time, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from .. import config
from ..core.provenance import peak_memory_mb

COLUMNS = ("model", "parameters", "megabytes", "seconds", "seconds_iqr", "peak_memory_mb", "device")


@dataclass(frozen=True)
class Measurement:
    """Stylize one content with one style, both cropped to `size` x `size` pixels, `repeats` times on `device`.

    outside: the sections of stylizers from outside, by name.
    """

    content: Path
    style: Path
    size: int
    repeats: int
    device: str
    teacher: config.Teacher
    outside: Mapping[str, config.Stylizer] = field(default_factory=dict)


def measure_each(models: dict[str, Path | None], wanted: Measurement) -> Iterator[tuple[dict[str, str | float], float]]:
    """For each model one row of COLUMNS (`cost.measure`), and the peak resident memory of its process in MB.

    models: names, and the folders of the students' weights. No model finds memory that another one left.
    """
    # Forked from a process that has loaded libraries and nothing else, once for all models. (It finds installed
    # packages only: a script's folder is no part of its path.)
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch", "pandas"])
    for name, weights in models.items():
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            yield pool.submit(_measure, name, weights, wanted).result()


def _measure(name: str, weights: Path | None, wanted: Measurement) -> tuple[dict[str, str | float], float]:
    from ..core.runtime import pick_device
    from .benchmark_model import measure
    from .stylizers import Wanted

    model = Wanted(name, pick_device(wanted.device), weights, wanted.teacher, outside=wanted.outside.get(name))
    row = measure(model, wanted.content, wanted.style, wanted.size, wanted.repeats)
    return row, peak_memory_mb()
