"""Out of space, of memory, of permission: a run says what is wrong, leaves nothing half-written, and can go on."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from comparing import RUN
from failing import distilling, only_line, parts
from running import ROOT, SMOKE, command_line, environment, planned, preset, run_workflow

pytestmark = pytest.mark.slow

# One output of every stage, each made from those before it.
STAGES = {
    "images": [
        "index/scenes.csv",
        "blocks/val/0000.csv",
        "images/val/0000/c00.png",
        "teacher/val/0000/c00_s00.png",
        "shards/val/0000.tar",
        "shards/val.json",
    ],
    "students": [
        "students/mse/student.safetensors",
        "students/mse/onnx/stylize.onnx",
        "golden/mse/c0_s0.png",
        "metrics/mse.csv",
        "tables/benchmark.csv",
    ],
    "words": ["shards/README.md", "tables/metrics.csv", "figures/golden.png", "report.html"],
}


@pytest.fixture
def disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own, mounted or changed with the options that its function is given; returns its folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("mounting a small file system needs root")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_disk(smoke_copy, disk) -> Callable[[str], Path]:
    """`disk`, with the results of `smoke_copy` on it."""
    folder = disk("size=300m")
    subprocess.run(["cp", "-a", f"{smoke_copy}/results/.", str(folder)], check=True)
    subprocess.run(["rm", "-r", f"{smoke_copy}/results"], check=True)
    (smoke_copy / "results").symlink_to(folder)
    return disk


@pytest.mark.long
@pytest.mark.parametrize("stages", STAGES)
def test_a_full_disk_in_any_stage(smoke_copy, small_disk, stages):
    """The last stage fails first, so that all are to be made again at the end, once there is space."""
    targets = [str(RUN / file) for file in STAGES[stages]]
    before = {target: (smoke_copy / target).read_bytes() for target in targets}
    filler = smoke_copy / "results" / "filler"
    for target in reversed(targets):
        (smoke_copy / target).unlink()
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        done = run_workflow(smoke_copy, "--force", target, "--cores", "1", "--configfile", str(SMOKE))
        said = done.stdout + done.stderr
        assert done.returncode != 0
        assert "no space left on the disk" in said or "No space left on device" in said, said[-3000:]
        assert "Traceback" not in said, said[-3000:]
        assert parts(smoke_copy) == []
        assert not (smoke_copy / target).exists()
        filler.unlink()
    done = run_workflow(smoke_copy, *targets, "--cores", "2", "--configfile", str(SMOKE))
    assert done.returncode == 0, done.stderr[-3000:]
    found = {target: (smoke_copy / target).read_bytes() for target in targets}
    changed = {target for target in targets if found[target] != before[target]}
    assert changed <= {str(RUN / file) for file in ("tables/benchmark.csv", "report.html")}


def test_a_read_only_folder(smoke_copy, small_disk):
    (smoke_copy / RUN / "report.html").unlink()
    small_disk("remount,ro")
    done = run_workflow(smoke_copy, "--cores", "1", "--configfile", str(SMOKE))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said, said[-3000:]
    assert f"error: {RUN}: cannot be written (Read-only file system)" in said, said[-3000:]
    small_disk("remount,rw,size=300m")
    done = run_workflow(smoke_copy, "--cores", "1", "--configfile", str(SMOKE))
    assert done.returncode == 0, done.stderr[-3000:]


def script(
    name: str, *arguments: str, folder: Path, prefix: tuple[str, ...] = (), **options
) -> subprocess.CompletedProcess:
    command = [*prefix, sys.executable, str(ROOT / "src/steps" / name), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, **options
    )


def taught(smoke: Path, folder: Path, store: Path | None = None, **options) -> subprocess.CompletedProcess:
    """The teacher's script on a block, into `folder`, with a store of finished pairs that is empty."""
    settings = json.dumps(yaml.safe_load(SMOKE.read_text())["teacher"])
    arguments = ["--images", str(smoke / RUN / "images/val/0000"), "--shape", "3", "3", "--device", "cpu"]
    arguments += ["--store", str(store or folder / "pairs"), "--out", str(folder / "out"), "--teacher", settings]
    return script("teach.py", *arguments, folder=smoke, **options)


def distilled(smoke: Path, folder: Path, state: Path, **options) -> subprocess.CompletedProcess:
    """The distillation of a student of the smoke run, into `folder`, with no state of an earlier one."""
    return script("distill.py", *distilling(smoke, folder, state), folder=smoke, **options)


