"""Videos as they are read: of every kind upright, in their colors, at their times; what is none is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="needs styledistill[video]")
pytest.importorskip("cv2", reason="needs styledistill[video]")

from clips import write

from styledistill.core.errors import UserError
from styledistill.video.clip import frames, read_clip

COLORS = (
    np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 255], [128, 64, 200], [0, 0, 0]]], np.uint8)
    .repeat(32, 0)
    .repeat(32, 1)
)  # (64, 96, 3), all different, so a turn shows


def stills(count: int = 5) -> list[np.ndarray]:
    return [COLORS] * count


def far(image: np.ndarray, other: np.ndarray) -> int:
    """The largest difference in the middles of the patches."""
    return int(np.abs(image[16::32, 16::32].astype(int) - other[16::32, 16::32]).max())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", {}),
        ("a.mkv", {"pix_fmt": "yuv444p"}),
        ("ten.mp4", {"pix_fmt": "yuv420p10le"}),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"crf": "4", "b": "0"}}),
        ("a.avi", {"codec": "mpeg4", "options": {"qscale": "1", "flags": "+qscale"}}),
        ("a.ts", {}),
        ("a.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
        ("12:30 [a] 50%.mp4", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_colors_and_frames_of_every_kind(name: str, kind: dict, tmp_path: Path) -> None:
    clip = read_clip(write(tmp_path / name, stills(), **kind))
    read = list(frames(clip))
    assert (clip.width, clip.height, len(read)) == (96, 64, 5)
    assert read[0][0] * clip.time_base < Fraction(1, 10)
    assert far(read[2][1], COLORS) <= (75 if name.endswith("gif") else 12)  # rgb8 has four levels of blue


@pytest.mark.parametrize(("turn", "quarters"), [(90, 1), (180, 2), (270, 3), (-90, 3)])
def test_turned_frames_are_read_upright(turn: int, quarters: int, tmp_path: Path) -> None:
    """As FFmpeg's own program turns them: by so many degrees counterclockwise."""
    clip = read_clip(write(tmp_path / "a.mp4", stills(), rotation=turn))
    assert (clip.width, clip.height) == ((64, 96) if quarters % 2 else (96, 64))
    (_, image), *_ = frames(clip)
    assert far(image, np.rot90(COLORS, quarters)) <= 12


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = [0, 40, 45, 300, 1000]
    clip = read_clip(write(tmp_path / "a.mkv", stills(), times=times))
    assert [time * clip.time_base for time, _ in frames(clip)] == [Fraction(time, 1000) for time in times]


def test_a_clock_that_begins_late_begins_at_nothing(tmp_path: Path) -> None:
    clip = read_clip(write(tmp_path / "a.ts", stills()))  # before its first frame
    assert clip.start > 0
    assert [round(time * clip.time_base * 24) for time, _ in frames(clip)] == [0, 1, 2, 3, 4]


def test_a_damaged_frame_is_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = [np.random.default_rng(number).integers(0, 256, (64, 96, 3), dtype=np.uint8) for number in range(12)]
    path = write(tmp_path / "a.mkv", noise, options={"crf": "18", "g": "1"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    path.write_bytes(data)
    assert 3 < len(list(frames(read_clip(path)))) <= 12


def sound_only(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def truncated(path: Path) -> None:
    noise = [np.random.default_rng(number).integers(0, 256, (64, 96, 3), dtype=np.uint8) for number in range(24)]
    write(path, noise, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def headless(path: Path) -> None:
    write(path, stills(24))
    path.write_bytes(path.read_bytes()[:-200])  # without what says where the frames are


def playlist(path: Path) -> None:
    write(path.with_name("other.ts"), stills())
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")


def concatenation(path: Path) -> None:
    write(path.with_name("other.mp4"), stills())
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")


REFUSED = {
    "sound.mp4": (sound_only, "no video in this file"),
    "truncated.mp4": (truncated, r"broken: \d+ of 24 frames are there"),
    "headless.mp4": (headless, "cannot be read as a video"),
    "empty.mp4": (lambda path: path.touch(), "cannot be read as a video"),
    "text.txt": (lambda path: path.write_text("words\n" * 99), "cannot be read as a video"),
    "list.mp4": (playlist, "cannot be read as a video"),
    "concat.mp4": (concatenation, "cannot be read as a video"),
    "gone.mp4": (lambda path: None, "no such file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_video_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=words) as told:
        read_clip(tmp_path / name)
    assert "\n" not in str(told.value) and str(tmp_path / name) in str(told.value)


def test_frames_that_change_their_size_are_told(tmp_path: Path) -> None:
    parts = [write(tmp_path / f"{side}.ts", [np.zeros((side, 96, 3), np.uint8)] * 5) for side in (64, 48)]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(UserError, match="frames change from 96 x 64"):
        list(frames(read_clip(tmp_path / "a.ts")))
