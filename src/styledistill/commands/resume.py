"""Go on with a run whose Snakemake was killed: unlock it and run again, unless somebody (or SLURM) works on it."""

import os
import subprocess
import sys
from importlib import import_module

import click

from ..run.cli import needs
from ..run.lock import RESUMING


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
def main(snakemake: tuple[str, ...]) -> None:
    """Unlock the run, then become `snakemake SNAKEMAKE`, such as --cores all; give it what the run was started with."""
    with needs():
        import_module("snakemake")  # started as a module, Python would say less
    command = [sys.executable, "-m", "snakemake", *snakemake]
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
