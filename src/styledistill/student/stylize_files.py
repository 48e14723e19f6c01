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
from ..core.files import NAME_BYTES, write_bytes
from ..core.images import MAX_PIXELS, encode_png, open_rgb, open_with_alpha
from ..core.progress import Meter, announce
from ..sources.samples import Packed
from .controls import Stylizing
from .stylize_jobs import FORMATS, Job, Options, scaled

_QUALITY = 95  # of results in formats with loss
_KEPT = 1 << 29  # bytes of encoded styles that are kept

T = TypeVar("T")


def stylize_files(
    student: Stylizing, jobs: Sequence[Job], options: Options | None = None, left_out: list[str] | None = None
) -> int:
    """Write the image of each job (jobs of one content stand together) and return how many could be made.

    The result is as large as the content, scaled if `options` says so, and as transparent. Each style is encoded once.
    An image that cannot be used is named and its jobs are left out; if there is one job only, that is raised as
    UserError. left_out: takes the names of such images.
    """
    stylist = FileStylist(student, options)
    made = stylist.draw(jobs, meter=Meter(unit="image", total=len(jobs)), alone=len(jobs) == 1)
    if left_out is not None:
        left_out += stylist.left_out
    return made


class FileStylist:
    """A student and what holds for all its jobs; styles stay encoded from one call of `draw` to the next."""

    def __init__(self, student: Stylizing, options: Options | None = None) -> None:
        """Raises UserError for a mask, or a style outside of it, that cannot be used."""
        self._student, self._options = student, options or Options()
        self.left_out: list[str] = []  # names of files that could not be used, as they were met
        self._styles = Styles(student, self._options)
        mask, outside = self._options.mask, self._options.outside
        self._mask = fitting(mask, lambda: read_mask(mask, self._options.size)) if mask else None
        self._outside = fitting(outside, lambda: self._styles.encoded(outside)) if outside else None

    def draw(
        self,
        jobs: Sequence[Job],
        keep: Callable[[Job, bytes], None] | None = None,
        meter: Meter | None = None,
        alone: bool = False,
    ) -> int:
        """Hand each job's encoded image to `keep` (None writes the file `out`), in order; how many could be made.

        alone: raise what makes a job impossible, as UserError, and do not only name it.
        """
        keep, made = keep or (lambda job, data: write_bytes(job.out, data)), 0

        def attempt(place: Path | Packed, work: Callable[[], T]) -> T | None:
            try:
                return fitting(place, work)
            except UserError as error:
                if alone:
                    raise
                announce(f"left out: {error}")
                self.left_out.append(place.name)
                return None

        def finish(job: Job, content: np.ndarray, alpha: np.ndarray | None, memories: list[Any]) -> bool:
            keep(job, _encoded(self._drawn(content, memories), alpha, job.out))
            return True

        for place, jobs_of_content in groupby(jobs, key=lambda job: job.content):
            read = attempt(place, lambda place=place: _read(place, self._options.size))
            if read is None:
                continue
            for job in jobs_of_content:
                if attempt(job.out, lambda job=job: _check_name(job.out)) is None:
                    continue
                memories = [self._styles.of(style, attempt) for style in job.styles]
                if any(memory is None for memory in memories):
                    continue
                if attempt(place, lambda j=job, r=read, m=memories: finish(j, *r, m)):
                    made += 1
                    if meter:
                        meter.advance()
        return made

    def _drawn(self, content: np.ndarray, memories: list[Any]) -> np.ndarray:
        """(1, 3, H, W) in [0, 1]."""
        options = self._options
        made = self._student.stylize(
            content,
            memories,
            options.strength,
            weights=options.weights,
            working_size=options.working_size,
            preserve_color=options.preserve_color,
            mask=self._mask,
            outside=self._outside,
        )
        return self._student.as_array(made)


class Styles:
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
        if memory is None or self._kept < _KEPT:
            self._memories[path] = memory
        return memory

    def encoded(self, path: Path) -> Any:
        """What a style leaves. Raises UserError."""
        style = planes(np.asarray(_scaled(path, open_rgb(path), self._size)))
        return self._student.encode_style(style, self._style_size)


# --- one image ----------------------------------------------------------------------------------------------------


def _read(place: Path | Packed, size: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """A content as (1, 3, H, W), and its opacity (1, 1, H, W) or None, in [0, 1]. Raises BadImage."""
    image, alpha = open_with_alpha(place) if isinstance(place, Path) else _unpacked(place)
    opacity = None if alpha is None else planes(np.asarray(_scaled(place, alpha, size))[:, :, None])
    return planes(np.asarray(_scaled(place, image, size))), opacity


def _unpacked(member: Packed) -> tuple[Image.Image, Image.Image | None]:
    """As `open_with_alpha`, of a member of a tar."""
    try:
        return open_with_alpha(member.read(), str(member))
    except BadImage as error:
        raise BadImage(f"{member}: {error}") from error


def read_mask(path: Path, size: int | None) -> np.ndarray:
    """A mask as (1, 1, H, W) in [0, 1]: its light and dark."""
    return planes(np.asarray(_scaled(path, open_rgb(path).convert("L"), size))[:, :, None])


def _scaled(path: Path | Packed, image: Image.Image, size: int | None) -> Image.Image:
    """An image with its shorter side at `size` by Lanczos; None leaves it."""
    if not size:
        return image
    width, height = scaled(image.size, size)
    if width * height > MAX_PIXELS:
        raise BadImage(f"{path}: {width} x {height} at this size is over {MAX_PIXELS:,} pixels; give a smaller one")
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _check_name(path: Path) -> bool:
    """What a disk cannot name is known before anything is computed. Raises UserError."""
    if len(os.fsencode(path.name)) > NAME_BYTES:
        raise UserError(f"{path.name[:60]}...: this name is too long for a file. Give its images shorter names.")
    return True


def _encoded(image: np.ndarray, alpha: np.ndarray | None, path: Path) -> bytes:
    """(1, 3, H, W) in [0, 1] in the format of a file's suffix.

    alpha: (1, 1, H, W), kept where the format has it; otherwise the image is laid on white.
    """
    kind = FORMATS[path.suffix.lower()]
    if alpha is not None and kind == "JPEG":
        image, alpha = alpha * image + (1 - alpha), None
    pixels = levels(image)
    if alpha is None and kind == "PNG":
        return encode_png(pixels)
    made = Image.fromarray(pixels if alpha is None else np.dstack([pixels, levels(alpha)]))
    buffer = io.BytesIO()
    made.save(buffer, format=kind, **({} if kind == "PNG" else {"quality": _QUALITY}))
    return buffer.getvalue()


def fitting(path: Path | Packed, work: Callable[[], T]) -> T:
    """What `work` returns. Raises UserError where the memory of the device or the disk does not suffice."""
    try:
        return work()
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}") from error
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise UserError(f"{path}: too large for the memory of this device. Give a smaller size.") from error
