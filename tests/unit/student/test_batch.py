"""A batch outlives each of its files: reading, computing, writing, names, limits, disks that cannot all things."""

from __future__ import annotations

import errno
import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import score as score_script
import stylize as script
from styledistill.core import files
from styledistill.core.errors import UserError
from styledistill.core.runtime import pick_device, use_threads
from styledistill.student import Student, stylize_files
from styledistill.student.stylize_jobs import Options, check, plan

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "weights" / "tiny_student"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def student() -> Student:
    return Student.from_pretrained(MODEL)


def image(path: Path, size: tuple[int, int] = (32, 32), seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size).save(path, format="PNG")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(script.main, [*map(str, arguments), "--model", str(MODEL), "--device", "cpu"])


def scored(folder: Path, size: tuple[int, int], device: str) -> Result:
    """score.py on one pair of images of a size."""
    for name in ("c/0", "s/0", "out/0_0"):
        image(folder / f"{name}.png", size)
    places = {"stylized": "out", "content": "c", "style": "s"}
    words = [f"--{name}={folder / place}" for name, place in places.items()]
    return CliRunner().invoke(score_script.main, [*words, "--seeded", "--device", device])


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("letters", "made"), [("a" * 240, True), ("ü" * 122, True), ("a" * 250, False)])
def test_long_names(letters: str, made: bool, tmp_path: Path) -> None:
    """A name of 255 bytes is allowed; one beyond is told, and the others are made."""
    image(tmp_path / "c" / f"{letters}.png")
    image(tmp_path / "c" / "ok.png")
    image(tmp_path / "s.png")
    result = run(tmp_path / "c", tmp_path / "s.png", "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["ok_s.png", *([f"{letters}_s.png"] if made else [])]
    )
    assert result.exit_code == int(not made) and "Traceback" not in result.output
    assert made or "too long for a file" in result.stderr


@pytest.mark.parametrize("name", ["a" * 255, "ü" * 127, "字" * 85])
def test_a_file_of_the_longest_name_is_whole_or_not_there(name: str, tmp_path: Path) -> None:
    files.write_text(tmp_path / name, "words")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(UserError, match="name is too long"):
        files.write_text(tmp_path / f"{name}xyz", "words")


# --- formats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "side"), [("webp", 16_384), ("jpg", 65_536)])
def test_what_a_format_cannot_hold_is_known_before_it_is_computed(suffix: str, side: int, tmp_path: Path) -> None:
    content, style = image(tmp_path / "c.png", (side, 1)), image(tmp_path / "s.png")
    with pytest.raises(UserError, match=rf"at most {side - 1:,} a side. Use .png"):
        check(plan(content, style, tmp_path / f"o.{suffix}"), Options())
    assert check(plan(content, style, tmp_path / "o.png"), Options()) == side


