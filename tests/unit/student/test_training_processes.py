"""Trainings in processes of their own: a killed one ends like one that was not, and two make the student of one."""

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_training import SEEDED, SETTINGS, equal, run

from styledistill.student.distributed import processes_for

pytestmark = pytest.mark.usefixtures("one_thread")


SRC = Path(__file__).parents[3] / "src"
EPOCHS = {1: 12, 2: 8}  # of trainings that are stopped, by the number of their processes
# The same training in processes of its own that can be killed; it saves after each step instead of every two minutes.
KILLABLE = """
import json, sys
from pathlib import Path
import torch
from styledistill.config import Distill, Networks
from styledistill.student import training
from styledistill.student.distill import distill
from styledistill.student.distances import gram
from styledistill.student.distributed import run_in_processes

training.SAVE_SECONDS = 0.0
folder, settings, networks, state, processes = Path(sys.argv[1]), *sys.argv[2:]
torch.set_num_threads(1)
run_in_processes(int(processes))
settings, networks = Distill.model_validate_json(settings), Networks.model_validate_json(networks)
manifests = (folder / "train.json", folder / "val.json")
distill(folder / "start", manifests, {"pixel": 1.0}, settings, networks, 3, torch.device("cpu"), state)
"""


# --- killed ---------------------------------------------------------------------------------------------------


def start(program, *arguments):
    """`python program...` on the CPU, with a pipe for what it says."""
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *map(str, (*program, *arguments))]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def said(process):
    """What it says until it ends; it must end."""
    try:
        return process.communicate(timeout=900)[1]
    finally:
        process.kill()


def finish(process):
    errors = said(process)
    assert process.returncode == 0, errors


def killable(data, root, processes, schedule):
    changes = {"stop_after": EPOCHS[processes]} if schedule == "plateau" else {"schedule": schedule}
    settings = SETTINGS.model_copy(update={"max_epochs": EPOCHS[processes], **changes})
    arguments = (data, settings.model_dump_json(), SEEDED.model_dump_json(), root, processes)
    return start(("-c", KILLABLE), *arguments)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """The last state of a training that was left alone, by the number of its processes and its schedule."""
    states = {}

    def state(*training):
        if training not in states:
            root = tmp_path_factory.mktemp("undisturbed")
            finish(killable(data, root, *training))
            (saved,) = root.glob("*/state.pt")
            states[training] = torch.load(saved, weights_only=True)
        return states[training]

    return state


def age(root):
    return max((path.stat().st_mtime_ns for path in root.glob("*/state.pt")), default=0)


