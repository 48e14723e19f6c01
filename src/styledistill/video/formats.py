"""Containers that are written, the codecs in them, and which sound goes into them as it is. No PyAV here."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A container: its name in FFmpeg, its video encoder with options, and its sound."""

    container: str
    video: str
    options: dict[str, str]
    audio: str  # the encoder of sound that cannot be copied
    copied: frozenset[str] | None  # codecs of sound that players expect in it; None for all


# Without B-frames packets have the order of their frames, so finished segments can be joined as they are.
_H264 = ("libx264", {"crf": "18", "preset": "medium", "bf": "0"})
_VP9 = (
    "libvpx-vp9",
    {"crf": "24", "b": "0", "cpu-used": "4", "row-mt": "1", "auto-alt-ref": "0", "lag-in-frames": "0"},
)
_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_PCM = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le"})

FORMATS = {
    ".mp4": Format("mp4", *_H264, "aac", _MP4),
    ".m4v": Format("mp4", *_H264, "aac", _MP4),
    ".mov": Format("mov", *_H264, "aac", _MP4 - {"opus", "flac"} | _PCM),
    ".mkv": Format("matroska", *_H264, "aac", None),
    ".webm": Format("webm", *_VP9, "libopus", frozenset({"opus", "vorbis"})),
}
