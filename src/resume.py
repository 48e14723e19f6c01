"""Go on with a run whose Snakemake was killed: unlock it and run again, unless somebody (or SLURM) works on it."""

import os
import subprocess
import sys

from styledistill.run.lock import RESUMING


def main(arguments: list[str]) -> int:
    """Unlock the run, then become `snakemake ARGUMENTS`; returns only where that was refused, with the exit code."""
    snakemake = [sys.executable, "-m", "snakemake", *arguments]
    # The workflow itself knows which run it is, and refuses here while a job of that lives or waits in a queue.
    unlock = subprocess.run(
        [*snakemake, "--unlock"],
        env={**os.environ, RESUMING: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if unlock.returncode:
        sys.stderr.write(unlock.stdout + unlock.stderr)
        return unlock.returncode
    os.execv(sys.executable, snakemake)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
