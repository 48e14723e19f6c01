"""Jobs side by side take a GPU each; a claim lives as long as its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from styledistill.core.runtime import claim, pick_device

SRC = Path(__file__).parents[2] / "src"
GPUS = ["first", "second"]
HOLD = "import sys; from pathlib import Path; from styledistill.core.runtime import claim; "
HOLD += "print(claim(sys.argv[2:], Path(sys.argv[1])), flush=True); sys.stdin.read()"


def job(folder: Path) -> subprocess.Popen[str]:
    """A process that claims a GPU and lives until it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *GPUS],
        env={"PYTHONPATH": str(SRC)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_jobs_side_by_side_take_a_gpu_each_and_leave_it_when_killed(tmp_path):
    with job(tmp_path) as first, job(tmp_path) as second:
        assert sorted(process.stdout.readline().strip() for process in (first, second)) == ["0", "1"]
        assert claim(GPUS, tmp_path) == 0  # all are taken: better two on one than none
        second.kill()
        first.kill()
    assert [claim(GPUS, tmp_path), claim(GPUS, tmp_path)] == [0, 1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_the_cpu_is_taken_where_no_gpu_is():
    assert pick_device("auto") == torch.device("cpu")
