"""What a video is drawn from and into, and what is refused before anything is computed."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from ..core.files import ADVICE, NAME_BYTES, sha256_file
from ..core.images import MAX_PIXELS, upright_size
from ..student.controls import shares
from ..student.stylize_jobs import Options, refuse_unwritable, scaled
from .clip import Clip, read_clip
from .encode import even_size
from .formats import FORMATS, Format
from .segments import parts_folder

_SIDE = 16_384  # of H.264 and VP9 in FFmpeg


@dataclass(frozen=True)
class VideoJob:
    """One video to make; `size` is that of its frames, width and height, and `written` the even one of the file."""

    clip: Clip
    styles: tuple[Path, ...]
    out: Path
    options: Options
    size: tuple[int, int]
    steady: bool = True

    @property
    def written(self) -> tuple[int, int]:
        """Width and height of the video."""
        return even_size(*self.size)

    @property
    def format(self) -> Format:
        """Of the result."""
        return FORMATS[self.out.suffix.lower()]

    def key(self, facts: dict[str, Any]) -> dict[str, Any]:
        """All that decides the result, as JSON; facts: of the student and the programs."""
        options = {
            name: sha256_file(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self.options).items()
        }
        styles = [sha256_file(style) for style in self.styles]
        video = sha256_file(self.clip.path)
        return {"video": video, "styles": styles, "options": options, "steady": self.steady, **facts}


def plan(video: Path, styles: Sequence[Path], out: Path, options: Options, steady: bool = True) -> VideoJob:
    """The job of a command line. Raises UserError for what would come to nothing.

    That is: an unknown format of the result, a result that is one of the inputs, images that are missing, weights that
    are no shares, a file without video or frames or a broken one, a mask of another size than its frames.
    """
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"{out}: no name of a video ({', '.join(FORMATS)}). Give one of them.")
    if len(os.fsencode(parts_folder(out).name)) > NAME_BYTES:
        raise UserError(f"{out}: {ADVICE[errno.ENAMETOOLONG]}")
    if out.is_dir():
        raise UserError(f"{out}: a folder stands where the video should be. Choose another name.")
    shares(options.weights, len(styles))
    if options.outside and not options.mask:
        raise UserError(f"{options.outside}: a style for what a mask leaves out needs --mask.")
    inputs = [video, *styles, *filter(None, (options.mask, options.outside))]
    for path in inputs:
        if not path.is_file():
            raise UserError(f"{path}: no such {'video' if path is video else 'image'}.")
        if out.exists() and out.samefile(path):
            raise UserError(f"{out}: is one of the files to work on. Choose another name.")
    refuse_unwritable(out.parent)
    for path in inputs[1:]:
        if upright_size(path) is None:
            raise UserError(f"{path}: cannot be read as an image. Give another one.")
    clip = read_clip(video)
    mask = upright_size(options.mask) if options.mask else None
    if mask and mask != (clip.width, clip.height):
        raise UserError(
            f"{options.mask}: a mask of {mask[0]} x {mask[1]} pixels, and the video has {clip.width} x {clip.height}. "
            "Give a mask of the video's size."
        )
    size = scaled((clip.width, clip.height), options.size)
    if max(size) > _SIDE or size[0] * size[1] > MAX_PIXELS:
        raise UserError(f"{out}: frames of {size[0]} x {size[1]} pixels; a side has at most {_SIDE:,}. Give --size.")
    return VideoJob(clip, tuple(styles), out, options, size, steady)