# --- writing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [errno.EPERM, errno.EACCES, errno.ENAMETOOLONG, errno.EIO, errno.ESTALE, errno.ENXIO]
)
def test_an_image_that_cannot_be_written_ends_no_batch(
    number: int, student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        image(tmp_path / "c" / f"{name}.png")
    written = Path.write_bytes

    def refused(path: Path, data: bytes) -> int:
        if ".b_s.png" in path.name:
            raise OSError(number, "refused", str(path))
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", refused)
    assert stylize_files.stylize_files(student, plan(tmp_path / "c", image(tmp_path / "s.png"), tmp_path / "out")) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_s.png", "c_s.png"]
    assert "left out" in capsys.readouterr().err


def test_a_folder_where_the_image_should_be(student: Student, tmp_path: Path) -> None:
    (tmp_path / "out" / "a_s.png").mkdir(parents=True)
    for name in "ab":
        image(tmp_path / "c" / f"{name}.png")
    assert stylize_files.stylize_files(student, plan(tmp_path / "c", image(tmp_path / "s.png"), tmp_path / "out")) == 1


def test_a_disk_without_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As exFAT, CIFS and mounts of object stores are: chmod is refused."""

    def refused(path: Path, mode: int, **_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", refused)
    files.write_text(tmp_path / "a", "words")
    assert (tmp_path / "a").read_text("utf-8") == "words"


# --- many ---------------------------------------------------------------------------------------------------------


def test_many_small_images_with_some_bad_ones(student: Student, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bad = {7: b"", 150: b"words", 233: image(tmp_path / "x.png").read_bytes()[:60]}
    for number in range(300):
        file = image(tmp_path / "c" / f"{number:04d}.png", (16, 16), number)
        if number in bad:
            file.write_bytes(bad[number])
    jobs = plan(tmp_path / "c", image(tmp_path / "s.png"), tmp_path / "out")
    assert stylize_files.stylize_files(student, jobs[:50]) == 49
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert stylize_files.stylize_files(student, jobs[50:]) == 248
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    told = capsys.readouterr().err
    assert all(f"{number:04d}.png" in told for number in bad)
    assert len(list((tmp_path / "out").iterdir())) == 297


@pytest.mark.long
def test_two_thousand_small_images_with_twenty_bad_ones(tmp_path: Path) -> None:
    """The program itself makes all good ones and names the bad ones; its memory stays where the first hundred left it.

    Looked at until the last image: on its way out a process touches pages of its libraries that it never used.
    """
    bad = set(range(50, 2000, 100))
    for number in range(2000):
        file = image(tmp_path / "c" / f"{number:04d}.png", (32, 32), number)
        if number in bad:
            file.write_bytes((b"", b"words", file.read_bytes()[:60])[number % 3])
    words = [tmp_path / "c", image(tmp_path / "s.png"), "-o", tmp_path / "out", "--device", "cpu"]
    with (tmp_path / "said.txt").open("w") as said:
        program = psutil.Popen([sys.executable, ROOT / "src" / "stylize.py", *words], stdout=said, stderr=said)
        first, most = 0, 0
        while program.poll() is None:
            made = len(os.listdir(tmp_path / "out")) if (tmp_path / "out").is_dir() else 0  # noqa: PTH208
            with suppress(psutil.Error):
                held = program.memory_info().rss
                first = held if made <= 100 else first
                most = max(most, held) if 100 < made < 1980 else most
            time.sleep(0.05)
    lines = (tmp_path / "said.txt").read_text("utf-8")
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {f"{number:04d}_s.png" for number in range(2000) if number not in bad}
    assert program.returncode == 1 and "error: 20 of 2000 images could not be made" in lines
    assert all(f"{number:04d}.png: " in lines for number in bad) and "Traceback" not in lines
    print(f"first hundred {first / 1e6:.0f} MB, then at most {most / 1e6:.0f} MB")
    assert first > 0 and most - first < 50e6


def test_many_styles_are_encoded_again_when_they_do_not_fit(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("c", "s"):
        for name in "abc":
            image(tmp_path / folder / f"{name}.png", seed=ord(name))
    jobs = plan(tmp_path / "c", tmp_path / "s", tmp_path / "kept")
    stylize_files.stylize_files(student, jobs)
    monkeypatch.setattr(stylize_files, "_KEPT", 1)
    stylize_files.stylize_files(student, [job._replace(out=tmp_path / "anew" / job.out.name) for job in jobs])
    for path in (tmp_path / "kept").iterdir():
        assert path.read_bytes() == (tmp_path / "anew" / path.name).read_bytes()


def test_a_bad_style_is_named_once_where_styles_do_not_fit(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("c/a.png", "c/b.png", "s/x.png", "s/y.png"):
        image(tmp_path / name)
    (tmp_path / "s" / "bad.png").write_bytes(b"words")
    monkeypatch.setattr(stylize_files, "_KEPT", 0)
    left_out: list[str] = []
    jobs = plan(tmp_path / "c", tmp_path / "s", tmp_path / "out")
    assert stylize_files.stylize_files(student, jobs, left_out=left_out) == 4
    assert left_out == ["bad.png"] and capsys.readouterr().err.count("left out") == 1


# --- what the machine is told --------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99", "cuda:x", "", "cpu:x"])
def test_a_device_that_is_none_is_one_line_everywhere(device: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device"):
        pick_device(device)
    for folder, name in (("c", "0"), ("s", "0"), ("out", "0_0")):
        image(tmp_path / folder / f"{name}.png", (64, 64))
    places = [
        f"--{name}={tmp_path / folder}" for name, folder in (("stylized", "out"), ("content", "c"), ("style", "s"))
    ]
    result = CliRunner().invoke(score_script.main, [*places, "--seeded", "--device", device])
    assert result.exit_code == 1 and "error: device" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("value", "count"), [("4,2", 4), ("3", 3), ("2, 1", 2), ("", None), ("x", None), ("0", None), ("9999999", None)]
)
def test_threads_of_several_levels(value: str, count: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert use_threads() == (count or os.cpu_count())


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (11, 40), (31, 64)])
def test_scores_of_small_images_are_refused_with_the_least_size(size: tuple[int, int], tmp_path: Path) -> None:
    for folder, name in (("c", "0"), ("s", "0"), ("out", "0_0")):
        image(tmp_path / folder / f"{name}.png", size)
    places = [
        f"--{name}={tmp_path / folder}" for name, folder in (("stylized", "out"), ("content", "c"), ("style", "s"))
    ]
    result = CliRunner().invoke(score_script.main, [*places, "--seeded", "--device", "cpu"])
    assert result.exit_code == 1 and "at least 32 x 32" in result.stderr and "Traceback" not in result.stderr


def test_images_of_the_least_size_are_scored(tmp_path: Path) -> None:
    for folder, name in (("c", "0"), ("s", "0"), ("out", "0_0")):
        image(tmp_path / folder / f"{name}.png", (32, 32))
    places = [
        f"--{name}={tmp_path / folder}" for name, folder in (("stylized", "out"), ("content", "c"), ("style", "s"))
    ]
    result = CliRunner().invoke(score_script.main, [*places, "--seeded", "--device", "cpu"])
    assert result.exit_code == 0, result.output
