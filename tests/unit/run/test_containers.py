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
from styledistill.run import containers


def _bound(given: dict[str, str] | None = None, **changes) -> list[str]:
    values = {**yaml.safe_load(SMOKE.read_text()), **changes}
    return containers.environment(config.validate(values), ROOT, given or {})["APPTAINER_BIND"].split(",")


def _sources(place: Path | str, kind: str = "folder", **more: str) -> dict:
    sources = yaml.safe_load(SMOKE.read_text())["sources"]
    key = "address" if kind == "archive" else "path"
    return {**sources, "paintings": {"kind": kind, key: str(place), **more}}


def test_the_project_and_the_paths_of_the_configuration_are_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paintings").mkdir()
    (tmp_path / "vgg19.pth").touch()
    bound = _bound(sources=_sources(tmp_path / "paintings"), networks={"vgg19": str(tmp_path / "vgg19.pth")})
    assert {str(ROOT), str(tmp_path / "paintings"), str(tmp_path / "vgg19.pth")} <= set(bound)


def _outside(**section: str) -> dict:
    return {"stylizers": {"other": section}}


def _program(command: str, **more: str) -> dict:
    return {"method": "command", "command": command, **more}


# What a run may open, each with a way to set it to a path.
PATHS = {
    "FolderSource.path": lambda path: {"sources": _sources(path)},
    "ArchiveSource.address": lambda path: {"sources": _sources(path, kind="archive")},
    "TripletsSource.path": lambda path: {"sources": _sources(path, kind="triplets", take="content")},
    "Teacher.command": lambda path: {"teacher": _program(f"paint --net={path} {{pairs}}")},
    "Teacher.version_command": lambda path: {"teacher": _program("paint {pairs}", version_command=f"cat {path}")},
    "FolderStylizer.path": lambda path: _outside(kind="folder", path=str(path)),
    "FolderStylizer.validation": lambda path: _outside(kind="folder", path="nowhere", validation=str(path)),
    "OnnxStylizer.path": lambda path: _outside(kind="onnx", path=str(path)),
    "Teacher.weights": lambda path: {"teacher": {"weights": str(path)}},
    "Student.start": lambda path: {"student": {"start": str(path)}},
    "Student.pretrained": lambda path: {"student": {"start": "nowhere", "pretrained": str(path)}},
    **{f"Networks.{name}": lambda path, name=name: {"networks": {name: str(path)}} for name in config.NETWORKS},
}
# Other words that a configuration may hold.
WORDS = {
    *(
        f"{kind}Source.{key}"
        for kind in ("Procedural", "Folder", "Skimage", "Triplets", "Archive", "Hub", "HubTriplets")
        for key in config.RIGHTS
    ),
    *(f"{kind}Source.pattern" for kind in ("Folder", "Archive", "Hub", "HubTriplets")),
    *(f"{kind}Source.{key}" for kind in ("Hub", "HubTriplets") for key in ("repo", "revision", "files")),
    *("HubSource.column", "Roles.content", "Roles.style", "Roles.target"),
    *(f"{kind}Stylizer.version" for kind in ("Folder", "Onnx", "Python")),
    "PythonStylizer.function",
    *("ArchiveSource.sha256", "ArchiveSource.md5", "DatasetSource.name", "Config.run", "Config.device"),
}


def _says_a_text(key: dict) -> bool:
    return (key.get("type") == "string" and not {"enum", "const"} & set(key)) or any(
        map(_says_a_text, key.get("anyOf", []))
    )


def test_every_key_that_holds_a_text_is_known_as_a_path_or_as_none():
    """A new key fails here: add it to WORDS, or to PATHS, and then to containers._paths."""
    schema = config.json_schema()
    sections = {"Config": schema, **schema["$defs"]}
    found = {
        f"{name}.{key}"
        for name, section in sections.items()
        for key, value in section.get("properties", {}).items()
        if _says_a_text(value)
    }
    assert found == {*PATHS, *WORDS}


@pytest.mark.parametrize("key", PATHS)
def test_every_path_of_the_configuration_is_seen_under_its_own_name_and_the_real_one(key, tmp_path, monkeypatch):
    work, disk = tmp_path / "work", tmp_path / "disk"
    for folder in (work, disk / "deep"):
        folder.mkdir(parents=True)
    (disk / "deep" / "thing.zip").touch()
    (tmp_path / "way").symlink_to("disk")
    (tmp_path / "link").symlink_to(tmp_path / "way" / "deep")
    monkeypatch.chdir(work)
    bound = _bound(**PATHS[key](tmp_path / "link" / "thing.zip"))
    ways = ["disk/deep/thing.zip", "way/deep/thing.zip", "link/thing.zip"]  # what a link leads to before the link
    assert [path for path in bound if path.endswith("thing.zip")] == [str(tmp_path / way) for way in ways]


def test_the_module_of_a_stylizer_in_the_working_directory_is_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outsider.py").touch()
    assert str(tmp_path / "outsider.py") in _bound(**_outside(kind="python", function="outsider:draw"))


def test_the_folders_of_several_archives_are_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("a", "b"):
        (tmp_path / part / "deep").mkdir(parents=True)
    bound = _bound(sources=_sources(tmp_path / "{a,b}" / "*" / "{00..19}.tar", kind="archive"))
    assert {str(tmp_path / "a"), str(tmp_path / "b")} <= set(bound)


def test_an_archive_on_a_server_is_no_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not any("example.org" in path for path in _bound(sources=_sources("https://example.org/a.zip", "archive")))


def test_the_configuration_beside_a_file_of_weights_is_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sd14.ckpt").touch()
    (tmp_path / "sd14").mkdir()
    assert {str(tmp_path / "sd14.ckpt"), str(tmp_path / "sd14")} <= set(_bound(teacher={"weights": "sd14.ckpt"}))


def test_the_hub_s_folder_below_a_link_is_seen_under_the_name_that_its_client_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk" / "hub").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    found = containers.environment(config.load(SMOKE), ROOT, {"HF_HOME": str(tmp_path / "home/hub")})
    assert found["HF_HOME"] in found["APPTAINER_BIND"].split(",")


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
