"""Going on with a run whose Snakemake was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module

from .lock import RESUMING


def resume(arguments: Sequence[str]) -> None:
    """Unlock the run, then become `snakemake ARGUMENTS`; they are what the run was started with.

    Exits as Snakemake does where somebody, or a job in a queue, works on the run. Raises ImportError without Snakemake.
    """
    import_module("snakemake")  # started as a module, Python would say less
    command = [sys.executable, "-m", "snakemake", *arguments]
    # The workflow itself knows which run it is, and refuses here while a job of that lives or waits in a queue.
    unlock = subprocess.run(
        [*command, "--unlock"],
        env={**os.environ, RESUMING: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if unlock.returncode:
        sys.stderr.write(unlock.stdout + unlock.stderr)
        raise SystemExit(unlock.returncode)
    os.execv(sys.executable, command)
