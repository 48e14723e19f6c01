"""How long Snakemake plans at the paper's size (8,700 pairs), before any job runs.

    python tests/bench/workflow.py

A run is made of empty files, in a folder of its own. Measured are a dry run of all of it, one after a loss's weight was
changed, and a run that has nothing to do, in seconds of the clock and, beside them, of the processor. Prints a table,
keeps it in results/bench/workflow.json, and exits with 1 where a limit is missed. About 2 minutes.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "workflow" / "support")]

from parts.table import Row, keep, show
from running import run_workflow
from standing_in import finished, paper

DRY, NOTHING = 10, 15  # seconds


def main() -> None:
    """Measure, print and keep everything; the exit code says whether all limits hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty").mkdir()
        (folder / "empty" / "weights").symlink_to(ROOT / "weights")
        (folder / "run").mkdir()
        config = finished(folder / "run")
        changed = paper(folder / "run", gram30={"pixel": 0.6, "gram": 0.4})
        cases = (
            ("dry run of all", folder / "empty", config, DRY, "-n"),
            ("dry run, a loss's weight changed", folder / "run", changed, DRY, "-n"),
            ("nothing to be done", folder / "run", config, NOTHING, "--cores", "1"),
        )
        taken = {case: measured(*rest) for case, *rest in cases}
    rows = [Row(f"{case}, s", taken[case]["wall"], limit) for case, _, _, limit, *_ in cases]
    show(rows)
    keep(ROOT / "results" / "bench" / "workflow.json", rows, {"seconds": taken})
    if any(row.status == "MISSED" for row in rows):
        sys.exit(1)


def measured(folder: Path, config: Path, limit: float, *arguments: str) -> dict[str, Any]:
    """Seconds of `snakemake ARGUMENTS` in `folder`, of the clock and of the processor."""
    before, start = _cpu(), time.perf_counter()
    done = run_workflow(folder, *arguments, "--configfile", str(config))
    seconds = {"wall": time.perf_counter() - start, "processor": _cpu() - before}
    assert done.returncode == 0, done.stderr[-3000:]
    assert ("Nothing to be done" in done.stdout + done.stderr) == ("--cores" in arguments)
    print("{wall:.1f} s of the clock, {processor:.1f} s of the processor: snakemake".format(**seconds), *arguments)
    return seconds


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
