"""The workflow as a module of another one, from its folder or, as snakedeploy declares it, from a repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from naming import ALL
from running import ROOT, SMOKE, environment

pytestmark = pytest.mark.slow

FROM_A_FOLDER = """
configfile: "config/config.yaml"

module styledistill:
    snakefile: {snakefile!r}
    config: config["style"]

use rule * from styledistill as style_*

rule own:
    input:
        "results/smoke/index/faces.csv",
    output:
        "own.txt",
    shell:
        'echo "hub ${{{{HF_HUB_OFFLINE:-asked}}}}" >{{output}}'
"""
# As snakedeploy 0.17 writes it.
FROM_A_REPOSITORY = """
from snakemake.utils import min_version


min_version("6.10.0")


configfile: "config/config.yaml"


# declare https://github.com/owner/styledistill as a module
module styledistill:
    snakefile:
        github("owner/styledistill", path="Snakefile", commit="{commit}")
    config:
        config


# use all rules from https://github.com/owner/styledistill
use rule * from styledistill
"""


def deployed(folder: Path, snakefile: str, config: str) -> None:
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow" / "Snakefile").write_text(snakefile)
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(config)


def snakemake(folder: Path, *words: str, **variables: str) -> str:
    """What `snakemake WORDS` says in a folder where another workflow is; it must end well."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--nocolor", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment() | variables, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def test_a_module_of_a_folder_runs_beside_rules_of_others(tmp_path: Path) -> None:
    nested = "style:\n" + "".join(f"  {line}\n" for line in SMOKE.read_text().splitlines())
    deployed(tmp_path, FROM_A_FOLDER.format(snakefile=str(ROOT / "Snakefile")), nested)
    plan = snakemake(tmp_path, "-n", "style_all")
    assert all(f"\nstyle_{name.split()[0]} " in plan for name in ALL)
    snakemake(tmp_path, "own.txt")
    assert (tmp_path / "results/smoke/index/faces.csv").is_file()
    # Its jobs see no hub; those of others see what they saw.
    assert (tmp_path / "own.txt").read_text() == f"hub {environment()['HF_HUB_OFFLINE']}\n"


def test_a_module_of_a_repository_plans_all(tmp_path: Path) -> None:
    repository, work = tmp_path / "repository", tmp_path / "a {b}" / "work"
    for name in ("src", "workflow", "profiles", "envs", "weights", "containers"):
        shutil.copytree(ROOT / name, repository / name, ignore=shutil.ignore_patterns("__pycache__", "*.sif"))
    for name in ("Snakefile", "config.yaml", "pyproject.toml"):
        shutil.copy2(ROOT / name, repository)
    git = ["git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    deployed(work, FROM_A_REPOSITORY.format(commit=commit), SMOKE.read_text())
    # Git takes the folder for the repository of the hosting service.
    hosting = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/owner/styledistill",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    plan = snakemake(work, "-n", **hosting)
    assert all(f"\n{name.split()[0]} " in plan for name in ALL)
    (copy,) = (work / ".snakemake/styledistill").iterdir()
    assert copy.name == commit and (copy / "src/steps/teach.py").is_file()
    snakemake(work, "results/smoke/index/faces.csv", **hosting)
    assert list((work / ".snakemake/styledistill").iterdir()) == [copy]
