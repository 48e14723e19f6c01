"""The student at work on files: each content with each style, pictures of any size."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

from ..core.colors import luma
from ..core.errors import BadPicture, UserError
from ..core.files import write_bytes
from ..core.images import MAX_PIXELS, encode_png, open_rgb
from ..core.progress import Meter, announce
from ..core.runtime import pick_device
from ..core.tensors import from_uint8, to_uint8
from .architectures import Memory, parts
from .model import Student
from .stylize_jobs import FORMATS, Job

_SLOW_PIXELS = 2_000_000  # some minutes on one core
_QUALITY = 95  # of results in formats with loss

_KEPT = 1 << 29  # bytes of encoded styles that are kept
# The largest side that a format can tell; pictures in PNG are bounded by memory alone.
_SIDES = {"JPEG": 65_535, "WEBP": 16_383}
_NAME_BYTES = 255  # of a file, on every usual disk

T = TypeVar("T")


def load(model: str, device: str, revision: str = "main") -> Student:
    """The student of a folder or of a hub id's revision, on a device (`auto`, `cpu`, `cuda:1`). Raises UserError."""
    student = Student.from_pretrained(model, revision)
    try:
        return student.to(pick_device(device))
    except RuntimeError as error:
        raise UserError(f"device {device}: {str(error).splitlines()[0]:.100}. Use auto or cpu.") from error


def stylize_files(
    student: Student, jobs: Sequence[Job], size: int | None = None, strength: float = 1.0, preserve_color: bool = False
) -> int:
    """Write the picture of each job (jobs of one content stand together) and return how many could be made.

    size: the shorter side of contents and of styles is scaled to so many pixels first; None leaves both as they are.
    The result is as large as the content then is. strength: as in `Student.stylize`. preserve_color: see
    `with_colors_of`. Each style is encoded once. A picture that cannot be used is named and its jobs are left out; if
    there is one job only, that is raised as UserError.
    """
    memories: dict[Path, Memory | None] = {}
    kept = 0
    meter = Meter(unit="picture", total=len(jobs))

    def attempt(path: Path, work: Callable[[], T]) -> T | None:
        try:
            return _fitting(path, work)
        except UserError as error:
            if len(jobs) == 1:
                raise
            announce(f"left out: {error}")
            return None

    def draw(job: Job, content: Tensor, memory: Memory) -> bool:
        _check_limits(job.out, content)
        made = student.stylize(content, memory, strength).cpu()
        _write(with_colors_of(content, made) if preserve_color else made, job.out)
        return True

    for path, jobs_of_content in groupby(jobs, key=lambda job: job.content):
        content = attempt(path, lambda path=path: _read(path, size))
        if content is None:
            continue
        _warn_of_time(path, content, student)
        for job in jobs_of_content:
            if job.style in memories:
                memory = memories[job.style]
            else:
                memory = attempt(job.style, lambda job=job: student.encode_style(_read(job.style, size)))
                kept += 0 if memory is None else sum(part.nbytes for part in parts(memory).values())
                if kept < _KEPT:  # of many styles the rest are encoded anew for each content: memory stays flat
                    memories[job.style] = memory
            if memory is None:
                continue
            if attempt(path, lambda j=job, c=content, m=memory: draw(j, c, m)):
                meter.advance()
    return meter.done


def with_colors_of(content: Tensor, stylized: Tensor) -> Tensor:
    """The luminance of `stylized` with the colours of `content`, both (N, 3, H, W) in [0, 1].

    Y comes from the stylized picture, I and Q of YIQ from the content: the luminance-only transfer of Gatys et al.,
    "Preserving Color in Neural Artistic Style Transfer" (2016, arXiv:1606.05897), applied to the finished picture. Y
    enters R, G and B alike, so they all get the difference of both luminances. Clamped to [0, 1], which shifts colours
    that RGB does not have.
    """
    return (content + luma(stylized - content)[:, None]).clamp(0, 1)


# --- one picture --------------------------------------------------------------------------------------------------


def _read(path: Path, size: int | None) -> Tensor:
    """A picture as (1, 3, H, W) in [0, 1], its shorter side scaled to `size` by Lanczos. Raises BadPicture."""
    image = open_rgb(path)
    if size:
        factor = size / min(image.size)
        width, height = (max(size, round(side * factor)) for side in image.size)
        if width * height > MAX_PIXELS:
            raise BadPicture(f"{path}: {width} x {height} at this size is over {MAX_PIXELS:,} pixels")
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return from_uint8(np.asarray(image))


def _check_limits(path: Path, content: Tensor) -> None:
    """What a file cannot hold is known before anything is computed. Raises UserError."""
    kind, (height, width) = FORMATS[path.suffix.lower()], content.shape[2:]
    if max(height, width) > _SIDES.get(kind, max(height, width)):
        raise UserError(f"{path}: {width} x {height} pixels, and {kind} has at most {_SIDES[kind]:,} a side. Use .png.")
    if len(os.fsencode(path.name)) > _NAME_BYTES:
        raise UserError(f"{path.name[:60]}...: this name is too long for a file. Give its pictures shorter names.")


def _write(picture: Tensor, path: Path) -> None:
    """Write (1, 3, H, W) in [0, 1] in the format of the file's suffix, at once or not at all."""
    (pixels,) = to_uint8(picture)
    kind = FORMATS[path.suffix.lower()]
    if kind == "PNG":
        write_bytes(path, encode_png(pixels))
        return
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, quality=_QUALITY)
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


def _warn_of_time(path: Path, content: Tensor, student: Student) -> None:
    height, width = content.shape[2:]
    if student.device.type == "cpu" and not student.network.linear and height * width > _SLOW_PIXELS:
        announce(f"{path}: {width} x {height} pixels take minutes on a CPU (four times as many, 16 times as long)")
