"""One Snakemake at a time works on a run, and its jobs end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from styledistill.core.errors import UserError
from styledistill.run import lock, watchdog
from styledistill.run.watchdog import LOCK

SRC = Path(__file__).parents[3] / "src"
# Stands for Snakemake: takes the run and starts a shell that starts a script, as a rule does.
SNAKEMAKE = """
import subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from styledistill.run.watchdog import bind_jobs
from styledistill.run.lock import occupy
run = Path(sys.argv[2])
bind_jobs(run)
occupy(run)
job = "import sys, time; sys.path.insert(0, sys.argv[1]); import styledistill.run.cli;"
job += "print('job', flush=True); time.sleep(600)"
shell = subprocess.Popen(["bash", "-c", f'true; "{sys.executable}" -c "{job}" "{sys.argv[1]}"; true'])
shell.wait()
time.sleep(600)
"""
# A job that saves its state when it is asked to end, as a training does, or that does not listen.
JOB = """
import signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from styledistill.run import watchdog
watchdog.PATIENCE_SECONDS = 0.5
def save(*_):
    Path(sys.argv[2]).write_text("asked to end")
    if sys.argv[3] == "obeys":
        sys.exit(0)
signal.signal(signal.SIGTERM, save)
watchdog.join_run()
print("job", flush=True)
until = time.monotonic() + 120
while time.monotonic() < until:
    time.sleep(0.05)
"""


@pytest.fixture
def working(tmp_path):
    """A stand-in for Snakemake that works on the run `tmp_path`, with one job that has started."""
    command = [sys.executable, "-c", SNAKEMAKE, str(SRC), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "job\n"
        yield process
        process.kill()


def test_jobs_end_when_their_snakemake_is_killed_and_the_run_is_free_again(working, tmp_path):
    assert lock.worked_on(tmp_path).startswith(f"Snakemake (process {working.pid}) of ")
    os.kill(working.pid, signal.SIGKILL)
    working.wait()
    lock.await_others(tmp_path)  # UserError if the job went on
    assert lock.worked_on(tmp_path) is None


def test_a_job_ends_with_the_shell_that_its_snakemake_started(working):
    """Snakemake takes that for the job's end, and would remove its outputs before they come."""
    (shell,) = psutil.Process(working.pid).children()
    (job,) = shell.children()
    shell.kill()
    job.wait(30)
    assert working.poll() is None