def limited(limit: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(limit, (value, value))


def test_a_limit_on_the_size_of_files(smoke, tmp_path):
    line = only_line(taught(smoke, tmp_path, preexec_fn=limited(resource.RLIMIT_FSIZE, 2000)))
    assert line.endswith(".png: the file is larger than is allowed here: raise the limit (ulimit -f) and run again")
    assert not list((tmp_path / "out").glob("*")) and not list(tmp_path.rglob("*.part"))


def test_a_limit_on_open_files(smoke, tmp_path):
    """Raised until the script ends well; with four Python itself does not get as far as the script."""
    lines = []
    for limit in range(5, 30):
        done = taught(smoke, tmp_path, preexec_fn=limited(resource.RLIMIT_NOFILE, limit))
        if not done.returncode:
            break
        lines.append(only_line(done))
        assert not list((tmp_path / "out").glob("*")) and not list(tmp_path.rglob("*.part"))
    assert lines and all(
        line.endswith(": too many open files: raise the limit (ulimit -n) and run again") for line in lines
    )
    expected = (smoke / RUN / "teacher/val/0000/c00_s00.png").read_bytes()
    assert (tmp_path / "out/c00_s00.png").read_bytes() == expected


@pytest.mark.parametrize("kilobytes", [60_000, 900_000, 2_500_000])
def test_a_limit_on_memory_that_not_even_the_libraries_fit_into(smoke, tmp_path, kilobytes):
    done = taught(smoke, tmp_path, preexec_fn=limited(resource.RLIMIT_AS, kilobytes * 1024))
    assert only_line(done) == (
        "error: not enough memory: end other programs or raise the limit (ulimit -v), and run again"
    )


# What writes where all runs share: the script, space for its key but for no more, what it makes, and where that stands.
SHARING = {
    "the store": (taught, "size=8k", ".png", "c00_s00.png", "teacher/val/0000"),
    "training states": (distilled, "size=1m", "state.pt", "student.safetensors", "students/mse"),
}


@pytest.mark.long
@pytest.mark.parametrize("what", SHARING)
def test_a_full_disk_under_what_all_runs_share(smoke, tmp_path, disk, what):
    work, size, file, made, place = SHARING[what]
    folder = disk(size)
    line = only_line(work(smoke, tmp_path, folder))
    assert line.startswith(f"error: {folder}/") and ": no space left on the disk: free some and run again" in line
    assert list(folder.rglob("key.json")) and not list(tmp_path.rglob("*.part")) and not list(folder.rglob(f"*{file}"))
    assert not (tmp_path / "out" / made).exists()
    disk("remount,size=300m")
    done = work(smoke, tmp_path, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "out" / made).read_bytes() == (smoke / RUN / place / made).read_bytes()


# Root may write where nobody may, unless it is without that right.
BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()


@pytest.mark.parametrize("what", SHARING)
def test_a_folder_without_permission_under_what_all_runs_share(smoke, tmp_path, what):
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o555)
    line = only_line(SHARING[what][0](smoke, tmp_path, folder, prefix=BOUND))
    advice = "no permission to write: check the folder's owner and mode"
    assert re.fullmatch(rf"error: {re.escape(str(folder))}/\w+: {advice}", line), line


@pytest.mark.long
def test_results_without_permission(smoke_copy):
    (smoke_copy / RUN / "report.html").unlink()
    subprocess.run(["chmod", "-R", "a-w", str(smoke_copy / "results")], check=True)
    words = command_line(smoke_copy, "--cores", "1", "--configfile", str(SMOKE))
    done = subprocess.run([*BOUND, *words], cwd=smoke_copy, env=environment(), capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said, said[-3000:]
    assert f"error: {RUN}: cannot be written (Permission denied): " in said, said[-3000:]
    subprocess.run(["chmod", "-R", "u+w", str(smoke_copy / "results")], check=True)
    done = run_workflow(smoke_copy, "--cores", "1", "--configfile", str(SMOKE))
    assert done.returncode == 0, done.stderr[-3000:]


def shift(folder: Path, hours: int, since: float = 0) -> None:
    """Move the times of a run's files, of those that lie behind `since`."""
    for path in [*(folder / "results").rglob("*"), *(folder / ".snakemake").rglob("*")]:
        facts = path.lstat()
        if facts.st_mtime > since:
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + hours * 3600 * 10**9))


@pytest.mark.long
def test_a_clock_moved_back(smoke_copy):
    """The files of a run are from the future, so what is made now would be older than what it is made from."""
    shift(smoke_copy, 1)
    assert planned(smoke_copy, SMOKE) == set()
    config = preset(smoke_copy / "config.yaml", metrics={"lpips": "none", "fid": "none", "fid_minimum": 3})
    arguments = ("--cores", "1", "--configfile", str(config), "--force", str(RUN / "tables/metrics.csv"))
    done = run_workflow(smoke_copy, *arguments)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert "has older modification time" in said and "clock" in said, said[-3000:]
    shift(smoke_copy, -1, since=time.time())
    done = run_workflow(smoke_copy, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (smoke_copy / RUN / "tables/metrics.csv").is_file()
