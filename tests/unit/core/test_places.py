"""Where a named thing lies: decided once, from any folder, whatever is in its name."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from itertools import chain, product
from pathlib import Path

import numpy as np
import pytest
import yaml

from styledistill import config
from styledistill.core import places
from styledistill.core.errors import UserError
from styledistill.run import preflight

ROOT = Path(__file__).parents[3]
HUB = ["CompVis/stable-diffusion-v1-4", "someone/tiny", "a1/b.c_d-e", "stabilityai/stable-diffusion-2-1-base"]
NO_HUB = [
    "models/sd14", "weights/sd14", "Models/SD14", "someone/v1-5.safetensors", "someone/v1.CKPT", "~/sd14", "~user/sd14",
    "./sd14", "../sd14", "/sd14", "sd14", "a/b/c", "a b/c", "a/b c", "x--y/z", "a/b..c", "a/", "/b", "", "data/x",
]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path


def test_what_the_hub_is_asked_for(elsewhere: Path) -> None:
    assert [name for name in HUB if not places.hub_id(name)] == []
    assert [name for name in NO_HUB if places.hub_id(name)] == []
    (elsewhere / "someone").mkdir()  # then it means what should lie there
    assert not places.hub_id("someone/tiny")


def test_a_name_of_the_hub_is_what_its_own_library_takes() -> None:
    errors = pytest.importorskip("huggingface_hub.errors")
    utils = pytest.importorskip("huggingface_hub.utils")

    def taken(name: str) -> bool:
        try:
            utils.validate_repo_id(name)
        except errors.HFValidationError:
            return False
        return name.count("/") == 1  # it takes a name without its owner too

    parts = [*map("".join, chain.from_iterable(product("a_-.é ", repeat=length) for length in range(4)))]
    parts += ["Z9", "git", "a.git", ".git", "a.gitx", "a.GIT", "a\n", "a" * 96, "a" * 97, "a-" * 48 + "a", "a.-" * 32]
    names = ["a", *(f"{one}/{other}" for one in parts for other in ("b", "a.b-c"))]
    names += [*(f"{one}/{other}" for one in ("b", "a.b-c") for other in parts), "a/b/c", "a/b\n", "\na/b", "a//b"]
    assert {True, False} == set(map(taken, names))
    assert [name for name in names if places.hub_name(name) != taken(name)] == []
    kinds = config.json_schema()["$defs"]
    assert {kinds[kind]["properties"]["repo"]["pattern"] for kind in ("HubSource", "HubTripletsSource")} == {
        places.HUB_NAME
    }


def refusal(script: str, *arguments: object) -> str:
    begun = time.monotonic()
    folder = "src/steps" if script == "teacher_weights" else "src"
    command = [sys.executable, ROOT / folder / f"{script}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert time.monotonic() - begun < 60
    return done.stderr


@pytest.mark.parametrize("name", ["~/sd14", "models/sd14", "someone/v1-5.safetensors"])
def test_a_missing_folder_is_told_at_once(name: str) -> None:
    assert "no hub id (owner/name), and there is nothing there" in refusal("teacher_weights", name)
    values = yaml.safe_load((ROOT / "workflow/presets/smoke.yaml").read_text("utf-8"))
    values["teacher"]["weights"] = name
    (line,) = preflight.check(config.validate(values))
    assert line.startswith("teacher.weights: nothing at ") and name.removeprefix("~") in line


def test_the_home_folder(elsewhere: Path) -> None:
    (elsewhere / "home" / "x").touch()
    assert places.found("~/x") == elsewhere / "home" / "x"
    assert places.found("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    source = config.FolderSource(kind="folder", path="~/images")
    assert source.path == str(elsewhere / "home" / "images")
    (elsewhere / "~").mkdir()
    (elsewhere / "~" / "x").touch()
    assert places.found("~/x") == Path("~/x")


@pytest.mark.parametrize("path", ["", " ", "a\0b"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(UserError, match=r"sources\.a\.path: is no path"):
        config.validate({"sources": {"a": {"kind": "folder", "path": path}}})


def test_a_folder_whose_name_is_a_blank(elsewhere: Path) -> None:
    (elsewhere / " ").mkdir()
    assert config.FolderSource(kind="folder", path=" ").path == " "


@pytest.mark.parametrize("name", ["[d]*?.tar", "{00..01}.tar", "a{b,c}.tar", "*.tar"])
def test_what_is_there_is_no_pattern(name: str, elsewhere: Path) -> None:
    (elsewhere / name).touch()
    (elsewhere / "d1.tar").touch()
    assert places.meant(name) == [Path(name)]
    assert places.meant(str(elsewhere / name)) == [elsewhere / name]
    assert not places.is_pattern(name)


def test_patterns_of_several(elsewhere: Path) -> None:
    for name in ("00.tar", "01.tar", "x1.tar"):
        (elsewhere / name).touch()
    assert places.meant("{00..02}.tar") == [Path("00.tar"), Path("01.tar"), Path("02.tar")]
    assert places.meant("[0x]1.tar") == [Path("01.tar"), Path("x1.tar")]
    assert places.meant(f"{elsewhere}/*.tar") == sorted(elsewhere.glob("*.tar"))


@pytest.mark.parametrize("out", ["train.json", "x/../train.json", "./train.json", "x/train.json"])
def test_a_manifest_with_dots_in_its_path(out: str, elsewhere: Path) -> None:
    from styledistill.core.files import read_json
    from styledistill.core.images import encode_png
    from styledistill.shards.write import Pair, write_manifest, write_shard

    png = encode_png(np.zeros((8, 8, 3), np.uint8))
    write_shard(elsewhere / "train" / "0000.tar", [Pair("train_0000_c00_s00", png, png, png, {}, {})])
    (elsewhere / "x").mkdir()
    write_manifest(out, "train", 1, [Path("train/0000.tar")])
    (entry,) = read_json(out)["shards"]
    assert (Path(out).parent / entry["file"]).is_file()
    assert entry["file"] == ("../" if out == "x/train.json" else "") + "train/0000.tar"


def test_weights_are_known_by_their_bytes(elsewhere: Path) -> None:
    embedded = places.weights_mark("weights/tiny_student")
    copy = shutil.copytree(ROOT / "weights" / "tiny_student", elsewhere / "my student")
    assert embedded.startswith("weights ") and places.weights_mark(str(copy)) == embedded
    other = shutil.copytree(copy, elsewhere / "other")
    data = bytearray((other / "student.safetensors").read_bytes())
    data[-1] ^= 1
    (other / "student.safetensors").write_bytes(data)
    assert places.weights_mark("other") not in ("", embedded)
    assert places.weights_mark("nowhere") == places.weights_mark("someone/tiny") == ""


def test_a_start_of_another_architecture_is_told() -> None:
    values = yaml.safe_load((ROOT / "workflow/presets/smoke.yaml").read_text("utf-8"))
    assert list(preflight.check(config.validate(values))) == []
    values["student"] = {"architecture": "micro", "start": "weights/tiny_student"}
    (line,) = preflight.check(config.validate(values))
    assert line == "student.architecture: weights/tiny_student holds sttr, not micro. Set it to sttr."
