"""`src/augment.py`: a data set in drawn styles, resumed where it ended."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fill import seeded_image
from PIL import Image

from styledistill.commands.augment import main
from styledistill.core.arrays import levels
from styledistill.student.augment_jobs import plan


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


def test_the_seed_decides(here: Path) -> None:
    met = [[job.styles for job in plan(Path("images"), Path("styles"), Path(f"out{n}"), 1, n)] for n in range(6)]
    assert met[0] == [job.styles for job in plan(Path("images"), Path("styles"), Path("again"), 1, 0)]
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
