"""What containers are told of the machine: folders to see, a GPU, images that are missing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml
from running import ROOT, SMOKE

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.plan import containers


def _bound(given: dict[str, str] | None = None, **changes) -> list[str]:
    values = {**yaml.safe_load(SMOKE.read_text()), **changes}
    return containers.environment(config.validate(values), ROOT, given or {})["APPTAINER_BIND"].split(",")


def _sources(path: Path) -> dict:
    sources = yaml.safe_load(SMOKE.read_text())["sources"]
    return {**sources, "paintings": {"kind": "folder", "path": str(path)}}


def test_the_project_and_the_paths_of_the_configuration_are_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paintings").mkdir()
    (tmp_path / "vgg19.pth").touch()
    bound = _bound(sources=_sources(tmp_path / "paintings"), networks={"vgg19": str(tmp_path / "vgg19.pth")})
    assert {str(ROOT), str(tmp_path / "paintings"), str(tmp_path / "vgg19.pth")} <= set(bound)


def test_a_linked_folder_is_seen_where_it_lies(tmp_path, monkeypatch):
    work, disk = tmp_path / "work", tmp_path / "disk"
    work.mkdir()
    disk.mkdir()
    (work / "resources").symlink_to(disk)
    monkeypatch.chdir(work)
    assert str(disk) in _bound()


def test_what_is_not_there_is_not_bound_for_apptainer_would_stop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(Path(path).exists() for path in _bound(sources=_sources(tmp_path / "missing")))


def test_what_the_user_binds_stays_and_a_second_process_adds_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = _bound({"APPTAINER_BIND": "/data:/mnt/data:ro"})
    assert first[0] == "/data:/mnt/data:ro"
    assert _bound({"APPTAINER_BIND": ",".join(first)}) == first


def test_a_path_that_apptainer_cannot_be_told_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old, new").mkdir()
    with pytest.raises(UserError, match=r"old, new.*comma"):
        _bound(sources=_sources(tmp_path / "old, new"))


@pytest.mark.parametrize("count", [0, 2])
def test_a_gpu_reaches_the_container_where_there_is_one(tmp_path, monkeypatch, count):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(containers, "gpus", lambda: count)
    values = config.load(SMOKE)
    assert ("APPTAINER_NV" in containers.environment(values, ROOT, {})) == (count > 0)


def test_missing_images_are_one_line_that_says_what_to_run(tmp_path):
    for name in containers.ENVIRONMENTS:
        lock = tmp_path / "envs" / f"{name}.lock"
        lock.parent.mkdir(exist_ok=True)
        lock.write_text(name)
    (line,) = containers.missing_images(tmp_path)
    assert line.endswith("Run: make containers")
    assert containers.image(tmp_path, "data").name in line
    (tmp_path / "containers").mkdir()
    for name in containers.ENVIRONMENTS:
        containers.image(tmp_path, name).touch()
    assert containers.missing_images(tmp_path) == []


def test_the_name_of_an_image_carries_the_hash_of_its_lock():
    digest = hashlib.sha256((ROOT / "envs/model.lock").read_bytes()).hexdigest()
    assert containers.image(ROOT, "model").name == f"model-{digest[:12]}.sif"


@pytest.mark.parametrize("name", ["data", "report"])
def test_data_and_report_carry_no_torch(name):
    packages = {line.split("==")[0] for line in (ROOT / f"envs/{name}.lock").read_text().splitlines() if "==" in line}
    assert packages & {"torch", "torchvision", "triton", "diffusers"} == set()
    assert "pandas" in packages


def _recipe(text: str, name: str) -> tuple[str, set[str], set[str]]:
    """Base, labels and words of pip's command in a definition or a Dockerfile, of environment `name`."""
    text = text.replace("${ENVIRONMENT}", name)
    (base,) = re.findall(r"^ *(?:ARG )?BASE=(\S+)$", text, re.M)
    labels = set(re.findall(r"\borg\.[a-z.]+\b", text))
    (pip,) = re.findall(r"/opt/env/bin/python -m pip install (.*)", text)
    return base, labels, set(pip.split())


@pytest.mark.parametrize("name", containers.ENVIRONMENTS)
def test_the_dockerfile_installs_what_the_definition_does(name):
    docker, apptainer = (
        _recipe((ROOT / "containers" / file).read_text(), name) for file in ("Dockerfile", f"{name}.def")
    )
    assert docker[:2] == apptainer[:2]
    assert docker[2] - apptainer[2] == {"--no-cache-dir"}  # Apptainer's build takes the cache of the machine
    assert apptainer[2] <= docker[2]
    assert f"/opt/{name}.lock" in docker[2]
