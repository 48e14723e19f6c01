"""What the stages wrote about themselves: their `*.run.json` files, gathered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from ..core.files import read_json

# The order in which people think of the stages; others follow in the order of their start.
ORDER = (
    "weights",
    "index",
    "download",
    "fetch",
    "crop",
    "golden",
    "duplicates",
    "teach",
    "pack",
    "manifest",
    "card",
    "pretrain",
    "distill",
    "graphs",
    "export",
    "render",
    "score",
    "benchmark",
    "deviation",
    "score_variants",
    "table",
    "compare",
    "ablation",
    "figures",
    "report",
)


@dataclass(frozen=True)
class StageCost:
    """Jobs of one stage together. Seconds are by the jobs' own clocks: parallel jobs add up to more than passed."""

    stage: str
    jobs: int
    seconds: float
    slowest: float
    peak_memory_mb: float
    devices: tuple[str, ...]


def read_records(results: Path) -> list[dict[str, Any]]:
    """All records below the folder of a run, in the order of their start; each with its `path` relative to the run.

    Raises UserError for one that cannot be read.
    """
    found = []
    for path in sorted(results.rglob("*.run.json")):
        try:
            found.append(read_json(path) | {"path": str(path.relative_to(results))})
        except ValueError as error:
            advice = f"Run: python src/verify.py {results} --repair"
            raise UserError(f"{path}: not a record that can be read. {advice}") from error
    return sorted(found, key=lambda record: (record.get("started", ""), record["path"]))


def stage_costs(records: list[dict[str, Any]]) -> list[StageCost]:
    """Seconds (sum and slowest job) and peak memory per stage, in the order of the workflow."""
    by_stage: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_stage[record["stage"]].append(record)
    stages = sorted(by_stage, key=lambda stage: ORDER.index(stage) if stage in ORDER else len(ORDER))
    return [_cost(stage, by_stage[stage]) for stage in stages]


def _cost(stage: str, records: list[dict[str, Any]]) -> StageCost:
    seconds = [float(record["seconds"]) for record in records]
    memory = max(float(record.get("peak_memory_mb", 0)) for record in records)
    devices = tuple(sorted({str(record.get("device", "cpu")) for record in records}))
    return StageCost(stage, len(records), sum(seconds), max(seconds), memory, devices)


def versions(records: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Package -> the versions that the run's jobs were made with. More than one means that parts do not match."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for package, version in record.get("versions", {}).items():
            found[package].add(str(version))
    return {package: sorted(found[package]) for package in sorted(found)}


def duration(seconds: float) -> str:
    """Seconds as people say them: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
