"""Seconds and forwards per pair of the embedded teacher: a block in lockstep against the same pairs one by one.

    python tests/bench/teacher.py

Both sides are this project's code on the same weights, so the ratio is what sharing the inversions gains and no more.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from styledistill.config import Teacher as Settings
from styledistill.core.tensors import from_uint8
from styledistill.sources.drawings import draw
from styledistill.teacher.block import Teacher
from styledistill.teacher.load import load_teacher

CONTENTS, STYLES, STEPS = 12, 8, 10
ALONE = 6  # pairs that are made one by one; each costs the same


def main() -> None:
    """Print forwards and seconds per pair of both ways, and their ratio."""
    settings = Settings(weights=str(ROOT / "weights" / "tiny_teacher"), steps=STEPS, gamma=0.4)
    teacher = load_teacher(settings, torch.device("cpu"))
    contents = from_uint8(np.stack([draw("scenes", number, 128) for number in range(CONTENTS)]))
    styles = from_uint8(np.stack([draw("styles", number, 128) for number in range(STYLES)]))
    pairs = contents.repeat_interleave(STYLES, 0), styles.repeat(CONTENTS, 1, 1, 1)
    teacher.stylize(pairs[0][:1], pairs[1][:1])  # warm-up
    alone = _measure(teacher, [(pairs[0][n : n + 1], pairs[1][n : n + 1]) for n in range(0, len(pairs[0]), 16)][:ALONE])
    block = _measure(teacher, [pairs])
    print(f"{CONTENTS} x {STYLES} pairs, {STEPS} steps, {torch.get_num_threads()} threads, float32")
    print("                 forwards/pair   seconds/pair")
    for name, (forwards, seconds) in (("one by one", alone), ("block, lockstep", block)):
        print(f"{name:<16} {forwards:>13.1f}   {seconds:>12.3f}")
    print(f"{'ratio':<16} {alone[0] / block[0]:>13.2f}   {alone[1] / block[1]:>12.2f}")


def _measure(teacher: Teacher, calls: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    before, start = teacher.forwards, time.perf_counter()
    count = 0
    for contents, styles in calls:
        count += len(teacher.stylize(contents, styles))
    return (teacher.forwards - before) / count, (time.perf_counter() - start) / count


if __name__ == "__main__":
    main()
