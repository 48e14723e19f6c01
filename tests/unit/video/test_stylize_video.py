"""The command on videos: times and sound are kept, a cut run goes on to the same result, mistakes cost nothing."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

pytest.importorskip("av", reason="needs styledistill[video]")
pytest.importorskip("cv2", reason="needs styledistill[video]")

import av
from clips import camera, write

from styledistill.commands.video import main
from styledistill.core.images import save_png
from styledistill.procedural.draw import draw
from styledistill.video import segments
from styledistill.video.clip import frames, read_clip

SIZE = (96, 64)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words), "--device", "cpu"])


def held(path: Path) -> tuple[list[float], np.ndarray]:
    clip = read_clip(path)
    read = list(frames(clip))
    return [round(float(time * clip.time_base), 3) for time, _ in read], np.stack([image for _, image in read])


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.fixture
def style(tmp_path: Path) -> Path:
    save_png(draw("styles", 1, 64), tmp_path / "style.png")
    return tmp_path / "style.png"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write(tmp_path / "in.mp4", camera(7, size=SIZE)[0], sound="aac")


def test_frames_times_and_sound(video: Path, style: Path, tmp_path: Path) -> None:
    result = run(video, style, "-o", tmp_path / "out.mp4")
    assert result.exit_code == 0, result.output
    assert "out.mp4: 7 frames" in result.output
    (times, images), (before, contents) = held(tmp_path / "out.mp4"), held(video)
    assert times == before and images.shape == contents.shape
    assert np.abs(images.astype(int) - contents).mean() > 10
    assert sound(tmp_path / "out.mp4") == sound(video)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "style.png"]


def test_a_run_that_was_cut_goes_on_to_the_same_video(
    video: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("styledistill.video.stylize_video.SEGMENT", 3)
    assert run(video, style, "-o", tmp_path / "whole.mp4").exit_code == 0
    (tmp_path / "cut.mp4").write_bytes(b"old")
    add, made = segments.Segments.add, []

    def cut(self: segments.Segments, *words: object) -> None:
        if len(made) == 1:
            raise KeyboardInterrupt
        made.append(add(self, *words))

    monkeypatch.setattr(segments.Segments, "add", cut)
    run(video, style, "-o", tmp_path / "cut.mp4")
    assert (tmp_path / "cut.mp4").read_bytes() == b"old" and (tmp_path / "cut.mp4.parts/000000.json").is_file()
    made.clear()

    def counted(self: segments.Segments, *words: object) -> None:
        made.append(add(self, *words))

    monkeypatch.setattr(segments.Segments, "add", counted)
    assert run(video, style, "-o", tmp_path / "cut.mp4").exit_code == 0
    assert len(made) == 2
    assert (tmp_path / "cut.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert not (tmp_path / "cut.mp4.parts").exists()


def test_segments_of_another_style_are_not_taken(video: Path, style: Path, tmp_path: Path) -> None:
    assert run(video, style, "-o", tmp_path / "a.mp4").exit_code == 0
    parts = tmp_path / "b.mp4.parts"
    parts.mkdir()
    (parts / "job.json").write_text('{"video": "another"}')
    shutil.copy(video, parts / "000000.nut")
    (parts / "000000.json").write_text("[0, 1, 2]")
    result = run(video, style, "-o", tmp_path / "b.mp4")
    assert result.exit_code == 0 and "starts over" in result.stderr
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".webm", "opus"), (".mkv", "flac"), (".mov", "aac")], ids=lambda value: value
)
def test_sound_goes_into_every_format(suffix: str, codec: str, style: Path, tmp_path: Path) -> None:
    """FLAC is copied into Matroska, and encoded anew for the others."""
    video = write(tmp_path / "in.mkv", camera(3, size=SIZE)[0], sound="flac")
    result = run(video, style, "-o", tmp_path / f"out{suffix}")
    assert result.exit_code == 0, result.output
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        (audio,) = container.streams.audio
        assert audio.codec_context.name == codec
        samples = sum(frame.samples for frame in container.decode(audio)) / audio.rate
    assert samples == pytest.approx(1, abs=0.05)
    assert len(held(tmp_path / f"out{suffix}")[0]) == 3


def test_one_frame_odd_sizes_and_a_variable_rate(style: Path, tmp_path: Path) -> None:
    contents = [image[:33, :51] for image in camera(4, size=SIZE)[0]]
    one = write(tmp_path / "one.mkv", contents[:1], pix_fmt="yuv444p")
    uneven = write(tmp_path / "uneven.mkv", contents, pix_fmt="yuv444p", times=[0, 40, 45, 1000])
    for video, times in ((one, [0.0]), (uneven, [0.0, 0.04, 0.045, 1.0])):
        result = run(video, style, "-o", tmp_path / "out.mp4")
        assert result.exit_code == 0, result.output
        found, images = held(tmp_path / "out.mp4")
        assert found == times and images.shape[1:3] == (34, 52)


def test_outside_of_a_mask_the_video_stands(video: Path, style: Path, tmp_path: Path) -> None:
    mask = np.zeros((64, 96, 3), np.uint8)
    mask[:, 48:] = 255
    save_png(mask, tmp_path / "mask.png")
    result = run(video, style, "-o", tmp_path / "out.mp4", "--mask", tmp_path / "mask.png")
    assert result.exit_code == 0, result.output
    apart = np.abs(held(tmp_path / "out.mp4")[1].astype(int) - held(video)[1])
    assert apart[:, :, :40].mean() < 4 < 10 < apart[:, :, 56:].mean()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["in.mp4", "style.png", "-o", "out.xyz"], "no name of a video"),
        (["in.mp4", "style.png", "-o", "in.mp4"], "is one of the files to work on"),
        (["in.mp4", "style.png", "-o", "linked.mp4"], "is one of the files to work on"),
        (["in.mp4", "style.png", "-o", "out.mp4", "--mask", "style.png"], "a mask of 64 x 64 pixels, and the video"),
        (["in.mp4", "in.mp4", "-o", "out.mp4"], "cannot be read as an image"),
        (["in.mp4", "gone.png", "-o", "out.mp4"], "no such image"),
        (["gone.mp4", "style.png", "-o", "out.mp4"], "no such video"),
        (["in.mp4", "-o", "out.mp4"], "give a style"),
        (["in.mp4", "style.png", "-o", "out.mp4", "--outside", "style.png"], "needs --mask"),
        (["in.mp4", "--style", "style.png:-1", "-o", "out.mp4"], "no shares"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_told_before_anything_is_computed(
    words: list[str], told: str, video: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("linked.mp4").hardlink_to(video)
    before = sorted(tmp_path.iterdir())
    result = run(*words)
    assert result.exit_code == 1 and told in result.stderr and result.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_extra_says_what_to_install(
    video: Path, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("styledistill.video")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)
    result = run(video, style, "-o", tmp_path / "out.mp4")
    assert result.exit_code == 1
    ways = "pip install 'styledistill[video]', or pip install '.[video]' in a clone's folder"
    assert result.stderr == f"error: av is not installed, which this needs: {ways}\n"


def test_of_a_mistake_no_segments_stay(video: Path, style: Path, tmp_path: Path) -> None:
    result = run(video, style, "-o", "/proc/x.mp4")
    assert result.exit_code == 1 and "no folder can be made there" in result.stderr
    result = run(video, style, "-o", tmp_path / f"{'a' * 248}.mp4")
    assert result.exit_code == 1 and "the name is too long" in result.stderr
    broken = tmp_path / "broken.jpg"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(broken)
    broken.write_bytes(broken.read_bytes()[:-500])  # its head tells an image
    result = run(video, broken, "-o", tmp_path / "out.mp4")
    assert result.exit_code == 1 and "truncated" in result.stderr, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.jpg", "in.mp4", "style.png"]
