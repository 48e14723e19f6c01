"""Processor seconds from a script's start to its first work and to its end, with nothing done between: its imports.

    python tests/bench/start.py [OTHER]

OTHER: a checkout of another commit, whose script of the same rule takes turns with this one's (A B A B). Prints the
medians and, with OTHER, the median of the turns' ratios, and keeps them in results/bench/start.json. Two minutes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.table import Row, keep, show

TURNS = 3
# Names at commit 89df96e, where they differ.
SCRIPTS = {
    "select_block": "fetch",
    "crop": "crop",
    "teach": "teach",
    "distill": "distill",
    "render": "render",
    "score": "score_models",
    "trace_onnx": "graphs",
    "export_onnx": "export",
    "table": "table",
    "figures": "figures",
    "report": "report",
}
# A script imports what the commands share at its own start, as each of these does where it is there.
_PROGRAM = """
import sys
sys.argv = ["{name}.py"]
sys.path.insert(0, {folder!r})
import {name}
{cli}
with user_errors():
    pass
"""
_CLI = {
    "src/styledistill/run/cli.py": "from styledistill.run.cli import user_errors",
    "src/styledistill/cli.py": "from styledistill.cli import user_errors",
    "src/command.py": "from command import user_errors",
}


def main() -> None:
    """Measure, print and keep everything."""
    other = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    rows, kept = [], {}
    for name, formerly in SCRIPTS.items():
        turns = []
        for _ in range(TURNS):
            there = (other / "src" / "steps" / f"{name}.py").exists() if other else False
            turns.append((seconds(ROOT, name), seconds(other, name if there else formerly) if other else 0.0))
        kept[name] = turns
        rows.append(Row(f"{name}, s", median(mine for mine, _ in turns)))
        if other:
            rows.append(Row(f"{name}, over {other.name}", median(mine / its for mine, its in turns)))
    show(rows)
    keep(ROOT / "results" / "bench" / "start.json", rows, {"turns": kept})


def seconds(repository: Path, name: str) -> float:
    """Processor seconds of one start of a checkout's script."""
    steps = repository / "src" / "steps"
    folder = steps if steps.is_dir() else repository / "src"
    cli = next(line for file, line in _CLI.items() if (repository / file).exists())
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"}
    before = _cpu()
    program = _PROGRAM.format(name=name, folder=str(folder), cli=cli)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    return _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
