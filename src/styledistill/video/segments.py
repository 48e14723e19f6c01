"""Finished segments of a video beside it, so that a run that was cut goes on; one process at a time.

In `<video>.parts/`: `job.json` says of what; `<number>.nut` holds frames and `<number>.png` the last of them as it was
before it was encoded, for the next is blended with it; `<number>.json` their times. The last is written last: a segment
that has it is whole. Once all are there they are joined, put in place at once, and the folder goes.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import UserError
from ..core.files import make_folder, read_json, write_json
from ..core.images import load_array, save_png
from ..core.progress import announce
from .clip import Clip
from .encode import join, write_segment
from .formats import Format

SEGMENT = 48  # frames: what a kill can cost


class Segments:
    """The folder of a video's segments, which this process holds alone."""

    def __init__(self, folder: Path, job: Mapping[str, Any], clip: Clip, form: Format) -> None:
        """job: what decides the result, as JSON. Segments of another job are removed."""
        self._folder, self._clip, self._form = folder, clip, form
        self.times: list[int] = []
        self._count = 0
        self.last: np.ndarray | None = None  # the last finished frame, uint8 (H, W, 3)
        known = folder / "job.json"
        if known.is_file() and _json(known) == dict(job):
            self._find()
        elif any(folder.glob("*.nut")):
            announce(f"{folder}: segments of another video, style or option; starts over")
        if not self._count:
            for path in [*folder.glob("[0-9]*"), *folder.glob(".*.part"), *folder.glob("whole.*")]:
                path.unlink()
            write_json(known, job)

    def _find(self) -> None:
        while times := _json(self._path("json")):
            self.times += times
            self._count += 1
        if self._count:
            try:
                self.last = load_array(self._path("png", self._count - 1))
            except UserError:  # of a disk that lost it
                self.times, self._count = [], 0

    def add(self, frames: Sequence[np.ndarray], times: Sequence[int], even: tuple[int, int]) -> None:
        """Keep drawn frames, uint8 (H, W, 3), as the next segment; whole or not at all."""
        write_segment(self._path("nut"), frames, times, self._clip, self._form, even)
        save_png(frames[-1], self._path("png"))
        write_json(self._path("json"), list(times))
        if self._count:
            self._path("png", self._count - 1).unlink(missing_ok=True)
        self.times += times
        self._count += 1

    def finish(self, out: Path) -> None:
        """Join all segments and put the video in its place."""
        whole = self._folder / f"whole{out.suffix}"
        join(whole, [self._path("nut", number) for number in range(self._count)], self.times, self._clip, self._form)
        whole.replace(out)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, suffix: str, number: int | None = None) -> Path:
        return self._folder / f"{self._count if number is None else number:06d}.{suffix}"


def parts_folder(out: Path) -> Path:
    """Where the finished segments of a video lie until it is whole."""
    return out.with_name(f"{out.name}.parts")


@contextmanager
def held_segments(out: Path, job: Mapping[str, Any], clip: Clip, form: Format) -> Iterator[Segments]:
    """The segments beside a video. Raises UserError while another process has them."""
    folder = parts_folder(out)
    make_folder(folder)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"{out}: another process draws this video. Wait for it, or give another name.") from error
        segments = Segments(folder, job, clip, form)
        try:
            yield segments
        finally:
            if not segments.times:  # of a mistake nothing stays
                shutil.rmtree(folder, ignore_errors=True)


def _json(path: Path) -> Any:
    """What a file says; None where it is not there or says nothing."""
    with suppress(OSError, ValueError):
        return read_json(path)
    return None
