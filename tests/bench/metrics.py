"""CFSD's time and memory at 512 x 512 against its plain form, and how long a job that scores takes to start.

    python tests/bench/metrics.py

The plain form is the formula with whole maps of 16,384 x 16,384 numbers, as the authors' evaluation holds them. Both
see the same features. Each form runs in a fresh process, in turns (A B A B); memory is the peak above the features, a
ratio the median of those of the turns. Prints the tables, keeps them in results/bench/metrics.json, and exits with 1
when a limit is missed. Needs 6 GB; under 5 minutes on two cores.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.measuring import Peak
from parts.table import Row, keep, show

from styledistill.metrics.cfsd import cfsd

THREADS, TURNS, SIDE = 2, 3, 128  # relu3_1 of 512 x 512 pixels
CHANNELS = 256
CPU = torch.device("cpu")


def main() -> None:
    """Measure, print and keep everything; the exit code says whether all limits hold."""
    turns = [{name: alone(name) for name in ("chunked", "plain")} for _ in range(TURNS)]
    values = {name: turns[0][name][2] for name in ("chunked", "plain")}
    ratio = median(turn["chunked"][0] / turn["plain"][0] for turn in turns)
    peaks = {name: max(turn[name][1] for turn in turns) for name in ("chunked", "plain")}
    rows = [
        Row("CFSD at 512 x 512: MB above the features", peaks["chunked"], 300),
        Row("CFSD at 512 x 512: seconds, chunked over plain", ratio, 1),
        Row("CFSD: relative difference of both forms", abs(values["chunked"] / values["plain"] - 1), 1e-4),
        Row("CFSD, plain: MB above the features", peaks["plain"]),
        *(Row(f"CFSD, {name}: seconds", median(t[name][0] for t in turns)) for name in ("chunked", "plain")),
        Row("a score job: processor seconds before the first image", median(startup() for _ in range(TURNS))),
    ]
    show(rows)
    keep(ROOT / "results" / "bench" / "metrics.json", rows, {"turns": turns})
    if any(row.status == "MISSED" for row in rows):
        sys.exit(1)


def plain_cfsd(stylized: Tensor, content: Tensor) -> Tensor:
    """The formula with whole maps (patches, patches): KL(content row || stylized row), summed over rows."""
    logs = []
    for features in (content, stylized):
        patches = features.flatten(2).transpose(1, 2)[0] / features.shape[1]
        logs.append((patches @ patches.T).log_softmax(1))
    log_p, log_q = logs
    return torch.nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True)


def alone(name: str) -> tuple[float, float, float]:
    """Seconds, MB and the value of one form, in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, name).result()


@torch.no_grad()
def measured(name: str) -> tuple[float, float, float]:
    """What `alone` returns."""
    torch.set_num_threads(THREADS)
    random = torch.Generator().manual_seed(1)
    # As strong as trained features are: rows of the map are then peaked, not flat.
    stylized, content = 25 * torch.randn(2, 1, CHANNELS, SIDE, SIDE, generator=random).clamp_min(0)
    form = {"chunked": cfsd, "plain": plain_cfsd}[name]
    form(stylized[..., :8, :8], content[..., :8, :8])  # warm-up
    memory = Peak(CPU)
    start = time.perf_counter()
    value = form(stylized, content).item()
    return time.perf_counter() - start, memory.megabytes(), value


def startup() -> float:
    """Processor seconds of importing all that scoring needs and of loading the seeded networks."""
    code = (
        "import torch, time; from styledistill.config import Metrics, Networks;"
        "from styledistill.metrics.score import load_instruments;"
        "names = ('vgg19', 'alexnet', 'inception');"
        "load_instruments(Metrics(), Networks(**dict.fromkeys(names, 'seeded')), torch.device('cpu'));"
        "print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