def belong_to(root, rank=b""):
    """Numbers of the running processes that have `root` among their arguments; of one rank, where one is given."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments, environment = ((folder / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
            if str(root).encode() in arguments and (not rank or b"RANK=" + rank in environment):
                found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "processes", "times", "schedule"),
    [
        (signal.SIGKILL, 1, 3, "plateau"),
        (signal.SIGTERM, 1, 1, "plateau"),
        (signal.SIGUSR1, 1, 1, "plateau"),
        (signal.SIGKILL, 1, 2, "cosine"),
        pytest.param(signal.SIGKILL, 2, 1, "plateau", marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 2, 1, "plateau", marks=pytest.mark.long),
    ],
)
def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(
    data, tmp_path, undisturbed, number, processes, times, schedule
):
    for _ in range(times):
        before = age(tmp_path)
        process = killable(data, tmp_path, processes, schedule)
        while age(tmp_path) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.2))
        process.send_signal(number)
        errors = said(process)
        (saved,) = tmp_path.glob("*/state.pt")
        epoch = torch.load(saved, weights_only=True)["epoch"]
        assert epoch <= EPOCHS[processes], "stopped too late to test anything"
        if number != signal.SIGKILL:
            assert process.returncode == 128 + number
            assert errors.count(f"{number.name} received: state saved in {saved}") == 1
            assert "Traceback" not in errors
    deadline = time.monotonic() + 20
    while belong_to(tmp_path):
        assert time.monotonic() < deadline, "a process outlived the one that started it"
        time.sleep(0.05)
    finish(killable(data, tmp_path, processes, schedule))
    assert list(tmp_path.glob("*/state.pt")) == [saved], "the second try must find the first one's state"
    resumed, whole = torch.load(saved, weights_only=True), undisturbed(processes, schedule)
    assert resumed["rows"] == whole["rows"]
    assert resumed["epoch"] == EPOCHS[processes] + 1
    assert equal(resumed["model"], whole["model"])
    assert equal(resumed["best"], whole["best"])
    assert not list(tmp_path.glob("*/.*.part"))


@pytest.mark.slow
def test_all_processes_leave_when_one_is_asked_to(data, tmp_path):
    process = killable(data, tmp_path, 2, "plateau")
    while not age(tmp_path) and process.poll() is None:
        time.sleep(0.01)
    (second,) = belong_to(tmp_path, b"1")
    os.kill(second, signal.SIGUSR1)
    errors = said(process)
    assert process.returncode == 128 + signal.SIGUSR1, errors
    assert errors.count("SIGUSR1 received: state saved in") == 1


# --- several processes ------------------------------------------------------------------------------------------


UNEVEN = SETTINGS.model_copy(update={"batch": 3, "micro_batch": 1})  # shares of 2 and 1 pairs, at last of 1 and none
GRAM = {"pixel": 0.7, "gram": 0.3}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--")


def script(data, tmp_path, *options, before=()):
    return start(
        (*before, SRC / "steps/distill.py"),
        *("--train", data / "train.json", "--val", data / "val.json", "--start", data / "start"),
        *("--settings", UNEVEN.model_dump_json(), "--networks", SEEDED.model_dump_json(), "--loss", json.dumps(GRAM)),
        *("--seed", 3, "--device", "cpu", "--state", tmp_path / "state", "--out", tmp_path / "out"),
        *options,
    )


@pytest.fixture(scope="module")
def alone(larger, tmp_path_factory):
    return run(larger, tmp_path_factory.mktemp("alone"), GRAM, UNEVEN)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "before"), [(("--processes", 2), ()), ((), TORCHRUN)], ids=["own", "torchrun"])
def test_two_processes_make_the_student_of_one(larger, tmp_path, alone, options, before):
    process = script(larger, tmp_path, *options, before=before)
    errors = said(process)
    assert process.returncode == 0, errors
    out = tmp_path / "out"
    names = {"student.safetensors", "config.json", "last.safetensors", "history.csv", "distill.run.json"}
    assert {path.name for path in out.iterdir()} == names
    assert json.loads((out / "distill.run.json").read_text())["processes"] == 2
    assert errors.count("epoch 1:") == 1, "only the main process speaks"

    constant = json.loads((out / "config.json").read_text())["gram_constant"]
    assert constant == pytest.approx(alone.student.facts["gram_constant"], rel=1e-5)
    with (out / "history.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == [pytest.approx(row, rel=1e-5) for row in alone.rows]
    # Sums of float32 in another order: every tensor to 1e-5 of its norm.
    weights = load_file(out / "last.safetensors")
    assert weights.keys() == alone.last.keys()
    for name, one in alone.last.items():
        two = weights[name]
        if name.endswith("in_proj_bias"):
            # Attention does not see the keys' biases: their gradient is rounding, which Adam makes steps of.
            one, two = (value.unflatten(0, (3, -1))[[0, 2]] for value in (one, two))
        assert (one - two).double().norm() <= 1e-5 * one.double().norm(), name


@pytest.mark.slow
def test_a_mistake_is_said_once_by_two_processes(data, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    (broken / "train" / "0000.tar").write_bytes(b"")
    process = script(broken, tmp_path, "--processes", 2)
    errors = said(process)
    assert process.returncode == 1
    assert errors.startswith("error:")
    assert errors.count("not the shard that") == 1
    assert not (tmp_path / "out").exists()


def test_a_training_has_a_process_for_each_gpu_that_has_a_pair(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [processes_for(device, 8) for device in ("auto", "cuda", "cuda:1", "cpu")] == [4, 4, 1, 1]
    assert processes_for("auto", 2) == 2
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert processes_for("auto", 8) == 1
