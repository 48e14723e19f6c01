"""The two profiles agree where they must, since one replaces the other; every rule has its environment twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import yaml
from running import ROOT

from styledistill.run import containers

DEFAULT, SLURM = (ROOT / "profiles" / name / "config.yaml" for name in ("default", "slurm"))
RULES = {
    name: body
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for name, body in re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *(?:use )?rule |\Z)", path.read_text(), re.M | re.S)
}


def _keys(path):
    return yaml.safe_load(path.read_text())


def test_what_both_profiles_set_is_equal_but_for_the_limit_of_one_machine():
    default, slurm = _keys(DEFAULT), _keys(SLURM)
    common = set(default) - {"resources"}
    assert common == {"rerun-triggers", "rerun-incomplete", "show-failed-logs"}
    assert {key: slurm[key] for key in common} == {key: default[key] for key in common}
    assert default["resources"] == ["gpu=1"]
    assert not any("gpu" in entry for entry in slurm["resources"])


def test_every_value_of_the_slurm_profile_is_explained():
    lines = SLURM.read_text().splitlines()
    bare = [line for number, line in enumerate(lines) if re.match(r"[a-z]", line) and not _explained(lines[:number])]
    assert bare == []


def _explained(above):
    """A comment stands right above, or above the keys that stand together with this one."""
    for line in reversed(above):
        if line.strip().startswith("#"):
            return True
        if not line.strip():
            return False
    return False


def test_the_slurm_profile_names_rules_that_there_are():
    slurm = _keys(SLURM)
    grouped = [entry.split("=")[0] for entry in slurm["groups"]]
    named = {*slurm["set-resources"], *slurm["set-threads"], *grouped, *slurm["slurm-array-jobs"].split(",")}
    assert named - set(RULES) == set()


def test_only_gpu_rules_and_the_controls_are_jobs_of_their_own():
    slurm = _keys(SLURM)
    grouped = {entry.split("=")[0] for entry in slurm["groups"]}
    single = {name for name, body in RULES.items() if "localrule: True" not in body} - grouped
    gpu = {name for name, body in RULES.items() if re.search(r"gpu=", body)}
    # Minutes at the preprint's size, and no network; hours of a large folder, which the group would repeat as a whole.
    assert single - gpu == {"render_controls", "index"}
    assert all(int(entry.split("=")[1]) >= 20 for entry in slurm["group-components"])


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_runs_in_one_environment_with_conda_and_in_a_container(name):
    conda, container = (re.findall(rf'{kind}\("(\w+)"\)', RULES[name]) for kind in ("env", "image"))
    assert len(conda) == 1
    assert conda == container


@pytest.mark.parametrize("name", ["data", "model", "report"])
def test_conda_environments_are_as_conda_wants_them_and_install_the_lock(name):
    """Channels, and dependencies that are specs or one list for pip; not solved, since that takes a channel."""
    environment = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    assert set(environment) == {"name", "channels", "dependencies"}
    assert environment["name"] == f"styledistill-{containers.image(ROOT, name).stem}"
    assert all(isinstance(channel, str) for channel in environment["channels"])
    specs = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert all(re.fullmatch(r"[a-z0-9_.-]+([=<>!~]=?[\w.*]+)?", spec) for spec in specs)
    assert [spec.split("=")[0] for spec in specs] == ["python", "pip"]
    (pip,) = (entry for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == {"pip": [f"-r ${{STYLEDISTILL_ENVS}}/{name}.lock"]}


def test_pip_finds_the_lock_from_where_conda_calls_it(tmp_path):
    """Conda writes the list into a file of its own. What the lock names is installed here: pip has nothing to fetch."""
    (line,) = yaml.safe_load((ROOT / "envs/data.yaml").read_text())["dependencies"][-1]["pip"]
    (tmp_path / "condaenv.requirements.txt").write_text(line + "\n")
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "-r", "condaenv.requirements.txt"]
    environment = {**os.environ, "STYLEDISTILL_ENVS": str(ROOT / "envs")}
    done = subprocess.run(pip, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pandas" in done.stdout
