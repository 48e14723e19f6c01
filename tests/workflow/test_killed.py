"""Killed and cut off, or two at once: a run says what is wrong, leaves nothing half-written, and can go on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import yaml
from comparing import RUN, assert_alike, results
from failing import distilling, only_line, parts
from running import ROOT, SMOKE, command_line, environment, planned, preset, run_workflow

pytestmark = pytest.mark.slow


def resume(folder: Path, log: Path, config: Path = SMOKE) -> subprocess.Popen:
    """`make resume` in `folder`, in the background."""
    places = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command = [sys.executable, str(ROOT / "src/resume.py"), *places, "--cores", "2", "--configfile", str(config)]
    with log.open("a") as said:
        return subprocess.Popen([*command, "--nocolor"], cwd=folder, env=environment(), stdout=said, stderr=said)


def kill_one(process: subprocess.Popen, choice: random.Random) -> int:
    """SIGKILL for Snakemake, a script or a loader worker; returns how many were killed, 1 or 0."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid)
        choice.choice([family, *family.children(recursive=True)]).kill()
        return 1
    return 0


@pytest.mark.parametrize(
    "kills", [pytest.param(4, marks=pytest.mark.long), pytest.param(30, marks=pytest.mark.overnight)]
)
def test_a_run_killed_again_and_again_ends_like_one_that_was_not(smoke, tmp_path, kills):
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    choice, log, expected = random.Random(kills), tmp_path / "said.txt", results(smoke)
    distill = {**yaml.safe_load(SMOKE.read_text())["distill"], "workers": 1}  # processes more that may be hit
    config = preset(tmp_path / "config.yaml", distill=distill)
    process = resume(tmp_path, log, config)
    while kills:
        with suppress(subprocess.TimeoutExpired):
            process.wait(choice.uniform(2, 16))
        if process.poll() is None:
            kills -= kill_one(process, choice)
            continue
        if process.returncode == 0:  # it has come to its end between two kills: once more from the start
            assert_alike(results(tmp_path), expected)
            for folder in ("results", "resources", ".snakemake"):
                shutil.rmtree(tmp_path / folder)
        process = resume(tmp_path, log, config)
    process.wait()
    assert resume(tmp_path, log, config).wait() == 0, log.read_text()[-6000:]
    assert "Traceback" not in log.read_text()
    assert_alike(results(tmp_path), expected)
    assert parts(tmp_path) == []
    # Snakemake has seen every job end: nothing was left there by a job that it had given up.
    finished = [sorted(path.relative_to(folder) for path in folder.rglob("times/**/*")) for folder in (tmp_path, smoke)]
    assert finished[0] == finished[1]


def awaited(process: subprocess.Popen, program: str) -> psutil.Process:
    """The first process that `process` starts for a program, as soon as it is there."""
    while process.poll() is None:
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                if any(Path(word).name == program for word in child.cmdline()):
                    return child
        time.sleep(0.01)
    raise AssertionError(f"{program} was not started")


def test_a_killed_reader_of_images(smoke, tmp_path):
    """As the kernel kills one where memory is short; workers decide no byte of the student."""
    words = [
        sys.executable,
        str(ROOT / "src/steps/distill.py"),
        *distilling(smoke, tmp_path, tmp_path / "state", workers=1),
    ]
    options = {"cwd": smoke, "env": environment(), "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **options) as training:
        # Again and again: a process that will become another program bears the name of this one for a moment.
        with suppress(AssertionError):
            while True:
                awaited(training, "distill.py").kill()
        said = training.communicate()[1]
    line = only_line(subprocess.CompletedProcess(words, training.returncode, stderr=said))
    assert line.startswith("error: a process that reads images was killed") and line.endswith("distill.workers")
    assert not (tmp_path / "out").exists()
    subprocess.run(words, **options, check=True)
    made, expected = tmp_path / "out/student.safetensors", smoke / RUN / "students/mse/student.safetensors"
    assert made.read_bytes() == expected.read_bytes()


def test_a_job_that_the_kernel_kills(smoke_copy, tmp_path):
    """For want of memory: the job itself can say nothing."""
    target = str(RUN / "students/mse/onnx/stylize.onnx")
    words = command_line(smoke_copy, target, "--force", "--cores", "1", "--configfile", str(SMOKE))
    with (tmp_path / "said.txt").open("w") as said:
        process = subprocess.Popen(words, cwd=smoke_copy, env=environment(), stdout=said, stderr=said)
    awaited(process, "export_onnx.py").kill()
    assert process.wait() == 1
    lines = (tmp_path / "said.txt").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("error: ")]
    assert line.startswith("error: a job was killed, as the kernel does for want of memory") and "--cores" in line


@contextmanager
def at_work(run: Path) -> Iterator[int]:
    """A living process that has the run as a Snakemake has it; yields its number."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from styledistill.run.lock import occupy; occupy(Path(sys.argv[2])); print('ready', flush=True);"
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(ROOT / "src"), str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_second_user_is_told_who_works_on_the_run(smoke_copy):
    (smoke_copy / RUN / "report.html").unlink()
    with at_work(smoke_copy / RUN) as number:
        done = run_workflow(smoke_copy, "--cores", "1", "--configfile", str(SMOKE))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"error: {RUN}: somebody works on this run: Snakemake (process {number}) of " in said, said[-3000:]
    assert not (smoke_copy / RUN / "report.html").exists()


@pytest.mark.long
def test_two_snakemakes_in_one_folder(smoke_copy, tmp_path):
    """The first has its lock and is at its benchmark when the second starts."""
    arguments = ("benchmark", "--force", "--cores", "1", "--configfile", str(SMOKE))
    words = command_line(smoke_copy, *arguments)
    with (tmp_path / "first.txt").open("w") as said:
        first = subprocess.Popen(words, cwd=smoke_copy, env=environment(), stdout=said, stderr=said)
    until = time.monotonic() + 300
    while "Measure time and memory" not in (tmp_path / "first.txt").read_text() and first.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    os.kill(first.pid, signal.SIGSTOP)  # however long the second takes to start
    second = run_workflow(smoke_copy, *arguments)
    os.kill(first.pid, signal.SIGCONT)
    said = second.stdout + second.stderr
    assert second.returncode != 0 and "Traceback" not in said, said[-3000:]
    (line,) = [line for line in said.splitlines() if line.startswith(f"{RUN}: somebody works on this run: ")]
    assert f"Snakemake (process {first.pid}) of " in line and "make resume" in line
    assert first.wait() == 0, (tmp_path / "first.txt").read_text()[-3000:]
    assert planned(smoke_copy, SMOKE) <= {"compare", "figures", "report"}


def test_a_stale_lock_is_explained_and_resume_goes_on(smoke_copy, tmp_path):
    (smoke_copy / RUN / "report.html").unlink()
    locks = smoke_copy / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text(f"{RUN}/report.html\n")
    done = run_workflow(smoke_copy, "--cores", "1", "--configfile", str(SMOKE))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert (
        "nobody works on this run, but a Snakemake here was killed and has left its lock: `make resume` goes on" in said
    )
    with at_work(smoke_copy / RUN):
        assert resume(smoke_copy, tmp_path / "refused.txt").wait() != 0
    assert "somebody works on this run" in (tmp_path / "refused.txt").read_text()
    assert (locks / "0.output.lock").exists()
    assert resume(smoke_copy, tmp_path / "resumed.txt").wait() == 0, (tmp_path / "resumed.txt").read_text()
    assert (smoke_copy / RUN / "report.html").exists()
