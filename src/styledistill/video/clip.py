"""A video as a file: what it holds, and its frames upright in sRGB with their times, by PyAV (FFmpeg's libraries)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from ..core.errors import UserError
from ..core.images import MAX_PIXELS
from ..core.progress import announce
from ..core.threads import granted_threads

# What is read: containers of videos. FFmpeg also reads playlists, which name other files and servers, and draws text.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,m4v,mxf,nut,ivf,"
    "yuv4mpegpipe,dv,rm"
)
_UNSPECIFIED = 2  # of a color matrix
_HD_ROWS = 720  # from here on players take a video that names no matrix for BT.709, and below for BT.601
_HDR = {16: "PQ", 18: "HLG"}  # transfer functions by their number in the standard (H.273)


@dataclass(frozen=True)
class Clip:
    """What is known of a video before it is drawn. Sizes are those of upright frames."""

    path: Path
    width: int
    height: int
    frames: int  # packets of the stream; frames but for damaged ones
    rate: Fraction  # frames a second, on average
    time_base: Fraction  # the unit of times
    aspect: Fraction  # width of a pixel by its height
    start: Fraction  # seconds: where the file's own clock begins
    sounds: tuple[str, ...]  # codecs of its sound


def read_clip(path: Path) -> Clip:
    """The facts of a video; its packets are gone through, its first frame is decoded. Raises UserError."""
    with opened(path) as container:
        stream = _stream(container, path)
        found = 0
        try:
            found = sum(bool(packet.size) for packet in container.demux(stream))
        except av.error.FFmpegError as error:
            raise _broken(path, f"cannot be read beyond frame {found} ({error.strerror})") from error
        told = stream.frames
        if found < told:
            raise _broken(path, f"{found} of {told} frames are there")
    with opened(path) as container:
        stream = _stream(container, path)
        first = next(_decoded(container, stream, path), None)
        if first is None:
            raise UserError(f"{path}: a video without frames that can be read. Give another file.")
        if first.width * first.height > MAX_PIXELS:
            raise UserError(f"{path}: frames of {first.width} x {first.height} are over {MAX_PIXELS:,} pixels.")
        _tell(first, path)
        turn = _turn(first, path)
        aspect = Fraction(stream.codec_context.sample_aspect_ratio or 1) or Fraction(1)
        width, height = (first.height, first.width) if turn.swaps else (first.width, first.height)
        return Clip(
            path,
            width,
            height,
            found,
            Fraction(stream.average_rate or stream.guessed_rate or 25),
            Fraction(stream.time_base or Fraction(1, 90_000)),
            1 / aspect if turn.swaps else aspect,
            max(Fraction(0), Fraction(container.start_time or 0, av.time_base)),
            tuple(sound.codec_context.name for sound in container.streams.audio),
        )


def frames(clip: Clip) -> Iterator[tuple[int, np.ndarray]]:
    """Times in the clip's unit, strictly rising from about 0, and frames, uint8 (height, width, 3). Raises UserError.

    What is damaged is left out and told; a time that is missing or does not rise is put behind the one before.
    """
    with opened(clip.path) as container:
        stream = _stream(container, clip.path)
        step = max(1, round(1 / (clip.rate * clip.time_base)))
        start = round(clip.start / clip.time_base)
        last = None
        for frame in _decoded(container, stream, clip.path):
            pixels = upright(frame, clip.path)
            if pixels.shape != (clip.height, clip.width, 3):
                raise UserError(
                    f"{clip.path}: its frames change from {clip.width} x {clip.height} to {pixels.shape[1]} x "
                    f"{pixels.shape[0]} pixels. Cut it there, and give each part."
                )
            time = frame.pts - start if frame.pts is not None else (0 if last is None else last + step)
            last = time if last is None else max(time, last + 1)
            yield last, pixels


def upright(frame: VideoFrame, path: Path) -> np.ndarray:
    """A frame as it is seen, uint8 (H, W, 3): by its own color matrix and range, turned as its file says."""
    matrix = None
    if frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb:
        matrix = Colorspace.ITU709 if frame.height >= _HD_ROWS else Colorspace.ITU601
    pixels = frame.reformat(format="rgb24", src_colorspace=matrix, threads=1).to_ndarray()
    return _turn(frame, path).of(pixels)


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A video's container. Raises UserError for what is none."""
    try:
        # As a file whatever its name looks like, and read from nowhere else.
        container = av.open(
            f"file:{path}",
            options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except av.error.FFmpegError as error:
        if not path.is_file():
            raise UserError(f"{path}: no such file.") from error
        raise UserError(f"{path}: cannot be read as a video ({error.strerror}). Give another file.") from error
    with container:
        yield container


# --- what a file holds ------------------------------------------------------------------------------------------


def _stream(container: InputContainer, path: Path) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & stream.disposition.attached_pic]
    if not streams:
        raise UserError(f"{path}: no video in this file. Give another one.")
    if streams[0].codec_context is None:
        raise UserError(f"{path}: of a video codec that is not known here. Convert it to H.264.")
    streams[0].thread_type = "AUTO"
    streams[0].codec_context.thread_count = granted_threads()
    return streams[0]


def _decoded(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]:
    damaged = 0
    packets = container.demux(stream)
    for number in count():
        try:
            packet = next(packets, None)
            decoded = packet.decode() if packet is not None else []
        except av.error.InvalidDataError:
            damaged += 1
            continue
        except av.error.BlockingIOError as error:
            raise UserError(f"{path}: the system gives no more threads: end other programs and run again.") from error
        except av.error.FFmpegError as error:
            raise _broken(path, f"cannot be read at packet {number} ({error.strerror})") from error
        if packet is None:
            break
        yield from decoded
    if damaged:
        announce(f"{path}: {damaged} frames are damaged and left out")


def _broken(path: Path, what: str) -> UserError:
    return UserError(f"{path}: broken: {what}. Copy it again, or give another file.")


def _tell(frame: VideoFrame, path: Path) -> None:
    if frame.color_trc in _HDR:
        announce(f"{path}: HDR ({_HDR[frame.color_trc]}) is drawn as if it were SDR, so it is paler; convert it first")
    if frame.interlaced_frame:
        announce(f"{path}: interlaced; moving edges are drawn with its combs, so deinterlace it first")


# --- rotation ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Turn:
    """A display matrix of quarter turns and mirrors."""

    swaps: bool  # rows become columns
    down: bool  # and then are read from below
    across: bool  # from the right

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """The pixels as they are seen."""
        pixels = pixels.swapaxes(0, 1) if self.swaps else pixels
        return np.ascontiguousarray(pixels[:: -1 if self.down else 1, :: -1 if self.across else 1])


def _turn(frame: VideoFrame, path: Path) -> _Turn:
    """As the display matrix says: (x, y) is shown at (a x + c y, b x + d y). Raises UserError for other angles."""
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return _Turn(False, False, False)
    a, b, _, c, d = struct.unpack("<5i", bytes(matrix)[:20])
    if a and d and not b and not c:
        return _Turn(False, d < 0, a < 0)
    if b and c and not a and not d:
        return _Turn(True, b < 0, c < 0)
    raise UserError(f"{path}: its frames are turned by {frame.rotation} degrees. Turn it by a quarter, half or not.")
