"""What the programs are told: paths with ~, numbers out of bounds, steps not taken, folders that are closed."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from styledistill.run.cli import user_errors

import click
import numpy as np
import pretrain
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from pydantic import ValidationError

import score
import stylize
from styledistill import commands, config
from styledistill.config.training import Student
from styledistill.core.errors import UserError
from styledistill.embedded import train_students, train_tiny_teacher
from styledistill.run.notes import notes, of_former_layout
from styledistill.run.preflight import missing_weights
from styledistill.student.stylize_jobs import plan

NAMES = commands.main.list_commands(None)
ROOT = Path(__file__).parents[2]
SMOKE = config.load(ROOT / "workflow" / "presets" / "smoke.yaml")


def image(path: Path, side: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)
    return path


def run(command: click.Command, *words: object) -> Result:
    return CliRunner().invoke(command, [*map(str, words)])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def test_the_home_folder_where_a_shell_leaves_its_sign(home: Path) -> None:
    """As in --out=~/x.png, and between quotes."""
    image(home / "c.png"), image(home / "s.png")
    result = run(stylize.main, "~/c.png", "~/s.png", "--out=~/made/x.png", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert (home / "made" / "x.png").is_file() and list(Path().iterdir()) == []
    image(Path("~/c.png"), side=24)  # a folder of just this name
    result = run(stylize.main, "~/c.png", "~/s.png", "--out", "x.png", "--device", "cpu")
    assert result.exit_code == 0 and Image.open("x.png").size == (24, 24)


COMMANDS = [importlib.import_module(f"styledistill.commands.{name}").main for name in NAMES]


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_path_of_every_command_is_a_place(command: click.Command) -> None:
    """So `~` is the home folder in each of them, and a name that no disk takes is told before anything is done."""
    paths = [param.name for param in command.params if isinstance(param.type, click.Path)]
    plain = [param.name for param in command.params if type(param.type) is click.Path]
    assert plain == [], paths


@pytest.mark.parametrize("where", ["a" * 256, "folder/" + "é" * 128 + "/x.png"])
def test_a_name_that_no_disk_takes(where: str, home: Path) -> None:
    image(home / "c.png")
    result = run(stylize.main, home / "c.png", home / "c.png", "-o", where)
    assert result.exit_code == 2 and "the name is too long for this disk" in result.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["a [b] {c}", "{0..3}", "*", "50% #1"])
def test_no_path_of_a_command_line_is_a_pattern(name: str, home: Path) -> None:
    contents, style = image(home / name / f"{name}.png").parent, image(home / "s.png")
    result = run(stylize.main, contents, style, "-o", home / f"o {name}", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (home / f"o {name}").iterdir()] == [f"{name}_s.png"]


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_drawn(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, style = image(home / "c.png"), image(home / "s.png")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != home and may(path, mode))  # root may all
    with pytest.raises(UserError, match="no permission to write"):
        plan(content, style, home / "not" / "yet" / "x.png")
    with pytest.raises(UserError, match="a file stands where a folder should be"):
        plan(content, style, content / "x.png")


@pytest.mark.parametrize("value", ["0", "31", "100000", "nan", "1e3"])
def test_a_size_that_cannot_be_scored(value: str, home: Path) -> None:
    result = run(score.main, "--stylized=.", "--content=.", "--style=.", f"--size={value}")
    assert result.exit_code == 2 and "Invalid value for '--size'" in result.stderr


@pytest.mark.parametrize(
    "where", ["drawn:", "drawn:x", "drawn:0", "drawn:-3", "nowhere", "nowhere/*.png", "[", "{0..3}"]
)
def test_images_to_pretrain_on_that_are_none(where: str, home: Path) -> None:
    with pytest.raises(UserError, match=r"no number of images|no images there"):
        pretrain.images(where, lambda *_: np.zeros(0), 1, 32)


def test_images_to_pretrain_on(home: Path) -> None:
    image(home / "[a] {b}" / "1.png"), image(home / "[a] {b}" / ".hidden.png"), image(home / "[a] {b}" / "x" / "2.webp")
    assert pretrain.images("~/[a] {b}", lambda *_: np.zeros(0), 1, 32).shape == (2, 32, 32, 3)
    assert pretrain.images("~/[a] {b}/1.png", lambda *_: np.zeros(0), 1, 32).shape == (1, 32, 32, 3)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (train_students, ["train", "work", "micro", "--photographs", "p", "--paintings", "p"]),
        (train_students, ["train", "work", "micro", "--photographs", "nowhere", "--paintings", "p"]),
        (train_students, ["export", "work", "micro", "out"]),
        (train_tiny_teacher, ["images", "work", "--photographs", "nowhere", "--paintings", "nowhere"]),
        (train_tiny_teacher, ["autoencoder", "work"]),
        (train_tiny_teacher, ["unet", "work"]),
        (train_tiny_teacher, ["export", "work", "out"]),
    ],
    ids=lambda value: " ".join(value[:1]) if isinstance(value, list) else value.__name__,
)
def test_a_step_before_those_that_it_needs(program: object, words: list[str], home: Path) -> None:
    for number in range(30):
        image(Path(f"p/{number}.png"))
    with pytest.raises(SystemExit) as end, user_errors():
        program.main(words, standalone_mode=False)
    assert end.value.code == 1
    assert not Path("out").exists()


def test_a_start_without_a_student_is_told_before_the_run(home: Path) -> None:
    Path("empty").mkdir()
    start = SMOKE.model_copy(update={"student": SMOKE.student.model_copy(update={"start": "empty"})})
    (line,) = missing_weights(start)
    assert line.startswith("student.start: no student in empty (student.safetensors is not there).")


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("nowhere", "student.pretrained: no folder nowhere. Set it to a student's folder, or leave it out."),
        ("empty", "student.pretrained: no student in empty (student.safetensors is not there)."),
        ("other", "student.architecture: other holds sttr, not micro. Set it to sttr."),
    ],
)
def test_a_wrong_student_before_distillation_is_told_before_the_run(folder: str, said: str, home: Path) -> None:
    Path("empty").mkdir()
    Path("other").mkdir()
    for name in ("config.json", "student.safetensors"):
        Path("other", name).write_text('{"architecture": "sttr"}')
    changed = SMOKE.student.model_copy(update={"architecture": "micro", "start": "pretrain", "pretrained": folder})
    (line,) = missing_weights(SMOKE.model_copy(update={"student": changed}))
    assert line.startswith(said)


@pytest.mark.parametrize("start", ["pretrain", "imagenet", "sttr.pth"])
def test_a_start_that_no_teacher_has_taught_has_no_other_before_it(start: str) -> None:
    with pytest.raises(ValidationError, match=rf"pretrained: beside .* only; start is {start}"):
        Student(start=start, pretrained="weights/micro")


def test_a_network_that_nothing_looks_through_says_so() -> None:
    """Also VGG19, where features are another network's."""
    networks = SMOKE.networks.model_copy(update={"features": "efficientnet_lite0", "vgg19": "seeded"})
    said = [line.split(":")[0] for line in notes(SMOKE.model_copy(update={"networks": networks}), on_cpu=False)]
    assert "networks.vgg19" in said
    networks = SMOKE.networks.model_copy(update={"features": "vgg19", "vgg19": "seeded"})
    said = [line.split(":")[0] for line in notes(SMOKE.model_copy(update={"networks": networks}), on_cpu=False)]
    assert "networks.vgg19" not in said


def test_st_lpips_is_always_looked_through() -> None:
    networks = SMOKE.networks.model_copy(update={"shift_tolerant_alexnet": "seeded"})
    assert "networks.shift" not in "".join(notes(SMOKE.model_copy(update={"networks": networks}), on_cpu=False))
    assert SMOKE.networks.shift_tolerant_alexnet == "package"


def test_results_of_the_former_layout_say_what_runs_again(tmp_path: Path) -> None:
    assert of_former_layout(tmp_path) == []
    for header, lines in (("image,width,height,sha256", 0), ("picture,width,height,sha256", 1)):
        (tmp_path / "index").mkdir(exist_ok=True)
        (tmp_path / "index/scenes.csv").write_text(f"{header}\n")
        told = of_former_layout(tmp_path)
        assert len(told) == lines
        assert all("those of the embedded teacher are made again" in line for line in told)
