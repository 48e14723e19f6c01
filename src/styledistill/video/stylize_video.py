"""A student at work on a video: every frame in one fixed style, held steady, in segments that a cut run keeps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from ..core.arrays import levels, planes
from ..core.fingerprint import fingerprint_modules
from ..core.progress import progress
from ..student.controls import Stylizing
from ..student.stylize_files import Styles, fitting, read_mask
from .blend import Steady
from .clip import frames
from .jobs import VideoJob
from .segments import SEGMENT, Segments, held_segments

# What draws, blends and encodes: finished segments of other code are not joined with these.
_CODE = [
    "styledistill.student.controls",
    *(f"styledistill.video.{name}" for name in ("blend", "flow", "encode", "formats")),
]


def stylize_video(student: Stylizing, job: VideoJob, mark: str) -> int:
    """Write the video of a job and return its frames. mark: what tells this student's weights from others.

    The styles are encoded once, so the style's code is the same in every frame. Run again after a kill, it goes on
    behind the last finished segment, and the result is the same. Raises UserError.
    """
    versions = {"av": av.__version__, "cv2": cv2.__version__, "code": fingerprint_modules(_CODE), "frames": SEGMENT}
    key = job.key({"student": mark, "engine": type(student).__name__, **versions})
    with held_segments(job.out, key, job.clip, job.format) as segments:
        drawn: list[np.ndarray] = []
        times: list[int] = []
        for time, image in _drawn(student, job, segments):
            drawn.append(image)
            times.append(time)
            if len(drawn) == SEGMENT:
                segments.add(drawn, times, job.written)
                drawn, times = [], []
        if drawn:
            segments.add(drawn, times, job.written)
        segments.finish(job.out)
        return len(segments.times)


def _drawn(student: Stylizing, job: VideoJob, segments: Segments) -> Iterator[tuple[int, np.ndarray]]:
    """Times and results, uint8 (H, W, 3), of the frames behind the finished segments."""
    finished = len(segments.times)
    draw = _Drawer(student, job)
    waiting = frames(job.clip)
    former = reduce(lambda _, frame: frame, (next(waiting) for _ in range(finished)), None)
    steady = Steady(None if former is None else draw.content(former[1]), segments.last) if job.steady else None
    for time, frame in progress(waiting, unit="frame", total=job.clip.frames - finished, label=job.out.name):
        content = draw.content(frame)
        image = fitting(job.clip.path, lambda content=content: draw.image(content))
        yield time, steady.blended(content, image, draw.styled) if steady else image


class _Drawer:
    """What all frames have in common: encoded styles, the mask, the size."""

    def __init__(self, student: Stylizing, job: VideoJob) -> None:
        options, styles = job.options, Styles(student, job.options)
        self._student, self._options, self._size = student, options, job.size
        self._memories = [fitting(path, lambda path=path: styles.encoded(path)) for path in job.styles]
        self._mask = read_mask(options.mask, options.size) if options.mask else None
        self._outside: Any = styles.encoded(options.outside) if options.outside else None
        # Outside of the mask the video stands as it is, and nothing of it is blended.
        self.styled = None if self._mask is None or options.outside else self._mask[0, 0]

    def content(self, frame: np.ndarray) -> np.ndarray:
        """A frame at the size of the result."""
        if frame.shape[1::-1] == self._size:
            return frame
        return np.asarray(Image.fromarray(frame).resize(self._size, Image.Resampling.LANCZOS))

    def image(self, content: np.ndarray) -> np.ndarray:
        """A content, uint8 (H, W, 3), as it is drawn."""
        made = self._student.stylize(
            planes(content),
            self._memories,
            self._options.strength,
            weights=self._options.weights,
            working_size=self._options.working_size,
            preserve_color=self._options.preserve_color,
            mask=self._mask,
            outside=self._outside,
        )
        return levels(self._student.as_array(made))
