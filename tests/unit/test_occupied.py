"""One Snakemake at a time works on a run, and its jobs end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from styledistill import occupied
from styledistill.core.errors import UserError
from styledistill.core.lifeline import LOCK

SRC = Path(__file__).parents[2] / "src"
# Stands for Snakemake: takes the run and starts a shell that starts a script, as a rule does.
SNAKEMAKE = """
import subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from styledistill.core.lifeline import bind_jobs
from styledistill.occupied import occupy
run = Path(sys.argv[2])
bind_jobs(run)
occupy(run)
job = "import sys, time; sys.path.insert(0, sys.argv[1]); import command; print('job', flush=True); time.sleep(600)"
shell = subprocess.Popen(["bash", "-c", f'true; "{sys.executable}" -c "{job}" "{sys.argv[1]}"; true'])
shell.wait()
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
    assert occupied.worked_on(tmp_path).startswith(f"Snakemake (process {working.pid}) of ")
    os.kill(working.pid, signal.SIGKILL)
    working.wait()
    occupied.await_others(tmp_path)  # UserError if the job went on
    assert occupied.worked_on(tmp_path) is None


def test_a_second_one_is_refused_and_told_who_was_first(working, tmp_path):
    with pytest.raises(UserError, match=rf"somebody works on this run: Snakemake \(process {working.pid}\) of "):
        occupied.occupy(tmp_path)
    assert working.poll() is None


def test_a_job_that_outlives_its_snakemake_is_named(tmp_path, monkeypatch):
    """One on another machine, say, whose Snakemake cannot be watched."""
    monkeypatch.setattr(occupied, "PATIENCE_SECONDS", -5)
    script = tmp_path / "teach.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SRC)!r}); import command, time; print('job', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "STYLEDISTILL_RUN": str(tmp_path)}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True) as job:
        job.stdout.readline()
        with pytest.raises(UserError, match=rf"teach.py \(process {job.pid}\), left over from somebody"):
            occupied.occupy(tmp_path)
        job.kill()
    assert (tmp_path / LOCK).exists()


def test_what_was_left_half_written_is_removed(tmp_path):
    (tmp_path / "images").mkdir()
    left = tmp_path / "images" / ".c00.png.0123abcd.part"
    left.write_bytes(b"half")
    (tmp_path / "images" / "c00.png").write_bytes(b"whole")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
    code += "from styledistill.occupied import occupy; occupy(Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, str(SRC), str(tmp_path)], check=True)
    assert not left.exists()
    assert (tmp_path / "images" / "c00.png").exists()


def test_a_run_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"run: cannot be written \("):
        occupied.occupy(tmp_path / "run")
