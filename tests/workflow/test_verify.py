"""A flipped byte anywhere in a finished run: found where a hash is kept, and mended by remaking that alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT, SMOKE, environment, run_workflow

pytestmark = pytest.mark.slow

RUN = Path("results/smoke")


def flip(path: Path) -> bytes:
    """Change one bit in the middle of a file, with its time kept; returns the bytes before."""
    before, facts = path.read_bytes(), path.stat()
    damaged = bytearray(before)
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(bytes(damaged))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return before


def verified(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "src/verify.py"), str(RUN), "--configfile", str(SMOKE)]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def advice(said: str) -> list[str]:
    """The arguments of the command that mends the run."""
    (line,) = re.findall(r"^remake: snakemake (.*)$", said, re.M)
    return line.split()


def test_a_whole_run_is_called_whole(smoke):
    done = verified(smoke)
    assert (done.returncode, done.stdout) == (0, f"{RUN}: every file is what was made\n"), done.stderr


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    done = verified(tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"error: {RUN}: no shards here, so nothing to check: is this the folder of a run?\n"


def test_what_has_a_hash_is_found_and_remade_alone(smoke_copy):
    run = smoke_copy / RUN
    files = [
        "images/train/0000/c01.png",
        "images/val/0000/s02.png",
        "teacher/train/0000/c02_s01.png",
        "shards/train/0001.tar",
        "students/mse/student.safetensors",
    ]
    others = {path: path.read_bytes() for kind in ("png", "tar", "safetensors") for path in run.rglob(f"*.{kind}")}
    before = {file: flip(run / file) for file in files}
    done = verified(smoke_copy)
    assert done.returncode == 1
    damaged = [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("damaged")]
    assert sorted(damaged) == sorted(str(RUN / file) for file in files)
    made = run_workflow(smoke_copy, *advice(done.stdout))
    assert made.returncode == 0, made.stderr[-3000:]
    assert [file for file in files if (run / file).read_bytes() != before[file]] == []
    assert [path for path in others if path.read_bytes() != others[path]] == []
    assert verified(smoke_copy).returncode == 0


def test_a_damaged_stored_pair_is_to_be_removed(smoke_copy):
    stored = next((smoke_copy / "resources/pairs").glob("*/*/*.png"))
    flip(stored)
    done = verified(smoke_copy)
    assert f"remove: rm {stored.relative_to(smoke_copy)}" in done.stdout


def test_other_weights_of_the_teacher_are_found(smoke_copy):
    (smoke_copy / "weights").unlink()
    shutil.copytree(ROOT / "weights", smoke_copy / "weights")
    (unet,) = (smoke_copy / "weights/tiny_teacher/unet").glob("*.safetensors")
    flip(unet)
    done = verified(smoke_copy)
    assert "damaged: weights/tiny_teacher: not the weights that results/smoke/shards/README.md names" in done.stdout


def test_a_golden_picture_that_cannot_be_read_is_found(smoke_copy):
    """No hash is kept of the golden set: only what cannot be decoded is noticed."""
    path = smoke_copy / RUN / "golden/mse/c0_s0.png"
    path.write_bytes(path.read_bytes()[:200])
    assert f"damaged: {RUN}/golden/mse/c0_s0.png: " in verified(smoke_copy).stdout
