"""Running the real workflow in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
SMOKE = ROOT / "workflow" / "presets" / "smoke.yaml"

# Snakemake's start and the code's fingerprints are most of a dry run: one process has both, and plans each in a child.
_PLANNED = """
import json, os, sys
from pathlib import Path
src, configs, places = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
sys.path.insert(0, str(src))
from styledistill.run.explain import planned
from styledistill.core.fingerprint import fingerprint_script
for script in (src / "steps").glob("*.py"):
    fingerprint_script(script.stem)
for config in configs:
    child = os.fork()
    if not child:
        jobs = planned([*places, "--configfile", config])
        print("planned", json.dumps([" ".join([job.rule, *job.wildcards.values()]) for job in jobs]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def run_workflow(
    folder: Path, *arguments: str, timeout: int = 900, repository: Path = ROOT
) -> subprocess.CompletedProcess:
    """`snakemake ...` on this repository's Snakefile (or that of a copy) with `folder` as the working directory."""
    return _run(_workflow(folder, *arguments, repository=repository), folder, timeout)


def command_line(folder: Path, *arguments: str, program: Sequence[str] = ("-m", "snakemake")) -> list[str]:
    """The words of that command, or of another program that takes Snakemake's."""
    return [sys.executable, *program, *_places(folder, ROOT), "--nocolor", *arguments]


def planned(folder: Path, config: Path, *words: str, repository: Path = ROOT) -> set[str]:
    """The jobs that `snakemake WORDS` would start now, each as its rule and its wildcards: "teach train 0001"."""
    return planned_each(folder, [config], *words, repository=repository)[0]


def planned_each(folder: Path, configs: Sequence[Path], *words: str, repository: Path = ROOT) -> list[set[str]]:
    """The same for each of several configurations."""
    names = json.dumps([str(config) for config in configs])
    arguments = [str(repository / "src"), names, *_places(folder, repository), *words]
    done = _run(["-c", _PLANNED, *arguments], folder)
    said = done.stdout + done.stderr
    found = [json.loads(line.removeprefix("planned ")) for line in said.splitlines() if line.startswith("planned ")]
    assert len(found) == len(configs), said[-3000:]
    return [set(jobs) for jobs in found]


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
