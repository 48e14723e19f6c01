"""A page or figures that are being replaced when their job is killed: each file is the old one or the new."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import figures
import pandas as pd
import pytest
import report

from styledistill import config as configuration
from styledistill.report.tables import metrics, stored
from styledistill.report.tables.formats import csv

Step = Callable[[Path], None]  # of a run's folder


@pytest.fixture
def runs(trial: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs that differ in their numbers."""
    old, new = (Path(shutil.copytree(trial, tmp_path / name)) for name in ("old", "new"))
    for history in new.rglob("history.csv"):
        table = pd.read_csv(history)
        history.write_text(csv(table.assign(val_loss=table["val_loss"] * 2)))
    for scores in (new / "metrics").glob("*.csv"):
        table = pd.read_csv(scores)
        scores.write_text(csv(table.assign(lpips=table["lpips"] * 1.5, teacher_mse=table["teacher_mse"] * 1.5)))
    data = stored.read(new / "tables/metrics").data
    stored.write(metrics.document(data.assign(lpips=data["lpips"] / 2), 200), new / "tables/metrics")
    return old, new


def page(trial_config: configuration.Config, out: Path) -> Step:
    config = trial_config.model_dump_json()
    return lambda run: report.main.main(
        [f"--results={run}", f"--config={config}", f"--out={out / 'report.html'}"], standalone_mode=False
    )


def drawn(trial_config: configuration.Config, out: Path) -> Step:
    """Into `figures` of the run, which leads to `out`."""
    losses = ",".join(trial_config.losses)
    models = [f"--models=teacher,pretrained,{losses}", f"--losses={losses}", f"--validated={losses}"]

    def step(run: Path) -> None:
        if not (run / "figures").exists():
            (run / "figures").symlink_to(out)
        figures.main.main(
            [f"--results={run}", "--golden-contents=2", "--golden-styles=2", *models], standalone_mode=False
        )

    return step


STEPS = {"report": page, "figures": drawn}


def made(out: Path) -> dict[str, bytes]:
    """What stands in a folder; records have the time of day, and hidden files are nobody's results."""
    files = [path for path in out.iterdir() if not path.name.startswith(".") and not path.name.endswith(".run.json")]
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.long
@pytest.mark.parametrize("name", STEPS)
def test_killed_at_any_moment_leaves_the_old_or_the_new(
    name: str, runs: tuple[Path, Path], trial_config: configuration.Config, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    step, wholes, choice = STEPS[name](trial_config, out), [], random.Random(name)
    for run in runs:
        start = time.monotonic()
        step(run)
        takes = time.monotonic() - start
        wholes.append(made(out))
    changed = {file for file in wholes[0] if wholes[0][file] != wholes[1][file]}
    assert changed, "else any file would do"
    for _ in range(6):
        if not (child := os.fork()):
            while True:
                for run in runs:
                    step(run)
        time.sleep(choice.uniform(0.2, 1.5) * takes)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = made(out)
        assert found.keys() == wholes[0].keys()
        for file, data in found.items():
            assert data in (wholes[0][file], wholes[1][file]), file
