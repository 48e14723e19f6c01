"""Videos for tests: a camera over a drawn scene, whose motion is known to the pixel, and a face that moves across."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from styledistill.procedural.draw import draw

WIDE, HIGH = 480, 270


def camera(
    count: int, scene: int | np.ndarray = 3, size: tuple[int, int] = (WIDE, HIGH)
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames, uint8 (H, W, 3), of a camera that pans, zooms and rolls over a scene, and the flows to the next frame.

    scene: the number of a drawn one, or any image, uint8 (1024, 1024, 3).
    """
    width, height = size
    scene = draw("scenes", scene, 1024) if isinstance(scene, int) else scene
    views = [_view(number / 40, size) for number in range(count)]
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    frames = [cv2.warpAffine(scene, view, size, flags=how, borderMode=cv2.BORDER_REFLECT) for view in views]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], -1)
    flows = []
    for view, after in pairwise(views):
        seen = np.concatenate([places @ view.T, np.ones((height, width, 1))], -1)
        flows.append((seen @ cv2.invertAffineTransform(after).T - places[..., :2]).astype(np.float32))
    return frames, flows


def moving(count: int, seed: int = 5) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames in which a face moves over the scene of a camera, and where it is, bool (H, W)."""
    frames, _ = camera(count, seed)
    face, disk = draw("faces", 11, 110), np.zeros((110, 110), np.float32)
    cv2.circle(disk, (55, 55), 50, 1.0, -1, cv2.LINE_AA)
    made, places = [], []
    for number, frame in enumerate(frames):
        at = np.float64([[1, 0, 40 + 7 * number], [0, 1, 80 + 30 * np.sin(number / 4)]])
        front = cv2.warpAffine(face, at, (WIDE, HIGH), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        share = cv2.warpAffine(disk, at, (WIDE, HIGH))
        made.append(np.rint(frame * (1 - share[..., None]) + front * share[..., None]).astype(np.uint8))
        places.append(share > 0.5)
    return made, places


def write(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    rate: Fraction | int = 24,
    times: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    sound: str | None = None,
    seconds: float = 1.0,
    **settings: Any,
) -> Path:
    """A video of frames, uint8 (H, W, 3), of whatever kind a test asks for; sound: the codec of a tone beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rotation = settings.pop("rotation", None)
    with av.open(f"file:{path}", "w", **settings) as container:
        video = container.add_stream(codec, rate=rate, options=options or ({"crf": "4"} if codec == "libx264" else {}))
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pix_fmt
        video.codec_context.thread_count = 1
        if rotation:
            video.set_display_rotation(rotation)
        if times is not None:
            video.codec_context.time_base = Fraction(1, 1000)
        tone = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if tone:
            wave = np.sin(np.arange(round(48_000 * seconds)) * 2 * np.pi * 440 / 48_000)
            frame = av.AudioFrame.from_ndarray((wave[None] * 8000).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            container.mux(tone.encode(frame))
            container.mux(tone.encode())
    return path


def _view(moment: float, size: tuple[int, int]) -> np.ndarray:
    """From a place of the frame to that in the scene; a moment of 1 is the end of the camera's way."""
    zoom, roll = 1.25 - 0.25 * moment, 0.03 * np.sin(3 * moment)
    turn = zoom * np.float64([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    center = np.float64([512 + 117 * np.sin(2.2 * moment - 1.1), 512 + 30 * np.cos(2 * moment)])
    return np.column_stack([turn, center - turn @ np.float64(size) / 2])
