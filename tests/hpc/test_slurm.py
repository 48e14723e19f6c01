"""Whole runs as jobs of a real SLURM: what it is asked for, and that they end right whatever happens to their jobs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import ROOT, command_line, run_workflow
from small import PATIENCE, made, small_config

pytestmark = pytest.mark.hpc

# The profile as it is, but for intervals that suit jobs of seconds.
SUBMIT = (
    *("--workflow-profile", str(ROOT / "profiles/slurm"), "--jobs", "8", "--latency-wait", "60"),
    *("--seconds-between-status-checks", "2", "--slurm-init-seconds-before-status-checks", "2"),
)

# What the target `students` makes.
STUDENTS = ("images/train", "images/val", "teacher", "shards", "students")


def _jobs() -> list[dict[str, str]]:
    """What SLURM knows of every job, running or ended: scontrol's fields."""
    said = subprocess.run(["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True, check=True).stdout
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in said.splitlines() if "JobId=" in line]


def _of(jobs: list[dict[str, str]], rule: str) -> list[dict[str, str]]:
    return [job for job in jobs if re.match(rf"rule_{rule}(_|$)", job.get("Comment", ""))]


def test_a_run_asks_for_gpus_and_arrays_and_makes_the_same(cluster, plain, tmp_path):
    before = {job["JobId"] for job in _jobs()}
    config = small_config(tmp_path, device="auto")
    done = run_workflow(tmp_path, "students", *SUBMIT, "--configfile", str(config), timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    jobs = [job for job in _jobs() if job["JobId"] not in before]
    teach = _of(jobs, "teach")
    # Both blocks as one array; a task that the plugin calls failed, as the first took longer, is submitted again alone.
    assert Counter(job.get("ArrayJobId") for job in teach).most_common(1)[0][1] == 2
    assert all(job["TresPerJob"] == "gres:gpu:1" for job in [*teach, *_of(jobs, "distill")])
    # Both blocks and the golden set are cropped in one job, with the memory of one, and without a GPU.
    (prepare,) = _of(jobs, "prepare")
    assert "TresPerJob" not in prepare
    assert prepare["NumCPUs"] == "1"
    assert made(tmp_path / "results/small", *STUDENTS) == made(plain, *STUDENTS)


def test_a_run_in_containers_ends_right_whatever_happens_to_its_jobs(cluster, contained, plain, tmp_path):
    """One job of `teach` is cancelled, the node drained and resumed, and `distill` meets its time limit."""
    before = {job["JobId"] for job in _jobs()}
    with _started(tmp_path, "students", *SUBMIT, "--use-singularity") as run:

        def jobs(rule: str, *states: str) -> list[dict[str, str]]:
            found = [job for job in _of(_jobs(), rule) if job["JobId"] not in before]
            return [job for job in found if job["JobState"] in states]

        job = _wait(run, lambda: jobs("teach", "RUNNING"))[0]
        cancelled = job["JobId"]
        _call("scontrol", "update", "nodename=ALL", "state=drain", "reason=test")
        _call("scancel", f"{job['ArrayJobId']}_{job['ArrayTaskId']}")  # by its JobId SLURM would not find it
        # Submitted again, and held by the drained node.
        _wait(run, lambda: [job for job in jobs("teach", "PENDING") if int(job["JobId"]) > int(cancelled)])
        time.sleep(3)
        assert not [job for job in jobs("teach", "RUNNING") if int(job["JobId"]) > int(cancelled)]
        _call("scontrol", "update", "nodename=ALL", "state=resume")

        # However fast the machine is, this job does not end before a limit of one minute, the shortest, takes hold.
        process = _wait(run, lambda: _process(tmp_path, "distill.py") if _states(tmp_path) else None)
        os.kill(process, signal.SIGSTOP)
        _call("scontrol", "update", f"jobid={jobs('distill', 'RUNNING')[0]['JobId']}", "timelimit=1")
        _wait(run, lambda: jobs("distill", "TIMEOUT"))
        state = _states(tmp_path)[0].stat().st_mtime
        _wait(run, lambda: jobs("distill", "COMPLETED"))
    assert run.returncode == 0, (tmp_path / "terminal.txt").read_text()[-6000:]
    assert [job["JobState"] for job in _jobs() if job["JobId"] == cancelled] == ["CANCELLED"]
    history = (tmp_path / "results/small/students/mse/history.csv").read_text()
    assert len(history.splitlines()) == 3
    assert _states(tmp_path)[0].stat().st_mtime > state  # taken up, and saved again
    assert not any("TresPerJob" in job for job in _jobs() if job["JobId"] not in before)  # device: cpu
    assert made(tmp_path / "results/small", *STUDENTS) == made(plain, *STUDENTS)


@contextmanager
def _started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """Snakemake at work in `folder`, its words in terminal.txt; waited for at the end."""
    command, environment = command_line(folder, *arguments, "--configfile", str(small_config(folder)))
    with (folder / "terminal.txt").open("w") as terminal:
        run = subprocess.Popen(command, cwd=folder, env=environment, stdout=terminal, stderr=terminal)
        try:
            yield run
            run.wait(timeout=PATIENCE)
        finally:
            run.kill()


def _wait(run: subprocess.Popen, found: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `found` finds, once it finds something while the run is at work."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert run.poll() is None, "the run ended too early; see its terminal.txt"
        assert time.monotonic() < end, f"not seen within {seconds} s"
        time.sleep(0.1)
    return result


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _states(folder: Path) -> list[Path]:
    return list((folder / "resources/training").glob("*/state.pt"))


def _process(folder: Path, script: str) -> int | None:
    """The Python that runs a script of the project in `folder`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            if Path(words[0]).name == "python" and words[1].endswith(script) and (process / "cwd").samefile(folder):
                return int(process.name)
        except (OSError, IndexError):  # ended meanwhile, or no program of ours
            continue
    return None
