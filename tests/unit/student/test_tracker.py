"""A history in the trackers themselves, those that are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from styledistill.config import Distill, load
from styledistill.run.preflight import check, needed_now
from styledistill.student.tracker import tracked

SRC = Path(__file__).parents[3] / "src"
KINDS = ("tensorboard", "trackio", "wandb")
# In a process of its own: trackers read their environment once, and leave threads.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from accelerate import PartialState
from styledistill.student.tracker import tracked

kind, student, epochs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
PartialState(cpu=True)
with tracked(kind, student) as tracker:
    for epoch in range(1, epochs + 1):
        tracker.row({"epoch": epoch, "val_loss": 1 / 2**epoch})
    tracker.images(epochs, np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8))
"""


def shown(kind: str, root: Path) -> Path:
    """The tracker's folder after a training of two epochs that was killed after the first."""
    if not list(distributions(name=kind)):
        pytest.skip(f"needs the package {kind}")
    student = root / "run" / "students" / "mse"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "TRACKIO"))}
    for epochs in ("1", "2"):
        command = [sys.executable, "-c", PROGRAM, kind, str(student), epochs]
        subprocess.run(command, cwd=root, check=True, env=environment | {"PYTHONPATH": str(SRC)}, timeout=240)
    assert [path.name for path in (*root.iterdir(), *student.iterdir())] == ["run", "tracker"]
    return student / "tracker"


def test_tensorboard_shows_the_history_once_and_the_image(tmp_path):
    folder = shown("tensorboard", tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("val_loss")] == [(1, 0.5), (2, 0.25)]
    (image,) = events.Images("validation")
    assert (image.step, image.width, image.height) == (2, 12, 8)


def test_trackio_shows_the_history_once_and_the_image(tmp_path):
    folder = shown("trackio", tmp_path)
    import sqlite3

    (base,) = folder.glob("*.db")
    assert base.stem == "styledistill"
    with sqlite3.connect(base) as opened:
        rows = opened.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
    assert {name for name, _, _ in rows} == {"run-mse"}
    assert [step for _, step, metrics in rows if b"val_loss" in bytes(metrics)] == [1, 2]
    assert len(list(folder.rglob("*.png"))) == 1


def test_wandb_writes_offline_the_history_once_and_the_image(tmp_path):
    folder = shown("wandb", tmp_path)
    (run,) = (folder / "wandb").glob("offline-run-*")
    assert list(run.glob("*.wandb"))
    assert len(list(run.rglob("*.png"))) == 1


def test_none_writes_nothing(tmp_path):
    with tracked("none", tmp_path) as tracker:
        assert tracker is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_names_it_before_any_job_where_one_trains(kind):
    if list(distributions(name=kind)):
        pytest.skip(f"{kind} is installed")
    smoke = load(SRC.parent / "workflow" / "presets" / "smoke.yaml")
    missing = check(smoke.model_copy(update={"distill": smoke.distill.model_copy(update={"tracker": kind})}))
    assert needed_now(missing, [("distill", None)]) == [
        f"distill.tracker: the package {kind} is not installed. Run: pip install {kind}, or set it to none."
    ]
    assert needed_now(missing, [("teach", None)]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_that_is_not_there_is_named_with_what_to_do(kind):
    missing = Distill(tracker=kind).missing()
    if list(distributions(name=kind)):
        assert missing is None
    else:
        assert missing == f"tracker: the package {kind} is not installed. Run: pip install {kind}, or set it to none."
    assert Distill().missing() is None
