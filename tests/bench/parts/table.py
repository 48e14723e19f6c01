"""A benchmark's figures, their limits and the machine they were taken on: printed, and kept as JSON."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import diffusers
import torch

from styledistill.core.files import write_json


@dataclass(frozen=True)
class Row:
    """One figure. limit: the most that it may be; None for a figure without one. measured: None if it was not."""

    name: str
    measured: float | None
    limit: float | None = None

    @property
    def status(self) -> str:
        """`ok`, `MISSED`, `not measured`, or nothing."""
        if self.measured is None:
            return "not measured"
        if self.limit is None:
            return ""
        return "ok" if self.measured <= self.limit else "MISSED"


def machine() -> dict[str, Any]:
    """What a figure cannot be read without."""
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu[1] if cpu else "unknown",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
    }


def show(rows: list[Row]) -> None:
    """Print the rows."""
    width = max(len(row.name) for row in rows)
    print(f"{'':<{width}}  {'measured':>10}  {'at most':>8}")
    for row in rows:
        measured = "" if row.measured is None else f"{row.measured:.3g}"
        limit = "" if row.limit is None else f"{row.limit:g}"
        print(f"{row.name:<{width}}  {measured:>10}  {limit:>8}  {row.status}".rstrip())


def keep(path: Path, rows: list[Row], details: dict[str, Any]) -> None:
    """Write rows, details and machine as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"machine": machine(), "rows": [{**asdict(row), "status": row.status} for row in rows], **details})
