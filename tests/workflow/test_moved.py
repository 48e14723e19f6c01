"""A finished run knows embedded weights by their bytes, and itself from any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from naming import DISTILLED, TABLES, TAUGHT
from running import ROOT, SMOKE, environment, planned, preset

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The program as a fresh clone has it: every file of this minute, weights too."""
    copy = tmp_path / "a new {place}"
    for folder in ("src", "workflow", "profiles", "envs", "weights"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "Snakefile", copy)
    for path in copy.rglob("*"):
        os.utime(path)
    return copy


def test_results_in_a_fresh_clone_have_nothing_to_do(smoke_copy: Path, checkout: Path) -> None:
    """Nor where the weights lie beside the program and not beside the results."""
    (smoke_copy / "weights").unlink()
    assert planned(smoke_copy, SMOKE, repository=checkout) == set()


@pytest.mark.parametrize(
    ("file", "follows"),
    [
        ("micro/student.safetensors", DISTILLED | {"trace_onnx"}),
        ("tiny_teacher/null_text.safetensors", TAUGHT),
    ],
)
def test_other_bytes_of_embedded_weights_are_noticed(
    file: str, follows: set[str], smoke_copy: Path, checkout: Path
) -> None:
    (smoke_copy / "weights").unlink()
    path = checkout / "weights" / file
    data, facts = bytearray(path.read_bytes()), path.stat()
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert planned(smoke_copy, SMOKE, repository=checkout) >= follows


def test_another_order_of_losses_is_another_order_of_rows(smoke: Path, tmp_path: Path) -> None:
    losses = yaml.safe_load(SMOKE.read_text("utf-8"))["losses"]
    config = preset(tmp_path / "c.yaml", losses=dict(reversed(losses.items())))
    jobs = planned(smoke, config)
    assert jobs >= TABLES and not jobs & {"distill mse", "distill gram50"}


@pytest.mark.parametrize("absolute", [True, False])
def test_verify_works_from_any_folder(absolute: bool, smoke: Path, tmp_path: Path) -> None:
    run = smoke / "results" / "smoke"
    named = str(run if absolute else os.path.relpath(run, tmp_path))
    command = [sys.executable, str(ROOT / "src" / "verify.py"), named]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every file is what was made" in done.stdout


def test_verify_checks_the_store_beside_the_run(smoke_copy: Path, tmp_path: Path) -> None:
    stored = min((smoke_copy / "resources" / "pairs").glob("*/*/*.png"))
    stored.write_bytes(stored.read_bytes() + b"x")
    command = [sys.executable, str(ROOT / "src" / "verify.py"), str(smoke_copy / "results" / "smoke")]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"damaged: {stored}: not the image that was stored" in done.stdout
