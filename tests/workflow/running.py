"""Running the real workflow in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "workflow" / "presets" / "smoke.yaml"


def run_workflow(
    folder: Path, *arguments: str, timeout: int = 900, snakefile: Path = ROOT / "Snakefile"
) -> subprocess.CompletedProcess:
    """`snakemake ...` on this repository's Snakefile (or another) with `folder` as the working directory."""
    command, environment = command_line(folder, *arguments, snakefile=snakefile)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def command_line(
    folder: Path, *arguments: str, snakefile: Path = ROOT / "Snakefile"
) -> tuple[list[str], dict[str, str]]:
    """The words and the environment of that command."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--directory", str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return [*command, "--nocolor", *arguments], {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"}
