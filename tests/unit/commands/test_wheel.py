"""The package as others install it: a wheel in an environment that has nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# What pip says where no index can be reached, or where it lacks a package.
UNREACHED = re.compile(
    r"No matching distribution found for (\S+)|(Could not fetch|NewConnectionError|Failed to connect.*)"
)


def names(requirements: list[str]) -> set[str]:
    """Names of packages, as an index compares them."""
    return {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in requirements}


def required(file: Path) -> set[str]:
    """What a file of envs/ names, with the files that it takes in."""
    lines = file.read_text().split("\n")
    taken = [required(file.with_name(line.removeprefix("-r "))) for line in lines if line.startswith("-r ")]
    return set().union(names([line for line in lines if line and not line.startswith("-")]), *taken)


def test_the_package_asks_for_what_the_environments_name():
    known = names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["train"])
    assert required(ROOT / "envs/run.in") <= known
    assert names(PROJECT["dependencies"]) & {"torch", "torchvision", "transformers", "diffusers"} == set()


def pip(python: Path, *words: str | Path) -> None:
    """Run pip; skip the test, and say what is missing, where it cannot reach what it needs."""
    done = subprocess.run([python, "-m", "pip", *words], capture_output=True, text=True, check=False)
    if done.returncode and (missing := UNREACHED.search(done.stdout + done.stderr)):
        pytest.skip(f"no package index has {missing[1] or 'been reached'}: pip {' '.join(map(str, words))}")
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    programs = folder / "environment" / "bin"
    pip(programs / "python", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("styledistill-*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert "styledistill/weights/micro/student.safetensors" in held
    assert wheel.stat().st_size < 5_000_000 and not [name for name in held if "tiny" in name and "weights" in name]
    pip(programs / "python", "install", "--quiet", wheel)
    return programs


def call(folder: Path, *words: str | Path) -> subprocess.CompletedProcess:
    """A program of the environment, from a folder outside the repository."""
    environment = {
        "PATH": f"{Path(words[0]).parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": os.environ.get("LANG", "C"),
    }
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_the_command_works_without_torch_and_without_the_repository(installed: Path, tmp_path: Path):
    assert call(tmp_path, installed / "python", "-c", "import torch").returncode
    listed = call(tmp_path, installed / "styledistill", "--help")
    assert listed.returncode == 0 and "stylize" in listed.stdout, listed.stderr
    for name in ("stylize", "score"):
        done = call(tmp_path, installed / "styledistill", name, "--help")
        assert done.returncode == 0 and f"Usage: styledistill {name}" in done.stdout, done.stderr


@pytest.mark.long
def test_the_package_carries_a_student(installed: Path, tmp_path: Path):
    code = "from styledistill.core.places import embedded; print(embedded('micro'))"
    done = call(tmp_path, installed / "python", "-c", code)
    assert done.returncode == 0 and installed.parent in Path(done.stdout.strip()).parents, done.stderr
    image = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(image)
    done = call(tmp_path, installed / "styledistill", "stylize", image, image, "-o", "out.png")
    assert done.returncode == 0 and Image.open(tmp_path / "out.png").size == (48, 40), done.stderr
    for name in ("weights/micro", "micro"):
        code = f"from styledistill import Student; Student.from_pretrained({name!r})"
        done = call(tmp_path, installed / "python", "-c", code)
        assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_records_tell_the_version_that_is_installed(installed: Path, tmp_path: Path):
    code = "from styledistill.core.provenance import run_record\nwith run_record('x.run.json', 'weights', {}): pass"
    done = call(tmp_path, installed / "python", "-c", code)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "x.run.json").read_text())
    assert record["versions"]["styledistill"] == PROJECT["version"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["explain", "resume"])
def test_what_the_bare_package_cannot_do_is_told_in_one_line(name: str, installed: Path, tmp_path: Path):
    done = call(tmp_path, installed / "styledistill", name)
    line = r"error: \w+ is not installed, which this needs: pip install 'styledistill\[train\]', .*\n"
    assert done.returncode == 1 and re.fullmatch(line, done.stderr), done.stderr


@pytest.mark.long
def test_the_package_knows_its_version(installed: Path, tmp_path: Path):
    for words in ([installed / "styledistill"], [installed / "python", "-m", "styledistill"]):
        done = call(tmp_path, *words, "--version")
        assert (done.returncode, done.stdout) == (0, f"styledistill {PROJECT['version']}\n"), done.stderr
