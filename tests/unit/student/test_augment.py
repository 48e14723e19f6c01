"""`augment`: a data set in drawn styles, resumed where it ended."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import psutil
import pytest
import webdataset
from click.testing import CliRunner, Result
from fill import seeded_image
from PIL import Image

from styledistill.commands.augment import main
from styledistill.core.arrays import levels
from styledistill.student import augment_jobs, augment_work
from styledistill.student.augment_jobs import plan

ROOT = Path(__file__).parents[3]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("images/a.png", "images/cats/a.png", "images/cats/deep/b.png", *(f"styles/{n}/s.png" for n in "xyz")):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels(seeded_image(name, 24, 32).numpy())).save(name)
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["images", "styles", "-o", "out", "--device", "cpu", *map(str, words)])


def rows() -> list[dict[str, str]]:
    with Path("out/augment.csv").open() as file:
        return list(csv.DictReader(file))


def styles_met(out: Path, seed: int) -> list[tuple[Path | str, ...]]:
    return [job.styles for work in plan(Path("images"), Path("styles"), out, 1, seed) for job in work.jobs]


def only_error(result: Result) -> str:
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_folders_are_kept_and_the_map_says_what_met_what(here: Path) -> None:
    result = run("--styles-per-image", 2)
    assert result.exit_code == 0 and "6 images made" in result.stdout, result.output
    made = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.png")}
    assert made == {f"{name}_{n}.png" for name in ("a", "cats/a", "cats/deep/b") for n in (1, 2)}
    assert {row["image"] for row in rows()} == made
    for content in ("a.png", "cats/a.png", "cats/deep/b.png"):
        assert len({row["style"] for row in rows() if row["content"] == content}) == 2  # without repeats


def test_it_goes_on_where_it_ended_and_takes_further_images(here: Path) -> None:
    assert run("--styles-per-image", 2).exit_code == 0
    before, times = rows(), {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    kept, lost = sorted(times)[1:], sorted(times)[0]
    lost.unlink()
    Image.open("images/a.png").save("images/aa.png")
    result = run("--styles-per-image", 2)
    assert result.exit_code == 0 and "3 images made" in result.stdout
    assert all(path.stat().st_mtime_ns == times[path] for path in kept) and lost.is_file()
    assert [row for row in rows() if row["content"] != "aa.png"] == before
    assert "0 images made" in run("--styles-per-image", 2).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--strength", 0.5), "strength"),
        (("--size", 16), "size"),
        (("--preserve-color",), "preserve_color"),
        (("--model", ROOT / "weights/tiny_student"), "student"),
    ],
)
def test_images_of_other_settings_are_not_taken_for_these(words: tuple[object, ...], said: str, here: Path) -> None:
    assert "no such folder" in only_error(run("--model", "nowhere"))  # and is not remembered
    assert run().exit_code == 0
    before = files("out")
    assert f"drawn with another {said}. Give another folder" in only_error(run(*words))
    assert files("out") == before
    Path("out/augment.json").write_text("[")
    assert "augment.json: cannot be read" in only_error(run())


def test_the_seed_decides(here: Path) -> None:
    met = [styles_met(Path(f"out{n}"), n) for n in range(6)]
    assert met[0] == styles_met(Path("again"), 0)
    assert len({tuple(styles) for styles in met}) > 1
    assert any(len(set(styles)) > 1 for styles in met)  # and the image's name


def test_a_bad_image_ends_nothing(here: Path) -> None:
    Path("images/bad.png").write_bytes(b"words")
    result = run()
    assert result.exit_code == 1 and "1 of 4 images could not be made" in result.stderr
    assert len(list(Path("out").rglob("*.png"))) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--styles-per-image", 4], "styles: 3 styles, and each image asks for 4"),
        (["-o", "images/out"], "images/out: lies in images"),
        (["--seed", 2], "augment.csv: of other images, styles or another seed"),
    ],
)
def test_slips(words: list[object], said: str, here: Path) -> None:
    Path("out").mkdir()
    Path("out/augment.csv").write_text("image,content,style\na_1.png,a.png,none.png\n")
    before = sorted(here.rglob("*"))
    assert said in only_error(run(*words))
    assert sorted(here.rglob("*")) == before


def test_two_images_of_one_name(here: Path) -> None:
    Image.open("images/a.png").save("images/a.jpg")
    assert "two images would get this name" in only_error(run())


def test_a_name_that_no_table_can_hold(here: Path) -> None:
    (image,) = sorted(Path("images").rglob("*.png"))[:1]
    before = len(list(Path("images").rglob("*.png")))
    (image.parent / f"{os.fsdecode(bytes([255]))}.png").write_bytes(image.read_bytes())
    result = run()
    assert result.exit_code == 0 and "its name is not UTF-8" in result.stderr, result.output
    assert len(rows()) == before


# --- workers ------------------------------------------------------------------------------------------------------


def files(folder: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def many(count: int) -> None:
    for number in range(count):
        Image.fromarray(levels(seeded_image(f"many{number}", 24, 32).numpy())).save(f"images/m{number:02d}.png")


@pytest.mark.parametrize("shards", [(), ("--shards",)], ids=["files", "shards"])
def test_images_are_the_same_for_any_number_of_workers(shards: tuple[str, ...], here: Path) -> None:
    many(20)  # three batches of files
    for workers in (1, 3):
        result = run("-o", f"out{workers}", "--styles-per-image", 2, "--workers", workers, *shards)
        assert result.exit_code == 0 and "46 images made" in result.stdout, result.output
    assert files("out1") == files("out3")


def test_killed_it_leaves_whole_files_and_no_worker_and_goes_on(here: Path) -> None:
    many(60)
    words = ["images", "styles", "-o", "out", "--device", "cpu", "--workers", "2", "--styles-per-image", "3"]
    command = [sys.executable, str(ROOT / "src"), "augment", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as parent:
        while len(list(Path("out").rglob("*.png"))) < 10:
            time.sleep(0.02)
            assert parent.poll() is None
        workers = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert len(workers) >= 2 and alive == []
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png") if not path.name.startswith(".")}
    assert 10 <= len(before) < 189
    for path in before:
        Image.open(path).verify()
    assert run("--styles-per-image", 3, "--workers", 2).exit_code == 0
    assert len([name for name in files("out") if name.endswith(".png")]) == 189
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_worker_that_is_killed_is_told_in_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment_work, "_begin", killed_at_once)
    assert "a worker was killed, as for want of memory" in only_error(run("--workers", 2))


def killed_at_once(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_student_that_is_none_is_told_in_one_line(here: Path) -> None:
    Path("student").mkdir()
    Path("student/student.safetensors").write_bytes(b"words")
    Path("student/config.json").write_text("{}")
    assert "no student of this version" in only_error(run("--model", "student", "--workers", 2))


# --- WebDataset ---------------------------------------------------------------------------------------------------


def packed(name: str, samples: dict[str, dict[str, bytes]]) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    with webdataset.TarWriter(name) as tar:
        for key, sample in samples.items():
            tar.write({"__key__": key, **sample})


def png(name: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(levels(seeded_image(name, 24, 32).numpy())).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def tars(here: Path) -> str:
    for shard in range(2):
        samples = {f"a/{n}": {"png": png(f"{shard}{n}"), "cls": str(n).encode()} for n in range(3)}
        packed(f"data/{shard:03d}.tar", samples)
    return "data/{000..001}.tar"


def run_tars(tars: str, *words: object) -> Result:
    return CliRunner().invoke(main, [tars, "styles", "-o", "out", "--device", "cpu", *map(str, words)])


def test_tars_to_tars_with_their_labels_and_a_map(tars: str, here: Path) -> None:
    result = run_tars(tars, "--shards", "--styles-per-image", 2)
    assert result.exit_code == 0 and "12 images made" in result.stdout, result.output
    assert {path.name for path in Path("out").iterdir()} == {"000.tar", "001.tar", "augment.csv", "augment.json"}
    found = list(webdataset.WebDataset(["out/000.tar", "out/001.tar"], shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in found] == [f"a/{n}_{k}" for n in range(3) for k in (1, 2)] * 2
    assert all(sample["cls"] == int(sample["__key__"][2]) and sample["png"].size == (32, 24) for sample in found)
    assert rows()[0]["image"] == "000.tar/a/0_1.png" and rows()[0]["content"] == "000.tar/a/0.png"
    # The same image, drawn as a file, has the same bytes.
    assert run_tars(tars, "-o", "folder", "--styles-per-image", 2).exit_code == 0
    with tarfile.open("out/001.tar") as tar:
        assert tar.extractfile("a/2_1.png").read() == Path("folder/001/a/2_1.png").read_bytes()


def test_a_folder_to_tars(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment_jobs, "SHARD_IMAGES", 2)
    Path("images/a.png").rename("images/a.b.png")
    assert run("--shards").exit_code == 0
    found = webdataset.WebDataset(["out/000000.tar", "out/000001.tar"], shardshuffle=False)
    assert [sample["__key__"] for sample in found] == ["a_b_1", "cats/a_1", "cats/deep/b_1"]


def test_a_tar_is_filled_up_and_a_bad_image_ends_nothing(
    tars: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    packed("data/001.tar", {"x": {"png": b"words"}, "y": {"png": png("y")}, "z": {"png": png("z")}})
    result = run_tars(tars, "--shards")
    assert result.exit_code == 1 and "1 of 6 images could not be made" in result.stderr, result.output
    assert "left out: data/001.tar/x.png: cannot be read as an image" in capfd.readouterr().err
    whole = files("out")
    times = {name: Path("out", name).stat().st_mtime_ns for name in ("000.tar", "001.tar")}
    assert run_tars(tars, "--shards").exit_code == 1 and files("out") == whole
    assert times == {name: Path("out", name).stat().st_mtime_ns for name in times}  # nothing is written anew
    with tarfile.open("out/001.tar") as tar, tarfile.open("out/short", "w") as short:
        short.addfile(tar.getmember("z_1.png"), tar.extractfile("z_1.png"))
    Path("out/short").replace("out/001.tar")  # y lacks now, and stands before z again
    result = run_tars(tars, "--shards")
    assert "1 image made" in result.stdout and files("out") == whole
    assert Path("out/000.tar").stat().st_mtime_ns == times["000.tar"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.tar"], "nothing.tar: no such folder or tar"),
        (["data/*.zip"], "no such folder or tar"),
        (["styles/x/s.png"], "neither a folder of images nor a .tar"),
        (["data/text.tar"], "no images in these tars"),
        (["data/broken.tar"], "cannot be read as a tar"),
        (["data/climbs.tar"], "climbs out of its folder"),
        (["data/several.tar"], "the sample k holds several images (a.png, b.png). Say which by --member"),
        (["data/several.tar", "--member", "c.png"], "no images in these tars named <key>.c.png"),
        (["data/000.tar", "--shards", "-o", "data"], "holds the tars themselves"),
        (["images", "--member", "png"], "--member png: images is a folder"),
    ],
)
def test_slips_with_tars(words: list[str], said: str, tars: str, here: Path) -> None:
    packed("data/text.tar", {"k": {"txt": b"words"}})
    packed("data/several.tar", {"k": {"a.png": png("a"), "b.png": png("b")}})
    Path("data/broken.tar").write_bytes(b"words")
    with tarfile.open("data/climbs.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../a.png"))
    before = sorted(here.rglob("*"))
    assert said in only_error(run_tars(*words))
    assert sorted(here.rglob("*")) == before


def test_a_name_in_a_tar_that_no_table_can_hold(here: Path) -> None:
    Path("data").mkdir()
    with tarfile.open("data/t.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("good.png", f"{os.fsdecode(bytes([255]))}.png"):
            member = tarfile.TarInfo(name)
            member.size = len(png("a"))
            tar.addfile(member, io.BytesIO(png("a")))
    result = run_tars("data/t.tar", "--shards")
    assert result.exit_code == 0 and "its name is not UTF-8" in result.stderr, result.output
    assert [row["content"] for row in rows()] == ["t.tar/good.png"]


def test_one_image_of_several_is_drawn_and_the_others_go_along(here: Path) -> None:
    packed("data/p.tar", {"k": {"photo.jpg": png("a"), "mask.png": png("b")}})
    assert run_tars("data/p.tar", "--shards", "--member", "photo.jpg").exit_code == 0
    (found,) = webdataset.WebDataset("out/p.tar", shardshuffle=False)
    assert found["__key__"] == "k_1" and found["mask.png"] == png("b") and found["photo.png"] != png("a")
