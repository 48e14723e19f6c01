"""What loss terms cost: a training step with each, in steps with the squared error alone.

    python tests/bench/losses.py

The embedded micro learns 4 pairs of 128 x 128 in one thread, as the embedded default does. Losses take turns
(A B C A B C); times are the processor's, and a ratio is the median of those of the turns. Prints the table, keeps it in
results/bench/losses.json, and exits with 1 when the limit is missed. A minute on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.table import Row, keep, show

from styledistill.config import Networks
from styledistill.perceptual import denormalize, features, normalize
from styledistill.student import Student
from styledistill.student.losses import LossSettings, distillation_terms

TURNS, WARM = 15, 2
LOSSES: dict[str, dict[str, float]] = {
    "pixel": {"pixel": 1.0},
    "pixel and gram": {"pixel": 0.5, "gram": 0.5},
    "lowres and texture": {"lowres": 0.7, "texture": 0.5},
    "lowres and patches": {"lowres": 0.7, "patches": 2.0},
    "strokes of the default": {"lowres": 1.0, "texture": 1.0, "patches": 4.0, "grain": 0.6},
}
LIMITS = {"pixel and gram": 1.9}


def main() -> None:
    """Measure, print and keep everything; the exit code says whether the limit holds."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    student = Student.from_pretrained(ROOT / "weights" / "micro")
    optimizer = torch.optim.AdamW(student.network.parameters(), lr=1e-5)
    network = features(Networks(features="efficientnet_lite0")).to(memory_format=torch.channels_last)
    content, style, target = torch.rand(3, 4, 3, 128, 128).unbind()

    def seconds(weights: Mapping[str, float]) -> float:
        start = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        output = denormalize(student.network(normalize(content), normalize(style)))
        terms = distillation_terms(output, content, style, target, weights, LossSettings(network))
        sum(weight * terms[name] for name, weight in weights.items()).backward()
        optimizer.step()
        return time.process_time() - start

    turns = [{name: seconds(weights) for name, weights in LOSSES.items()} for _ in range(WARM + TURNS)][WARM:]
    rows = [Row("a step with pixel, seconds", median(turn["pixel"] for turn in turns))]
    for name in list(LOSSES)[1:]:
        ratio = median(turn[name] / turn["pixel"] for turn in turns)
        rows.append(Row(f"{name}, over pixel", ratio, LIMITS.get(name)))
    show(rows)
    keep(ROOT / "results/bench/losses.json", rows, {"turns": turns})
    sys.exit(any(row.status == "MISSED" for row in rows))


if __name__ == "__main__":
    main()
