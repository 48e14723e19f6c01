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

import yaml
from running import ROOT, command_line, environment, run_workflow
from small import PATIENCE, made, small_config

# The intervals of the profile are for hours; jobs here take seconds.
QUICK = ("--jobs", "8", "--seconds-between-status-checks", "2", "--slurm-init-seconds-before-status-checks", "2")
SUBMIT = ("--workflow-profile", str(ROOT / "profiles/slurm"), *QUICK)

# What the target `students` makes.
STUDENTS = ("images/train", "images/val", "teacher", "shards", "students")
# Rules that are jobs of SLURM in every run; all others run where Snakemake does.
SUBMITTED = {"index", "teach", "distill", "render", "render_controls", "score_fixed", "score", "benchmark"}
# A group's job bears the group's name and its rules'.
GROUPS = {"prepare_crop_crop_golden", "pack_pack", "graphs_trace_onnx", "export_export_onnx"}


def _jobs() -> list[dict[str, str]]:
    """What SLURM knows of every job, running or ended: scontrol's fields."""
    said = subprocess.run(["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True, check=True).stdout
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in said.splitlines() if "JobId=" in line]


def _of(jobs: list[dict[str, str]], rule: str) -> list[dict[str, str]]:
    return [job for job in jobs if re.match(rf"rule_{rule}(_|$)", job.get("Comment", ""))]


def test_a_whole_run_asks_for_gpus_and_arrays_and_makes_the_same(cluster, plain, tmp_path):
    """With a copy of the profile, as a site has one: two GPUs for a training, and --gres in place of --gpus."""
    before = {job["JobId"] for job in _jobs()}
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    profile["set-resources"]["distill"] |= {"gpu": 2, "mem_mb": "48000 * attempt"}
    profile["set-resources"]["render"] |= {"gpu": 0, "gres": "'gpu:1'"}
    (tmp_path / "site").mkdir()
    (tmp_path / "site/config.yaml").write_text(yaml.safe_dump(profile))
    config = small_config(tmp_path, device="auto")
    submit = ("--workflow-profile", str(tmp_path / "site"), *QUICK)
    done = run_workflow(tmp_path, *submit, "--configfile", str(config), timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    jobs = [job for job in _jobs() if job["JobId"] not in before]
    assert {re.sub(r"^rule_|_wildcards_.*", "", job["Comment"]) for job in jobs} == SUBMITTED | GROUPS
    teach = _of(jobs, "teach")
    # Both blocks as one array; a task that the plugin calls failed, as the first took longer, is submitted again alone.
    assert Counter(job.get("ArrayJobId") for job in teach).most_common(1)[0][1] == 2
    for rule in ("teach", "score_fixed", "score", "benchmark"):
        assert {job["TresPerJob"] for job in _of(jobs, rule)} == {"gres:gpu:1"}
    rendered = _of(jobs, "render_wildcards")
    assert {(job.get("TresPerJob"), job["TresPerNode"]) for job in rendered} == {(None, "gres:gpu:1")}
    (distill,) = _of(jobs, "distill")
    assert (distill["TresPerJob"], distill["MinMemoryNode"]) == ("gres:gpu:2", "48000M")
    (benchmark,) = _of(jobs, "benchmark")
    assert benchmark["OverSubscribe"] == "NO"
    # Both blocks and the golden set are cropped in one job, with the memory of one, and without a GPU.
    (prepare,) = _of(jobs, "prepare")
    assert "TresPerJob" not in prepare
    assert prepare["NumCPUs"] == "1"
    assert made(tmp_path / "results/small") == made(plain)
    assert (tmp_path / "results/small/report.html").is_file()


def test_jobs_in_the_queue_of_a_snakemake_that_was_killed_are_not_submitted_twice(cluster, tmp_path):
    target = "results/small/index/scenes.csv"
    again = (target, *SUBMIT, "--configfile", str(small_config(tmp_path)))
    resume = command_line(tmp_path, *again, program=(str(ROOT / "src/resume.py"),))
    before = {job["JobId"] for job in _jobs()}

    def waiting() -> list[dict[str, str]]:
        return [job for job in _jobs() if job["JobState"] == "PENDING" and job["JobId"] not in before]

    _call("scontrol", "update", "nodename=ALL", "state=drain", "reason=test")
    with _started(tmp_path, target, *SUBMIT) as run:
        (job,) = _wait(run, waiting)
        run.kill()
    assert job["NumNodes"] == "1-1"  # at least and at most: GPUs, where there are any, come from one node
    refused = subprocess.run(resume, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    (error,) = [line for line in (refused.stdout + refused.stderr).splitlines() if line.startswith("error:")]
    assert error.endswith(f"scancel {job['JobId']}")
    assert [job["JobId"] for job in waiting()] == [job["JobId"]]
    _call("scancel", job["JobId"])
    _call("scontrol", "update", "nodename=ALL", "state=resume")
    done = subprocess.run(resume, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / target).is_file()


def test_a_run_in_containers_ends_right_whatever_happens_to_its_jobs(cluster, contained, plain, tmp_path):
    """`teach` is cancelled, its node drained and resumed, and pushed out; `distill` meets its time limit."""
    before = {job["JobId"] for job in _jobs()}
    with _started(tmp_path, "students", *SUBMIT, "--use-singularity") as run:

        def jobs(rule: str, *states: str) -> list[dict[str, str]]:
            found = [job for job in _of(_jobs(), rule) if job["JobId"] not in before]
            return [job for job in found if job["JobState"] in states]

        job = _wait(run, lambda: jobs("teach", "RUNNING"))[0]
        cancelled = job["JobId"]
        _call("scontrol", "update", "nodename=ALL", "state=drain", "reason=test")
        _call("scancel", _task(job))
        # Submitted again, and held by the drained node.
        _wait(run, lambda: [job for job in jobs("teach", "PENDING") if int(job["JobId"]) > int(cancelled)])
        time.sleep(3)
        assert not [job for job in jobs("teach", "RUNNING") if int(job["JobId"]) > int(cancelled)]
        _call("scontrol", "update", "nodename=ALL", "state=resume")

        # An urgent job takes the whole node; what it pushes out is held back for two minutes, and then goes on.
        process = _wait(run, lambda: _process(tmp_path, "teach.py"))
        os.kill(process, signal.SIGSTOP)  # not before it has ended
        whole = ("--partition=urgent", "--ntasks=16", "--mem=100", "--chdir=/", "--output=/dev/null")
        _call("sbatch", "--comment=urgent", *whole, "--wrap=sleep 3")
        _wait(run, lambda: [job for job in _jobs() if (job.get("Comment"), job["JobState"]) == ("urgent", "COMPLETED")])
        pushed = [job for job in _jobs() if (job["JobState"], job["Restarts"]) == ("PENDING", "1")]
        assert _of(pushed, "teach")
        for job in pushed:
            _call("scontrol", "update", f"jobid={_task(job)}", "starttime=now")

        # However fast the machine is, this job does not end before a limit of one minute, the shortest, takes hold.
        process = _wait(run, lambda: _process(tmp_path, "distill.py") if _states(tmp_path) else None)
        os.kill(process, signal.SIGSTOP)
        _call("scontrol", "update", f"jobid={jobs('distill', 'RUNNING')[0]['JobId']}", "timelimit=1")
        _wait(run, lambda: jobs("distill", "TIMEOUT"))
        state = _states(tmp_path)[0].stat().st_mtime
        _wait(run, lambda: jobs("distill", "COMPLETED"))
    assert run.returncode == 0, (tmp_path / "terminal.txt").read_text()[-6000:]
    states = {job["JobId"]: job["JobState"] for job in _jobs()}
    assert states[cancelled] == "CANCELLED"
    assert {states[job["JobId"]] for job in pushed} == {"COMPLETED"}  # under its own number
    history = (tmp_path / "results/small/students/mse/history.csv").read_text()
    assert len(history.splitlines()) == 3
    assert _states(tmp_path)[0].stat().st_mtime > state  # taken up, and saved again
    assert not any("TresPerJob" in job for job in _jobs() if job["JobId"] not in before)  # device: cpu
    assert made(tmp_path / "results/small", *STUDENTS) == made(plain, *STUDENTS)


def _task(job: dict[str, str]) -> str:
    """What SLURM's programs call a job: in an array its JobId may mean the whole array."""
    return f"{job['ArrayJobId']}_{job['ArrayTaskId']}" if "ArrayJobId" in job else job["JobId"]


@contextmanager
def _started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """Snakemake at work in `folder`, its words in terminal.txt; waited for at the end."""
    command = command_line(folder, *arguments, "--configfile", str(small_config(folder)))
    with (folder / "terminal.txt").open("w") as terminal:
        run = subprocess.Popen(command, cwd=folder, env=environment(), stdout=terminal, stderr=terminal)
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
