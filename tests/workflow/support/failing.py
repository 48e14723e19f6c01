"""A step that fails: what it is started with, the one line that it says, and what it may not leave."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml
from comparing import RUN
from running import SMOKE

from styledistill.config import validate


def parts(folder: Path) -> list[Path]:
    """What writers have left half-written, in the run and in what all runs share."""
    return [path for name in (RUN, "resources") for path in (folder / name).rglob("*.part")]


def distilling(smoke: Path, folder: Path, state: Path, **settings: int) -> list[str]:
    """The arguments of the step that distills; settings: those that differ from the smoke run's."""
    values = validate(yaml.safe_load(SMOKE.read_text()))
    run, chosen = smoke / RUN, values.distill.model_copy(update=settings)
    arguments = ["--train", str(run / "shards/train.json"), "--val", str(run / "shards/val.json")]
    arguments += ["--start", values.student.start, "--loss", json.dumps(values.losses["mse"]), "--device", "cpu"]
    arguments += ["--settings", chosen.model_dump_json(), "--networks", values.networks.model_dump_json()]
    return [*arguments, "--seed", str(values.seed), "--state", str(state), "--out", str(folder / "out")]


def only_line(done: subprocess.CompletedProcess) -> str:
    """What a script that met a limit says of it."""
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-3000:]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line
