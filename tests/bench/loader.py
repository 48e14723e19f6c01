"""The loader of pairs against the training that it feeds.

    python tests/bench/loader.py

Pairs of drawn images are packed into a shard and read back by the training's own loader, in one process and from the
file cache. Training is one step after the other on pairs in memory with the pixel loss, the fastest, so the hardest to
keep up with. Both take turns; a ratio is the median of those of the turns. Prints a table, keeps it in
results/bench/loader.json, and exits with 1 when the loader is less than 3 times as fast. Under 2 minutes on two cores.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.table import Row, keep, show

from styledistill.config import Distill
from styledistill.core.images import encode_png
from styledistill.procedural.draw import draw
from styledistill.shards.read import PairDataset
from styledistill.shards.write import Pair, write_manifest, write_shard
from styledistill.student.distill import Distillation
from styledistill.student.losses import LossSettings
from styledistill.student.model import Student
from styledistill.student.training import StateFile, make_accelerator, pieces

THREADS = 2


@dataclass(frozen=True)
class Case:
    """A student at its images' size: so many pairs of side x side in a shard, in batches, so many turns."""

    student: Literal["tiny", "full"]
    side: int
    pairs: int
    batch: int
    turns: int


CASES = (Case("full", 512, 2, 1, 2), Case("tiny", 128, 32, 4, 3))


def main() -> None:
    """Measure, print and keep everything; the exit code says whether all limits hold."""
    torch.set_num_threads(THREADS)
    rows, details = [], []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            ratio, speeds = measured(case, Path(folder))
        rows.append(Row(f"{case.side} x {case.side}: loader's seconds over {case.student} student's", ratio, 1 / 3))
        details.append(speeds)
        print("{student} student at {side}: {loaded:.3g} pairs/s loaded, {trained:.3g} trained".format(**speeds))
    show(rows)
    keep(ROOT / "results" / "bench" / "loader.json", rows, {"pairs_per_second": details})
    if any(row.status == "MISSED" for row in rows):
        sys.exit(1)


def measured(case: Case, folder: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of loading over seconds of training, and pairs per second of both."""
    training = distillation(case, folder)
    cut = [[batch] for batch in pieces(range(case.pairs), case.batch)]
    training._advance(next(training.loading.plain(training.train, cut)), case.batch)  # warm-up of both
    turns = []
    for _ in range(case.turns):
        start = time.perf_counter()
        batches = list(training.loading.plain(training.train, cut))
        middle = time.perf_counter()
        for batch in batches:
            training._advance(batch, case.batch)
        turns.append((middle - start, time.perf_counter() - middle))
    loading, learning = (case.pairs / median(taken) for taken in zip(*turns, strict=True))
    speeds = {"student": case.student, "side": case.side, "loaded": loading, "trained": learning}
    return median(load / learn for load, learn in turns), speeds


def distillation(case: Case, folder: Path) -> Distillation:
    """A distillation of an untrained student, ready for its first step, on a shard of drawn images."""
    write_shard(folder / "0000.tar", (drawn(number, case.side) for number in range(case.pairs)))
    write_manifest(folder / "train.json", "train", case.pairs, [folder / "0000.tar"])
    pairs = PairDataset(folder / "train.json")
    network = Student.create(case.student, seed=1).network
    state, accelerator = StateFile(folder / "state", {}), make_accelerator(torch.device("cpu"))
    training = Distillation(network, pairs, pairs, {"pixel": 1.0}, Distill(batch=case.batch), 1, accelerator, state)
    training.prepare(LossSettings(torch.nn.Identity()))
    return training


def drawn(number: int, side: int) -> Pair:
    """A pair of drawn images; what the teacher would paint costs as much to decode as a style."""
    images = draw("scenes", number, side), draw("styles", number, side), draw("styles", 1000 + number, side)
    return Pair(f"train_{number}", *map(encode_png, images), {}, {})


if __name__ == "__main__":
    main()
