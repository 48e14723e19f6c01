"""The repository, the working directory, sources, a student and archives may lie anywhere, whatever the names."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from running import ROOT, SMOKE, preset, run_workflow

pytestmark = pytest.mark.slow

# Blanks, what containers' lists are cut at, patterns, formats, what shells know, and letters of others.
ODD = ["a b", "x, y", "12:30", "{c}", "[d]*?", "$HOME `e`", 'f\'s "g"', "h&;|#(i)", "~j", "-k", "ü é 字", "%l\\m", "~"]
ALL_AT_ONCE = "a b, c:d {e} [f]*? $g 'h' \"i\" &;#(j) ü"


@pytest.fixture(params=[ALL_AT_ONCE, "{x} {{y}}", "$(z) `w`", "line\nbreak"], ids=ascii)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of all that a run reads."""
    copy = tmp_path / request.param / "repository"
    for folder in ("src", "workflow", "profiles", "envs", "weights"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Snakefile", "config.yaml", "pyproject.toml"):
        shutil.copy2(ROOT / file, copy)
    return copy


def images(folder: Path, count: int = 12) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number} {{n}}.png")
    return folder


def with_photographs(path: Path, source: dict[str, object], **changes: object) -> Path:
    values = yaml.safe_load(SMOKE.read_text("utf-8"))
    golden = {**values["golden"], "contents": {"photographs": 1}}
    return preset(path, sources={**values["sources"], "photographs": source}, golden=golden, **changes)


def test_a_repository_anywhere(repository: Path, tmp_path: Path) -> None:
    targets = ["results/smoke/images/golden/c0.png", "results/smoke/graphs/stylize.onnx"]
    done = run_workflow(repository, *targets, "--cores", "1", "--configfile", str(SMOKE), repository=repository)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all((repository / target).is_file() for target in targets)
    whole = run_workflow(repository, "-n", "--cores", "1", "--configfile", str(SMOKE), repository=repository)
    assert whole.returncode == 0, whole.stderr[-3000:]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_sources_a_student_and_a_teacher_anywhere(name: str, tmp_path: Path) -> None:
    """All their jobs run: what a rule reads, and what a shell is told."""
    place = tmp_path / name
    images(place / "photographs")
    shutil.copytree(ROOT / "weights" / "tiny_student", place / "student")
    student = {"size": "tiny", "start": str(place / "student")}
    values = yaml.safe_load(SMOKE.read_text("utf-8"))
    teacher = values["teacher"] | {"weights": str(place / "teacher")}
    (place / "teacher").symlink_to(ROOT / "weights" / "tiny_teacher")
    source = {"kind": "folder", "path": f"{name}/photographs"}
    if name != "~":
        config = with_photographs(tmp_path / "c.yaml", source, student=student, teacher=teacher)
    else:  # a folder of that name, and not the home
        config = with_photographs(tmp_path / "c.yaml", source | {"path": "~/photographs"}, student=student)
    targets = ["results/smoke/index/photographs.csv"]
    done = run_workflow(tmp_path, *targets, "--cores", "1", "--configfile", str(config))
    assert done.returncode == 0, done.stderr[-3000:]
    assert len((tmp_path / targets[0]).read_text("utf-8").splitlines()) == 13
    whole = run_workflow(tmp_path, "-n", "--cores", "1", "--configfile", str(config))
    assert whole.returncode == 0 and "Traceback" not in whole.stderr, whole.stderr[-3000:]


def test_a_student_with_every_odd_letter_is_distilled_from(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "weights" / "tiny_student", tmp_path / ALL_AT_ONCE)
    config = preset(tmp_path / "c.yaml", student={"size": "tiny", "start": str(tmp_path / ALL_AT_ONCE)})
    target = "results/smoke/graphs/stylize.onnx"
    done = run_workflow(tmp_path, target, "--cores", "1", "--configfile", str(config))
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", ["[d]*?.tar", "{00..01}.tar", "a, b {c}.tar"])
def test_an_archive_that_is_there_is_no_pattern(name: str, tmp_path: Path) -> None:
    images(tmp_path / "in")
    with tarfile.open(tmp_path / name, "w") as archive:
        archive.add(tmp_path / "in", ".")
    config = with_photographs(tmp_path / "c.yaml", {"kind": "archive", "address": str(tmp_path / name)})
    target = "results/smoke/index/photographs.csv"
    done = run_workflow(tmp_path, target, "--cores", "1", "--configfile", str(config))
    assert done.returncode == 0, done.stderr[-3000:]
    assert len((tmp_path / target).read_text("utf-8").splitlines()) == 13


@pytest.mark.parametrize("where", ["repository", "directory", "source"])
def test_what_containers_cannot_do_is_said_in_one_line(where: str, tmp_path: Path) -> None:
    repository, folder = tmp_path / "repository", tmp_path / "work"
    names = {"repository": "a b", "directory": "c {d}", "source": "e, f"}
    if where == "repository":
        repository = tmp_path / names[where]
        repository.symlink_to(ROOT)
    if where == "directory":
        folder = tmp_path / names[where]
    folder.mkdir()
    config = SMOKE
    if where == "source":
        path = images(tmp_path / names[where])
        config = with_photographs(tmp_path / "c.yaml", {"kind": "folder", "path": str(path)})
    arguments = ["-n", "--use-singularity", "--cores", "1", "--configfile", str(config)]
    done = run_workflow(folder, *arguments, repository=repository if where == "repository" else ROOT)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0 and len(errors) == 1, done.stderr[-2000:]
    assert names[where] in errors[0] and "containers" in errors[0] and "Rename" in errors[0]
