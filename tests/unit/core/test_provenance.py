"""What a stage writes about itself: hashes of what it made, versions of what decides that, and a hash of itself."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from styledistill.core.files import sha256_bytes, write_text
from styledistill.core.provenance import RECORDED, read_record, run_record

ENVIRONMENTS = Path(__file__).parents[3] / "envs"
# They carry words and settings, and decide nothing of a result.
_DECIDE_NOTHING = {
    "braceexpand",
    "click",
    "filelock",
    "fsspec",
    "httpx2",
    "huggingface_hub",
    "pydantic",
    "pyyaml",
    "tqdm",
}


def test_every_direct_dependency_that_decides_a_result_is_recorded():
    """Else parts made with different versions of it would not be warned of."""
    lines = [
        line for name in ("data", "model", "report") for line in (ENVIRONMENTS / f"{name}.in").read_text().splitlines()
    ]
    direct = {re.split(r"[=<>\[;# ]", line)[0] for line in lines if line and not line.startswith(("-r", "#"))}
    assert set(RECORDED) == direct - _DECIDE_NOTHING
    assert direct > _DECIDE_NOTHING


def test_versions_of_what_is_here_are_written(tmp_path):
    with run_record(tmp_path / "a.run.json", "crop", {}):
        pass
    assert {"python", "isal", "numpy", "pillow", "scikit-image"} <= set(
        read_record(tmp_path / "a.run.json")["versions"]
    )


def test_the_run_s_files_are_hashed_and_those_of_all_runs_are_not(tmp_path, monkeypatch):
    run, shared = tmp_path / "results/one", tmp_path / "resources"
    write_text(run / "golden/mse/before.png", "made by an earlier stage")
    monkeypatch.setenv("STYLEDISTILL_RUN", str(run))
    monkeypatch.chdir(tmp_path)
    with run_record("results/one/golden/mse/render.run.json", "render", {}):
        for path in (run / "golden/mse/a.png", Path("results/one/validation/mse/b.png"), shared / "pairs/c.png"):
            write_text(path, "first")
        write_text(run / "golden/mse/a.png", "last")
        write_text(run / "golden/mse/gone.png", "")
        (run / "golden/mse/gone.png").unlink()
    known = read_record(run / "golden/mse/render.run.json")["sha256"]
    assert known == {"a.png": sha256_bytes(b"last"), "../../validation/mse/b.png": sha256_bytes(b"first")}


def test_a_script_that_no_workflow_started_hashes_what_lies_beside_its_record(tmp_path, monkeypatch):
    monkeypatch.delenv("STYLEDISTILL_RUN", raising=False)
    with run_record(tmp_path / "out/a.run.json", "crop", {}):
        write_text(tmp_path / "out/a.png", "")
        write_text(tmp_path / "pairs/b.png", "")
    assert list(read_record(tmp_path / "out/a.run.json")["sha256"]) == ["a.png"]


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b"\xff" + b[1:], lambda b: b"[]"])
def test_a_record_that_cannot_be_read_is_refused(tmp_path, damage):
    path = tmp_path / "a.run.json"
    with run_record(path, "crop", {"size": 64, "schedule": (0.1, 1e-7), "none": None}):
        pass
    assert read_record(path)["settings"] == {"size": 64, "schedule": [0.1, 1e-7], "none": None}
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError):
        read_record(path)


def test_no_bit_of_a_record_can_change_what_it_says(tmp_path):
    path = tmp_path / "a.run.json"
    with run_record(path, "crop", {"size": 64}):
        write_text(tmp_path / "a.png", "")
    whole, said = path.read_bytes(), read_record(path)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert read_record(path) == said  # a blank between two words
        except ValueError:
            continue
        assert json.loads(path.read_bytes()) == json.loads(whole)


@pytest.mark.parametrize(("value", "count"), [("4,2", 4), ("", os.cpu_count()), ("many", os.cpu_count())])
def test_a_record_is_written_whatever_stands_for_the_number_of_threads(tmp_path, monkeypatch, value, count):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with run_record(tmp_path / "a.run.json", "index", {}):
        pass
    assert read_record(tmp_path / "a.run.json")["threads"] == count
