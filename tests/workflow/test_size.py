"""A run of the paper's size, made of stand-in files: what is finished, and what a change reaches."""

from __future__ import annotations

from pathlib import Path

import pytest
from naming import TABLES, students
from running import planned, run_workflow
from standing_in import finished, paper

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, Path]:
    """The folder of the finished run, and its configuration."""
    folder = tmp_path_factory.mktemp("paper")
    return folder, finished(folder)


def test_nothing_changed_is_nothing_to_do(run):
    folder, config = run
    assert len(list(folder.rglob("*.png"))) > 10_000
    done = run_workflow(folder, "--cores", "1", "--configfile", str(config))
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_changed_loss_weight_reaches_its_own_jobs_alone(run):
    folder, _ = run
    changed = paper(folder, gram30={"pixel": 0.6, "gram": 0.4})
    assert planned(folder, changed) == students("gram30") | TABLES
