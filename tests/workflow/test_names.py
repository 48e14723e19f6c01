"""Any legal names, drawn at random: no traceback, and no image with another's name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from running import ROOT, SMOKE, preset, run_workflow

from styledistill.core.errors import UserError
from styledistill.metrics.score_folders import find_pairs
from styledistill.student.stylize_jobs import plan

# All that a file may be called on Linux, as far as Snakemake's own terminal shows it.
LEGAL = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cn"]), min_size=1, max_size=20)
NAMES = LEGAL.filter(lambda name: name not in (".", "..") and len(name.encode()) < 60)
STEMS = NAMES.filter(lambda name: not name.startswith(".") and Path(f"{name}.png").stem == name)
RUNS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
SOURCES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in ("scenes", "paintings"))


def image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")


def dry_run(repository: str, work: str, folder: str, source: str, run: str, images: list[str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        place = Path(root) / "r" / repository
        place.parent.mkdir()
        place.symlink_to(ROOT)
        here = Path(root) / "w" / work
        here.mkdir(parents=True)
        for number, name in enumerate(images):
            image(here / folder / f"{name}.png", number)
        values = yaml.safe_load(SMOKE.read_text("utf-8"))
        sources = {**values["sources"], source: {"kind": "folder", "path": folder}}
        golden = {**values["golden"], "contents": {source: 1}}
        config = preset(Path(root) / "c.yaml", run=run, sources=sources, golden=golden)
        arguments = ["-n", "--cores", "1", "--configfile", str(config)]
        done = run_workflow(here, *arguments, repository=place)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said[-2000:]
        assert done.returncode == 0, said[-2000:]


EVERYTHING = st.tuples(NAMES, NAMES, NAMES, SOURCES, RUNS, st.lists(STEMS, min_size=10, max_size=10, unique=True))


@pytest.mark.slow
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(EVERYTHING)
def test_a_few_names_of_everything(names: tuple[str, str, str, str, str, list[str]]) -> None:
    dry_run(*names)


@pytest.mark.overnight
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(EVERYTHING)
def test_many_names_of_everything(names: tuple[str, str, str, str, str, list[str]]) -> None:
    dry_run(*names)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEMS, min_size=2, max_size=2, unique=True), st.lists(STEMS, min_size=2, max_size=2, unique=True))
def test_what_is_made_is_scored_with_its_own_pair_or_refused(contents: list[str], styles: list[str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        folders = {role: Path(root) / role for role in ("c", "s", "out")}
        for role, names in (("c", contents), ("s", styles)):
            for number, name in enumerate(names):
                image(folders[role] / f"{name}.png", number)
        try:
            jobs = plan(folders["c"], folders["s"], folders["out"])
        except UserError as error:
            assert "Rename" in str(error)
            return
        made = {job.out.name: (job.content, *job.styles) for job in jobs}
        assert len(made) == 4
        for number, job in enumerate(jobs):
            image(job.out, number)
        try:
            pairs = find_pairs(folders["out"], folders["c"], folders["s"])
        except UserError as error:
            assert "could be" in str(error)
            return
        assert {f"{pair.name}.png": (pair.content_file, pair.style_file) for pair in pairs} == made
