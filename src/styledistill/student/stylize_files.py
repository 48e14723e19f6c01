"""The student at work on files: each content in each style, images of any size, on any engine. No torch here."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from ..core.arrays import levels, planes
from ..core.errors import BadImage, UserError
from ..core.files import write_bytes
from ..core.images import MAX_PIXELS, encode_png, open_rgb, open_with_alpha
from ..core.progress import Meter, announce
from .controls import Stylizing
from .stylize_jobs import FORMATS, Job, Options, scaled

_QUALITY = 95  # of results in formats with loss
_KEPT = 1 << 29  # bytes of encoded styles that are kept
_NAME_BYTES = 255  # of a file, on every usual disk

T = TypeVar("T")


def stylize_files(student: Stylizing, jobs: Sequence[Job], options: Options | None = None) -> int:
    """Write the image of each job (jobs of one content stand together) and return how many could be made.

    The result is as large as the content, scaled if `options` says so, and as transparent. Each style is encoded once.
    An image that cannot be used is named and its jobs are left out; if there is one job only, that is raised as
    UserError.
    """
    options = options or Options()
    styles = _Styles(student, options)
    meter = Meter(unit="image", total=len(jobs))

    def attempt(path: Path, work: Callable[[], T]) -> T | None:
        try:
            return _fitting(path, work)
        except UserError as error:
            if len(jobs) == 1:
                raise
            announce(f"left out: {error}")
            return None

    mask = _fitting(options.mask, lambda: _mask(options.mask, options.size)) if options.mask else None
    outside = _fitting(options.outside, lambda: styles.encoded(options.outside)) if options.outside else None

    def draw(job: Job, content: np.ndarray, alpha: np.ndarray | None, memories: list[Any]) -> bool:
        made = student.stylize(
            content,
            memories,
            options.strength,
            weights=options.weights,
            working_size=options.working_size,
            preserve_color=options.preserve_color,
            mask=mask,
            outside=outside,
        )
        _write(student.as_array(made), alpha, job.out)
        return True

    for path, jobs_of_content in groupby(jobs, key=lambda job: job.content):
        read = attempt(path, lambda path=path: _read(path, options.size))
        if read is None:
            continue
        for job in jobs_of_content:
            if attempt(job.out, lambda job=job: _check_name(job.out)) is None:
                continue
            memories = [styles.of(style, attempt) for style in job.styles]
            if any(memory is None for memory in memories):
                continue
            if attempt(path, lambda j=job, r=read, m=memories: draw(j, *r, m)):
                meter.advance()
    return meter.done


class _Styles:
    """What styles left, encoded once; of very many the rest anew for each content, so that memory stays flat."""

    def __init__(self, student: Stylizing, options: Options) -> None:
        self._student, self._style_size = student, options.style_size
        self._size = None if options.style_size else options.size
        self._memories: dict[Path, Any] = {}
        self._kept = 0

    def of(self, path: Path, attempt: Callable[[Path, Callable[[], Any]], Any]) -> Any:
        """What a style left; None where it cannot be used, which is told once."""
        if path in self._memories:
            return self._memories[path]
        memory = attempt(path, lambda: self.encoded(path))
        self._kept += 0 if memory is None else self._student.nbytes(memory)
        if self._kept < _KEPT:
            self._memories[path] = memory
        return memory

    def encoded(self, path: Path) -> Any:
        """What a style leaves. Raises UserError."""
        style = planes(np.asarray(_scaled(path, open_rgb(path), self._size)))
        return self._student.encode_style(style, self._style_size)


# --- one image ----------------------------------------------------------------------------------------------------


def _read(path: Path, size: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """A content as (1, 3, H, W), and its opacity (1, 1, H, W) or None, in [0, 1]. Raises BadImage."""
    image, alpha = open_with_alpha(path)
    opacity = None if alpha is None else planes(np.asarray(_scaled(path, alpha, size))[:, :, None])
    return planes(np.asarray(_scaled(path, image, size))), opacity


def _mask(path: Path, size: int | None) -> np.ndarray:
    """A mask as (1, 1, H, W) in [0, 1]: its light and dark."""
    return planes(np.asarray(_scaled(path, open_rgb(path).convert("L"), size))[:, :, None])


def _scaled(path: Path, image: Image.Image, size: int | None) -> Image.Image:
    """An image with its shorter side at `size` by Lanczos; None leaves it."""
    if not size:
        return image
    width, height = scaled(image.size, size)
    if width * height > MAX_PIXELS:
        raise BadImage(f"{path}: {width} x {height} at this size is over {MAX_PIXELS:,} pixels")
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _check_name(path: Path) -> bool:
    """What a disk cannot name is known before anything is computed. Raises UserError."""
    if len(os.fsencode(path.name)) > _NAME_BYTES:
        raise UserError(f"{path.name[:60]}...: this name is too long for a file. Give its images shorter names.")
    return True


def _write(image: np.ndarray, alpha: np.ndarray | None, path: Path) -> None:
    """Write (1, 3, H, W) in [0, 1] in the format of the file's suffix, at once or not at all.

    alpha: (1, 1, H, W), kept where the format has it; otherwise the image is laid on white.
    """
    kind = FORMATS[path.suffix.lower()]
    if alpha is not None and kind == "JPEG":
        image, alpha = alpha * image + (1 - alpha), None
    pixels = levels(image)
    if alpha is None and kind == "PNG":
        write_bytes(path, encode_png(pixels))
        return
    made = Image.fromarray(pixels if alpha is None else np.dstack([pixels, levels(alpha)]))
    buffer = io.BytesIO()
    made.save(buffer, format=kind, **({} if kind == "PNG" else {"quality": _QUALITY}))
    write_bytes(path, buffer.getvalue())


def _fitting(path: Path, work: Callable[[], T]) -> T:
    """What `work` returns. Raises UserError where the memory of the device or the disk does not suffice."""
    try:
        return work()
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}") from error
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise UserError(f"{path}: too large for the memory of this device. Give a smaller size.") from error
