"""Frames to segments, and segments with the sound of the original to one video, by PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.reformatter import ColorRange, Colorspace

from ..core.errors import UserError
from ..core.files import atomic_path
from ..core.threads import granted_threads
from .clip import Clip, opened
from .formats import Format

_BT709, _LIMITED = 1, 1  # matrix, primaries and transfer, and the range of levels, by their numbers in H.273


def write_segment(
    path: Path, frames: Sequence[np.ndarray], times: Sequence[int], clip: Clip, form: Format, even: tuple[int, int]
) -> None:
    """Encode frames, uint8 (H, W, 3), at their times in the clip's unit; whole or not at all.

    In NUT, which keeps times in any unit. even: width and height of the video, see `even_size`.
    """
    with atomic_path(path) as temporary, av.open(f"file:{temporary}", "w", format="nut") as container:
        stream = container.add_stream(form.video, rate=clip.rate, options=dict(form.options))
        context = stream.codec_context
        context.width, context.height = even
        context.pix_fmt, context.time_base = "yuv420p", clip.time_base
        context.sample_aspect_ratio = clip.aspect
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        context.thread_count = granted_threads()
        for pixels, time in zip(frames, times, strict=True):
            container.mux(stream.encode(_video_frame(pixels, time, clip.time_base, even)))
        container.mux(stream.encode())


def even_size(width: int, height: int) -> tuple[int, int]:
    """Colors are kept for two by two pixels, so an odd side gets one more row or column, like its last."""
    return width + width % 2, height + height % 2


def join(path: Path, segments: Sequence[Path], times: Sequence[int], clip: Clip, form: Format) -> None:
    """Write a video of finished segments and the sound of the original; whole or not at all. Raises UserError.

    times: of all frames. Sound that the container takes is copied, other sound is encoded anew.
    """
    with atomic_path(path) as temporary, opened(clip.path) as original:
        options = {"movflags": "+faststart"} if form.container in ("mp4", "mov") else {}
        with av.open(f"file:{temporary}", "w", format=form.container, options=options) as container:
            with av.open(f"file:{segments[0]}") as first:
                video = container.add_stream_from_template(first.streams.video[0])
                video.time_base = clip.time_base
            sounds = _sounds(original, container, form, clip)
            ways = [_pictures(segments, times, clip, video), _sound_packets(original, sounds, clip)]
            for _, packet in merge(*ways, key=lambda pair: pair[0]):
                container.mux(packet)


def _video_frame(pixels: np.ndarray, time: int, time_base: Fraction, even: tuple[int, int]) -> av.VideoFrame:
    height, width = pixels.shape[:2]
    if (width, height) != even:
        pixels = np.pad(pixels, ((0, even[1] - height), (0, even[0] - width), (0, 0)), "edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    frame = frame.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
    )
    frame.pts, frame.time_base = time, time_base
    return frame


def _pictures(
    segments: Sequence[Path], times: Sequence[int], clip: Clip, stream: Stream
) -> Iterator[tuple[Fraction, Packet]]:
    steps = [after - time for time, after in pairwise(times)]
    steps.append(steps[-1] if steps else max(1, round(1 / (clip.rate * clip.time_base))))
    waiting = iter(zip(times, steps, strict=True))
    for segment in segments:
        with av.open(f"file:{segment}") as container:
            for packet in container.demux(video=0):
                if not packet.size:
                    continue
                time, step = next(waiting)
                packet.pts = packet.dts = time
                packet.duration, packet.time_base, packet.stream = step, clip.time_base, stream
                yield time * clip.time_base, packet
    if next(waiting, None) is not None:
        raise UserError(f"{segments[0].parent}: frames are missing in these segments. Remove this folder, run again.")


# --- sound ------------------------------------------------------------------------------------------------------


def _sounds(
    original: av.container.InputContainer, container: OutputContainer, form: Format, clip: Clip
) -> dict[int, tuple[Stream, bool]]:
    """For the index of each sound its stream in the result, and whether it is copied."""
    found: dict[int, tuple[Stream, bool]] = {}
    for sound in original.streams.audio:
        copied = form.copied is None or sound.codec_context.name in form.copied
        if copied:
            stream: Any = container.add_stream_from_template(sound)
        else:
            rate = 48_000 if form.audio == "libopus" else sound.rate
            stream = container.add_stream(form.audio, rate=rate, layout=sound.layout.name)
        stream.metadata.update({key: value for key, value in sound.metadata.items() if key in ("language", "title")})
        found[sound.index] = (stream, copied)
    return found


def _sound_packets(
    original: av.container.InputContainer, sounds: dict[int, tuple[Stream, bool]], clip: Clip
) -> Iterator[tuple[Fraction, Packet]]:
    if not sounds:
        return
    for packet in original.demux([original.streams[index] for index in sounds]):
        stream, copied = sounds[packet.stream.index]
        shift = round(clip.start / packet.time_base)
        if copied and packet.size:
            if packet.dts is None:
                continue
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
            made = [packet]
        elif copied:
            continue
        else:
            made = _encoded_anew(packet, stream, shift)
        for one in made:
            one.stream = stream
            yield (one.dts or 0) * one.time_base, one


def _encoded_anew(packet: Packet, stream: Any, shift: int) -> list[Packet]:
    """Packets of a packet's sound in the codec of `stream`; an empty packet is the last, and empties the encoder."""
    try:
        frames = packet.decode()
    except av.error.InvalidDataError:  # a damaged piece of sound is silence
        frames = []
    for frame in frames:
        if frame.pts is not None:
            frame.pts -= shift
    made = [one for frame in frames for one in stream.encode(frame)]
    return made if packet.size else [*made, *stream.encode(None)]
