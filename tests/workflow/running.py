"""Running the real workflow in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "workflow" / "presets" / "smoke.yaml"

_PLANNED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from explain import planned
jobs = planned(sys.argv[2:])
print(json.dumps([" ".join([job.rule, *job.wildcards.values()]) for job in jobs]))
"""


def run_workflow(
    folder: Path, *arguments: str, timeout: int = 900, repository: Path = ROOT
) -> subprocess.CompletedProcess:
    """`snakemake ...` on this repository's Snakefile (or that of a copy) with `folder` as the working directory."""
    return _run(_workflow(folder, *arguments, repository=repository), folder, timeout)


def command_line(folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The words and the environment of that command."""
    return [sys.executable, *_workflow(folder, *arguments, repository=ROOT)], environment()


def planned(folder: Path, config: Path, *arguments: str, repository: Path = ROOT) -> set[str]:
    """The jobs that a run would start now, each as its rule and the values of its wildcards: "teach train 0001"."""
    places = [*_places(folder, repository), "--configfile", str(config), *arguments]
    done = _run(["-c", _PLANNED, str(repository / "src"), *places], folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


def preset(path: Path, **changes: Any) -> Path:
    """The smoke preset with other sections, written to `path`."""
    path.write_text(yaml.safe_dump({**yaml.safe_load(SMOKE.read_text()), **changes}, sort_keys=False))
    return path


def _workflow(folder: Path, *arguments: str, repository: Path) -> list[str]:
    return ["-m", "snakemake", *_places(folder, repository), "--nocolor", *arguments]


def _places(folder: Path, repository: Path) -> list[str]:
    return ["--snakefile", str(repository / "Snakefile"), "--directory", str(folder)]


def _run(arguments: list[str], folder: Path, timeout: int = 900) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def environment() -> dict[str, str]:
    """Of a shell in which this Python is the first, and no model hub is asked."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"}
