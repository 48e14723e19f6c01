from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from running import SMOKE, run_workflow

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def snakemake(tmp_path: Path) -> Run:
    """`snakemake(...)` in a fresh folder; the result's stdout and stderr are text."""
    return lambda *arguments: run_workflow(tmp_path, *arguments)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished smoke run; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("smoke")
    done = run_workflow(folder, "--cores", "2", "--configfile", str(SMOKE))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    (folder / "terminal.txt").write_text(done.stdout + done.stderr)
    return folder
