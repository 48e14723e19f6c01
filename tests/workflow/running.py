"""Running the real workflow in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "workflow" / "presets" / "smoke.yaml"


def run_workflow(folder: Path, *arguments: str, timeout: int = 900) -> subprocess.CompletedProcess:
    """`snakemake ...` on this repository's Snakefile with `folder` as the working directory."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [*command, "--nocolor", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
