"""The real SLURM and the real Apptainer; where they are not, tests are skipped with the way to get them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import ROOT, run_workflow
from small import LOCAL, PATIENCE, small_config

from styledistill.core.files import sha256_bytes

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/small of a small run up to the pictures of all models, without SLURM and without containers."""
    folder = tmp_path_factory.mktemp("plain")
    wanted = ("--until", "render", "render_controls")
    done = run_workflow(folder, *wanted, *LOCAL, str(small_config(folder)), timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder / "results" / "small"


@pytest.fixture(scope="session")
def apptainer() -> None:
    if not shutil.which("apptainer"):
        pytest.skip("needs Apptainer: as root on Debian 12, tests/hpc/install_apptainer.sh")


@pytest.fixture(scope="session")
def images(apptainer: None) -> None:
    """All images in containers/, built with `make containers` unless a test has built them before on this machine."""
    folder = ROOT / "containers"
    recipes = sha256_bytes(b"".join(path.read_bytes() for path in sorted(folder.glob("*.def"))))[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "styledistill" / "containers" / recipes
    cache.mkdir(parents=True, exist_ok=True)
    for image in cache.glob("*.sif"):
        if not (folder / image.name).exists():
            (folder / image.name).unlink(missing_ok=True)  # a link to what is no more
            (folder / image.name).symlink_to(image)
    here = set(folder.glob("*.sif"))
    build = ["make", "--no-print-directory", "-C", str(ROOT), "containers", "BASE=debian"]
    built = subprocess.run(build, capture_output=True, text=True, check=False, timeout=1800)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    for image in set(folder.glob("*.sif")) - here:
        image.symlink_to(shutil.move(image, cache / image.name))


@pytest.fixture
def contained(images: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apptainer without the capabilities that root lacks on many virtual machines."""
    monkeypatch.setenv("APPTAINER_USERNS", "1")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """slurm.conf of a running SLURM of one node."""
    if not shutil.which("slurmctld") or not shutil.which("munged"):
        pytest.skip("needs SLURM: as root on Debian 12, tests/hpc/install_slurm.sh")
    if os.geteuid() != 0:
        pytest.skip("needs root, to start a SLURM of its own")
    # One at a time on a machine, in a folder that munge's socket can be reached in.
    scratch = tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)
    with Path("/tmp/styledistill-slurm.lock").open("w") as lock, scratch as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(folder).chmod(0o755)
        started = subprocess.run([HERE / "start_slurm.sh", folder], capture_output=True, text=True, check=False)
        try:
            assert started.returncode == 0, started.stderr
            yield Path(folder) / "slurm.conf"
        finally:
            subprocess.run([HERE / "stop_slurm.sh", folder], capture_output=True, check=False)
