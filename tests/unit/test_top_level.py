"""What stands beside the code says of it what is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_snakemake_is_asked_for_alike_everywhere():
    """By the workflow itself, which runs as a module of others too, by the package and by the environment."""
    asked = re.search(r'^min_version\("(.+)"\)$', (ROOT / "Snakefile").read_text("utf-8"), re.M)[1]
    wanted = f"snakemake>={asked},<{int(asked.partition('.')[0]) + 1}"
    assert wanted in PROJECT["optional-dependencies"]["train"]
    assert wanted in (ROOT / "envs/run.in").read_text("utf-8").splitlines()


def test_the_citation_is_of_this_version():
    citation = read("CITATION.cff")
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])


def test_the_citation_has_what_the_readme_asks_to_cite():
    assert "Please cite the preprint\nand the papers of StyleID and STTR" in (ROOT / "README.md").read_text("utf-8")
    notes = " ".join(paper["notes"] for paper in read("CITATION.cff")["references"])
    assert [name for name in ("preprint", "StyleID", "STTR") if name not in notes] == []


def test_continuous_integration_runs_the_one_script_and_every_python():
    jobs = read(".github/workflows/ci.yml")["jobs"]
    assert ".ci/run" in [step.get("run") for step in jobs["tests"]["steps"]]
    pythons = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert jobs["package"]["strategy"]["matrix"]["python"] == pythons


def test_what_snakedeploy_copies_is_the_embedded_default():
    assert (ROOT / "config/config.yaml").read_bytes() == (ROOT / "config.yaml").read_bytes()
    assert (ROOT / "config/config.yaml").is_symlink()


def test_git_keeps_the_word_about_results_and_no_run():
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no checkout by git")
    names = ["results/README.md", "results/default/report.html", "resources/pairs/x.png"]
    command = ["git", "check-ignore", "--no-index", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == names[1:]


def test_clean_removes_runs_and_leaves_the_word_about_them(tmp_path: Path):
    shutil.copy2(ROOT / "Makefile", tmp_path)
    for name in ("results/README.md", "results/default/report.html", ".snakemake/x", ".venv/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["Makefile", "README.md", "results"]
