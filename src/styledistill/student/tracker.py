"""A training's history and images in TensorBoard, Trackio or Weights & Biases, by accelerate's trackers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker

from .training import Row

PROJECT = "styledistill"
FOLDER = "tracker"  # in a student's folder


class Tracker:
    """Shows rows of the history, and images of validation pairs, by their epoch.

    It starts with the first row: accelerate's trackers ask which process they are in, which a training settles.
    """

    def __init__(self, kind: Literal["tensorboard", "trackio", "wandb"], folder: Path, name: str) -> None:
        """folder: for its files. name: of the run, where runs of a project have names."""
        self._kind, self._folder, self._name = kind, folder, name
        self._tracker: GeneralTracker | None = None

    def row(self, row: Row) -> None:
        """Show a row of the history."""
        self._started.log(row, step=int(row["epoch"]))

    def images(self, epoch: int, grid: np.ndarray) -> None:
        """Show an image, uint8 (H, W, 3), of validation pairs."""
        tracker = self._started
        if self._kind == "trackio":  # the one that accelerate shows no images in
            import trackio

            tracker.log({"validation": trackio.Image(grid)}, step=epoch)
        else:
            formats = {"dataformats": "NHWC"} if self._kind == "tensorboard" else {}
            tracker.log_images({"validation": grid[None]}, step=epoch, **formats)

    def finish(self) -> None:
        """Write what is still held."""
        if self._tracker:
            self._tracker.finish()

    @property
    def _started(self) -> GeneralTracker:
        if self._tracker is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._tracker = LOGGER_TYPE_TO_CLASS[self._kind](**self._arguments())
            self._tracker.start()
        return self._tracker

    def _arguments(self) -> dict[str, Any]:
        if self._kind == "tensorboard":
            return {"run_name": self._folder.name, "logging_dir": self._folder.parent}
        if self._kind == "trackio":
            os.environ.setdefault("TRACKIO_DIR", str(self._folder.absolute()))  # read when it is imported
            return {"run_name": PROJECT, "name": self._name, "embed": False}
        os.environ.setdefault("WANDB_MODE", "offline")
        return {"run_name": PROJECT, "name": self._name, "dir": str(self._folder), "settings": {"console": "off"}}


@contextmanager
def tracked(kind: str, student: Path) -> Iterator[Tracker | None]:
    """The tracker of a student's training, with its files in `student/tracker`; None for `none`.

    What an earlier try left there is removed: a training that goes on tells all its rows again.
    """
    folder = student / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    tracker = None if kind == "none" else Tracker(kind, folder, "-".join(student.absolute().parts[-3::2]))
    try:
        yield tracker
    finally:
        if tracker:
            tracker.finish()
