"""Runs inside the real images: the same results as outside, and nothing that a user has to remember."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from PIL import Image
from running import ROOT, planned, run_workflow
from small import IMAGES, LOCAL, PATIENCE, made, small_config

from styledistill.run import containers


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of this one without its images."""
    copy = tmp_path / "project"
    hidden = (".git", ".venv", ".snakemake", "results", "resources", "*.sif", "tests", "__pycache__")
    return shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*hidden))


def _inside(name: str, *command: str) -> subprocess.CompletedProcess:
    image = containers.image(ROOT, name)
    return subprocess.run(["apptainer", "exec", image, *command], capture_output=True, text=True, check=False)


def test_a_run_in_containers_makes_the_same_images_and_weights(contained, plain, tmp_path):
    config = str(small_config(tmp_path))
    done = run_workflow(tmp_path, "--use-singularity", *LOCAL, config, timeout=PATIENCE)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert made(tmp_path / "results/small") == made(plain)
    assert (tmp_path / "results/small/report.html").is_file()
    # Where there is no GPU, Apptainer has nothing to say about one.
    logs = "".join(path.read_text() for path in (tmp_path / "results/small/logs").rglob("*.log"))
    assert "nvidia" not in (said + logs).lower()
    python = json.loads((tmp_path / "results/small/index/scenes.run.json").read_text())["versions"]["python"]
    assert python == _inside("data", "python", "-c", "import platform; print(platform.python_version())").stdout.strip()
    # And without containers there is nothing left to do.
    again = run_workflow(tmp_path, "--dry-run", *LOCAL, config)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_containers_switched_on_after_a_plain_run_and_new_images_redo_nothing(apptainer, plain, project):
    def switched_on(*triggers: str) -> set[str]:
        words = ("--use-singularity", *triggers, *IMAGES)
        return planned(plain.parents[1], plain.parents[1] / "small.yaml", *words, repository=project)

    assert switched_on() == set()
    for lock in (project / "envs").glob("*.lock"):
        lock.write_text(lock.read_text() + "# another\n")
    assert switched_on() == set()
    assert "teach val 0000" in switched_on("--rerun-triggers", "software-env")


def test_what_lies_outside_the_project_is_seen_also_through_links_and_from_another_directory(
    contained, tmp_path, monkeypatch
):
    monkeypatch.setenv("APPTAINER_NO_MOUNT", "tmp")  # pytest's folders lie there, and it would be seen anyway
    work, disk, outside = tmp_path / "work", tmp_path / "disk", tmp_path / "outside"
    for folder in (work, disk / "resources", disk / "images", outside):
        folder.mkdir(parents=True)
    for number in range(20):
        Image.new("RGB", (80, 70), (12 * number, 90, 200)).save(disk / "images" / f"{number:02d}.png")
    with zipfile.ZipFile(outside / "faces.zip", "w") as archive:
        for path in (disk / "images").iterdir():
            archive.write(path, path.name)
    # As on clusters: finished pairs and results lie on another disk, and images below a link to one.
    (work / "resources").symlink_to(disk / "resources")
    (tmp_path / "scratch").symlink_to(disk)
    config = yaml.safe_load(small_config(tmp_path).read_text())
    config["sources"]["paintings"] = {"kind": "folder", "path": str(tmp_path / "scratch" / "images")}
    config["sources"]["faces"] = {"kind": "archive", "address": str(outside / "faces.zip")}
    (tmp_path / "outside.yaml").write_text(yaml.safe_dump(config))
    target = "results/small/teacher/val/0000/c00_s00.png"
    done = run_workflow(work, target, "--use-singularity", *LOCAL, str(tmp_path / "outside.yaml"), timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert Image.open(work / "results/small/images/val/0000/s00.png").size == (64, 64)
    assert list(disk.rglob("resources/**/*.png"))  # the store


def test_data_and_report_images_carry_no_torch(contained):
    for name in ("data", "report"):
        found = _inside(name, "python", "-c", "import pandas, torch")
        assert "No module named 'torch'" in found.stderr


@pytest.mark.parametrize("name", containers.ENVIRONMENTS)
def test_an_image_says_what_is_inside(contained, name):
    image = containers.image(ROOT, name)
    said = subprocess.run(["apptainer", "inspect", "--json", image], capture_output=True, text=True, check=True).stdout
    labels = json.loads(said)["data"]["attributes"]["labels"]
    assert labels["org.styledistill.lock"] == image.stem.split("-")[1]
    assert f'version = "{labels["org.opencontainers.image.version"]}"' in (ROOT / "pyproject.toml").read_text()
    shown = subprocess.run(["apptainer", "run-help", image], capture_output=True, text=True, check=True).stdout
    assert "StyleDistill" in shown


def test_an_image_holds_nothing_of_the_machine_that_built_it(contained):
    assert _inside("data", "ls", "-A", "/mnt").stdout == ""
    definition = _inside("data", "cat", "/.singularity.d/Singularity").stdout
    assert "pip install" in definition
    assert "index-url" not in definition


def test_without_images_one_line_says_make_containers_before_any_job(apptainer, tmp_path, project):
    config = str(small_config(tmp_path))
    done = run_workflow(tmp_path, "--use-singularity", *LOCAL, config, repository=project)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert errors[0].endswith("Run: make containers")
    assert not Path(tmp_path / "results").exists()
