from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from running import ROOT, SMOKE, run_workflow

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def snakemake(tmp_path: Path) -> Run:
    """`snakemake(...)` in a fresh folder; the result's stdout and stderr are text."""
    return lambda *arguments: run_workflow(tmp_path, *arguments)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished smoke run; tests must leave it as it is: dry runs only, all else on `smoke_copy`.

    One run for all of pytest's processes: the first makes it, the others wait. (Marks that send tests to one process,
    xdist_group, do nothing under pytest 9.2 with pytest-xdist 3.8.)
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "smoke"
    with (shared / "smoke.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            (folder / "weights").symlink_to(ROOT / "weights")  # as in the repository's own folder: relative paths
            done = run_workflow(folder, "--cores", "2", "--configfile", str(SMOKE))
            if done.returncode == 0:
                (folder / "terminal.txt").write_text(done.stdout + done.stderr)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        assert (folder / "terminal.txt").exists(), "the smoke run has failed in another process of pytest"
    return folder


@pytest.fixture
def smoke_copy(smoke: Path, tmp_path: Path) -> Path:
    """A copy of the finished smoke run, times and Snakemake's records with it, for tests that run something."""
    return shutil.copytree(smoke, tmp_path / "copy", symlinks=True)
