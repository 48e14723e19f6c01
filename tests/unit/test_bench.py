"""The script for a GPU runs, at a size for a CPU: what it measures there says nothing, but each part ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_every_part_of_the_script_for_a_gpu_runs_on_a_cpu(tmp_path):
    words = [sys.executable, str(ROOT / "tests" / "bench" / "gpu.py"), "--tiny", "--out", str(tmp_path / "gpu.json")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert set(found["parts"]) == {"engine", "plain", "sttr", "micro", "compiled", "graphs"}
    assert not [one for one in found["parts"].items() if "failed" in one[1]], found["parts"]
    losses = {"mse, batch 2", "gram30, batch 2"}
    assert [set(found["parts"][name]) for name in ("sttr", "micro")] == [losses, losses]
    assert all(row["measured"] > 0 and row["limit"] is None for row in found["rows"])


def test_a_part_that_has_no_time_left_is_named_and_nothing_hangs(tmp_path):
    words = [sys.executable, str(ROOT / "tests" / "bench" / "gpu.py"), "--tiny", "--minutes", "0"]
    done = subprocess.run([*words, "--out", str(tmp_path / "gpu.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert {facts["failed"] for facts in found["parts"].values()} == {"no time left"}
    assert {row["status"] for row in found["rows"]} == {"not measured"}
