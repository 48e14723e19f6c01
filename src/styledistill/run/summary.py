"""The few lines that a run ends with: what was made, what it cost, where to look."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ..core.provenance import duration, read_records, stage_costs


def summarize(results: Path | str) -> str:
    """Text for a terminal about the run in `results` (results/<run>), made from its `*.run.json` files and images."""
    results = Path(results)
    costs = stage_costs(read_records(results))
    lines = [f"Run {results.name}: {_made(results)}."]
    if costs:
        width = max(len(cost.stage) for cost in costs)
        for cost in costs:
            jobs = f"{cost.jobs:4d} {'jobs' if cost.jobs > 1 else 'job'}"
            lines.append(f"  {cost.stage:<{width}}  {duration(cost.seconds):>12}  {jobs}")
        total, jobs = sum(cost.seconds for cost in costs), sum(cost.jobs for cost in costs)
        lines.append(f"  {'in all':<{width}}  {duration(total):>12}  {jobs:4d} jobs (their own clocks, added up)")
    lines += [f"Look at {path}" for path in _places(results)]
    return "\n".join(lines)


def word_of_kills(logs: Iterable[Path | str]) -> str | None:
    """What to tell where one of Snakemake's logs says that a job was killed, whose own log is empty then; else None."""
    text = "".join(Path(log).read_text(errors="replace") for log in logs)
    if "exit status 137." not in text and "SIGKILL" not in text:
        return None
    return (
        "error: a job was killed, as the kernel does for want of memory: see above which. Run again with fewer"
        " --cores or on a machine with more memory; what is finished is kept."
    )


def _made(results: Path) -> str:
    parts = [f"{_pairs(results, split)} {split} pairs" for split in ("train", "val") if _pairs(results, split)]
    losses = sorted(path.parent.name for path in results.glob("students/*/history.csv"))
    if losses:
        parts.append(f"{len(losses)} {'students' if len(losses) > 1 else 'student'} ({', '.join(losses)})")
    sheets = len(list(results.glob("golden/teacher/*.png")))
    if sheets:
        parts.append(f"{sheets} golden pairs")
    return ", ".join(parts) or "nothing made yet"


def _pairs(results: Path, split: str) -> int:
    manifest = results / "shards" / f"{split}.json"
    return json.loads(manifest.read_text("utf-8"))["pairs"] if manifest.exists() else 0


def _places(results: Path) -> list[Path]:
    wanted = (results / "report.html", results / "figures" / "golden.png", results / "tables" / "metrics.csv")
    return [path for path in wanted if path.exists()]