@pytest.fixture
def alive():
    """A process that lives until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def job_of(snakemake: str, asked: Path, how: str, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "STYLEDISTILL_SNAKEMAKE": snakemake, **more}
    command = [sys.executable, "-c", JOB, str(SRC), str(asked), how]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("how", "code"), [("obeys", 0), ("does not listen", -signal.SIGKILL)])
def test_a_job_is_asked_to_end_first_so_that_a_training_can_save_its_state(alive, tmp_path, how, code):
    asked = tmp_path / "asked"
    with job_of(f"{watchdog._namespace()}/{alive.pid}", asked, how) as job:
        assert job.stdout.readline() == "job\n"
        assert not asked.exists() and job.poll() is None
        alive.kill()
        assert job.wait(60) == code
    assert asked.read_text() == "asked to end"


def test_a_job_whose_snakemake_has_ended_already_does_not_start(alive, tmp_path):
    alive.kill()
    alive.wait()
    with job_of(f"{watchdog._namespace()}/{alive.pid}", tmp_path / "asked", "obeys") as job:
        assert job.wait(60) == -signal.SIGKILL
        assert job.stdout.read() == ""


def test_a_job_whose_shell_has_ended_already_does_not_start(alive, tmp_path):
    alive.kill()
    alive.wait()
    here = f"{watchdog._namespace()}/{os.getpid()}"
    with job_of(here, tmp_path / "asked", "obeys", STYLEDISTILL_SHELL=str(alive.pid)) as job:
        assert job.wait(60) == -signal.SIGKILL


def test_a_number_in_another_namespace_means_another_process(alive, tmp_path):
    """In a container with processes of its own."""
    alive.kill()
    alive.wait()
    with job_of(f"pid:[1]/{alive.pid}", tmp_path / "asked", "obeys") as job:
        assert job.stdout.readline() == "job\n"
        job.kill()


def test_a_second_one_is_refused_at_once_and_told_who_was_first(working, tmp_path, monkeypatch):
    signed = (tmp_path / LOCK).read_text()
    half_written = tmp_path / ".c00.png.0123abcd.part"
    half_written.write_bytes(b"the other is at it")
    monkeypatch.setattr(lock.time, "sleep", lambda _: pytest.fail("waits for a Snakemake that lives"))
    with pytest.raises(UserError, match=rf"somebody works on this run: Snakemake \(process {working.pid}\) of "):
        lock.occupy(tmp_path)
    assert working.poll() is None
    assert half_written.exists() and (tmp_path / LOCK).read_text() == signed
    monkeypatch.undo()
    os.kill(working.pid, signal.SIGKILL)
    working.wait()
    code = "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
    code += "from styledistill.run.lock import occupy; occupy(Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, str(SRC), str(tmp_path)], check=True)
    assert not half_written.exists()


def test_a_job_that_outlives_its_snakemake_is_named(tmp_path, monkeypatch):
    """One on another machine, say, whose Snakemake cannot be watched."""
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", -5)
    script = tmp_path / "teach.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SRC)!r});"
        "import styledistill.run.cli, time; print('job', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "STYLEDISTILL_RUN": str(tmp_path)}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True) as job:
        job.stdout.readline()
        with pytest.raises(UserError, match=rf"teach.py \(process {job.pid}\), left over from somebody"):
            lock.occupy(tmp_path)
        job.kill()
    assert (tmp_path / LOCK).exists()


def test_what_was_left_half_written_is_removed(tmp_path):
    (tmp_path / "images").mkdir()
    left = tmp_path / "images" / ".c00.png.0123abcd.part"
    left.write_bytes(b"half")
    (tmp_path / "images" / "c00.png").write_bytes(b"whole")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
    code += "from styledistill.run.lock import occupy; occupy(Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, str(SRC), str(tmp_path)], check=True)
    assert not left.exists()
    assert (tmp_path / "images" / "c00.png").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
os.environ["STYLEDISTILL_RUN"] = str(Path(sys.argv[2]).absolute())
import numpy as np
from styledistill.teacher.pair_cache import PairStore
image = np.zeros((8, 8, 3), np.uint8)
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # written, and not yet renamed
if len(sys.argv) > 3:
    PairStore.__init__ = lambda self, *_: setattr(self, "folder", Path("resources/pairs/key"))
PairStore(Path("resources/pairs"), {"some": "teacher"}).put(image, image, image)
"""
OCCUPY = "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
OCCUPY += "from styledistill.run.lock import occupy; occupy(Path(sys.argv[2]));"
OCCUPY += "print((Path(sys.argv[2]) / '.lock').read_text())"


def python(folder: Path, code: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, str(SRC), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **options)


def test_what_a_killed_job_left_in_the_shared_store_goes_with_its_own_run(tmp_path):
    store = tmp_path / "resources/pairs"
    assert python(tmp_path, KILLED, "results/one").returncode == -signal.SIGKILL  # at the store's key
    assert python(tmp_path, KILLED, "results/one", "image").returncode == -signal.SIGKILL
    assert len(list(store.rglob(".*.part"))) == 2
    assert python(tmp_path, OCCUPY, "results/two").returncode == 0  # another run, whose jobs cannot know
    assert len(list(store.rglob(".*.part"))) == 2
    download = tmp_path / "resources/weights/net.pth.part"
    download.parent.mkdir()
    download.write_bytes(b"goes on where it was cut")
    done = python(tmp_path, OCCUPY, "results/one")
    assert done.returncode == 0, done.stderr
    assert not list(store.rglob(".*.part")) and download.exists()


def test_what_nobody_goes_on_with_is_removed_from_the_shared_store_after_a_day(tmp_path):
    python(tmp_path, KILLED, "results/one", "image")
    (left,) = (tmp_path / "resources/pairs").rglob(".*.part")
    os.utime(left, (left.stat().st_atime, left.stat().st_mtime - 25 * 3600))
    assert python(tmp_path, OCCUPY, "results/two").returncode == 0
    assert not left.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="taking another user's number needs root")
def test_a_user_without_a_name_can_work(tmp_path):
    """As in a container that is run as a number, with no LOGNAME."""
    tmp_path.chmod(0o777)
    bare = {name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    become = "import os, sys; sys.path.insert(0, sys.argv[1]); import styledistill.run.lock; os.setuid(54321);"
    done = python(tmp_path, become + OCCUPY, "run", env=bare)
    assert done.returncode == 0, done.stderr
    assert " of user 54321 on " in done.stdout


def test_a_run_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"run: cannot be written \("):
        lock.occupy(tmp_path / "run")
