"""The student's time and memory against attention that returns its weights; its size beside the teacher's.

    python tests/bench/student.py

Both full students have the same random weights; they differ in how attention and the last convolution are computed
(parts/plain_sttr.py). What is compared takes turns (A B A B): times are medians, and a ratio is the median of those of
the turns. Memory is the peak above the loaded network, each in a process of its own. Prints the tables, keeps them in
results/bench/student.json, and exits with 1 when a limit is missed. Under 5 minutes on two cores.

The tiny student is measured as ONNX too, run by onnxruntime in each precision against torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import onnxruntime
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.plain_sttr import plain
from parts.table import Row, keep, show

from styledistill.config import Teacher
from styledistill.metrics import benchmark_model as cost
from styledistill.metrics.stylizers import Stylizer, Wanted, load_stylizer, networks_of
from styledistill.student.model import Student
from styledistill.student.onnx_export import PRECISIONS, export, trace

THREADS, TURNS = 2, 5
CPU = torch.device("cpu")
# Stable Diffusion 1.4: parameters of its UNet and of its VAE. Its weights are not here, so nothing of it is timed.
SD_PARAMETERS = 859_520_964 + 83_653_863
BYTES = {"float32": 4, "float16": 2, "int8": 1}

Model = dict[str, Any]


def main() -> None:
    """Measure, print and keep everything; the exit code says whether all limits hold."""
    torch.set_num_threads(THREADS)
    (fused, plain_one), ratio = compared(full_student, ("fused", "plain"), 512)
    (student, teacher), slower = compared(tiny_model, ("student", "teacher"), 128)
    large = alone(full_student, "fused", 1024)
    original = sized("Stable Diffusion 1.4", SD_PARAMETERS)
    rows = [
        Row("512 x 512: seconds, fused over plain", ratio, 1 / 2),
        Row("512 x 512: memory, fused over plain", fused["peak_mb"] / plain_one["peak_mb"], 1 / 3),
        Row("1024 x 1024: GB resident, fused", large["resident_mb"] / 1000, 6),
        Row("full student over Stable Diffusion 1.4, parameters", fused["parameters"] / SD_PARAMETERS, 1 / 10),  # paper
        Row("tiny student over tiny teacher, parameters", student["parameters"] / teacher["parameters"]),
        Row("tiny student over tiny teacher, seconds", slower),
    ]
    models = [fused, plain_one, large, student, teacher, original]
    graphs = onnx_graphs(256)
    show_models(models)
    show_graphs(graphs)
    show(rows)
    keep(ROOT / "results" / "bench" / "student.json", rows, {"models": models, "onnx": graphs})
    if any(row.status == "MISSED" for row in rows):
        sys.exit(1)


# --- models -----------------------------------------------------------------------------------------------------


def full_student(name: str) -> Student:
    """The full student with random weights: `fused` as it is, or `plain` as the authors compute it."""
    student = Student.create("full", seed=1)
    if name == "plain":
        plain(student.network)
    return student


def tiny_model(name: str) -> Stylizer:
    """The embedded `teacher` (10 steps) or `student`."""
    settings = Teacher(weights=str(ROOT / "weights" / "tiny_teacher"), steps=10, gamma=0.4)
    return load_stylizer(Wanted(name, CPU, ROOT / "weights" / "tiny_student", settings))


# --- measuring --------------------------------------------------------------------------------------------------


def noise(side: int) -> tuple[Tensor, Tensor]:
    """A content and a style (1, 3, side, side); no cost depends on what they show."""
    return torch.rand(2, 1, 3, side, side, generator=torch.Generator().manual_seed(1)).unbind(0)


def compared(build: Callable[[str], Stylizer], names: tuple[str, str], side: int) -> tuple[list[Model], float]:
    """What two models cost, and the first's seconds over the second's."""
    pair = [build(name) for name in names]
    images = noise(side)
    outputs = [model.stylize(*images) for model in pair]  # warm-up
    if build is full_student:
        torch.testing.assert_close(*outputs, msg="fused and plain must draw the same image")
    turns = [[seconds(model, images) for model in pair] for _ in range(TURNS)]
    del pair, outputs
    costs = [
        {**alone(build, name, side), "seconds": median(taken)}
        for name, taken in zip(names, zip(*turns, strict=True), strict=True)
    ]
    return costs, median(one / other for one, other in turns)


def onnx_graphs(side: int) -> list[Model]:
    """The tiny student's graphs in each precision: MB, error, and seconds of an image over torch's."""
    student = tiny_model("student")
    with tempfile.TemporaryDirectory() as folder:
        trace(student, Path(folder) / "traced")
        facts = export(student, Path(folder) / "traced", Path(folder))["precisions"]
        graphs = {name: Graphs(Path(folder), suffix) for name, (suffix, _) in PRECISIONS.items()}
    images = noise(side)
    turns = [[seconds(model, images) for model in (student, *graphs.values())] for _ in range(TURNS + 1)][1:]
    return [
        {
            "graphs": f"tiny student, {name}",
            "side": side,
            "megabytes": sum(facts[name]["megabytes"].values()),
            "largest_error": facts[name]["largest_error"],
            "mean_error": facts[name]["mean_error"],
            "seconds": median(turn[number] for turn in turns),
            "over_torch": median(turn[number] / turn[0] for turn in turns),
        }
        for number, name in enumerate(graphs, start=1)
    ]


class Graphs:
    """Exported graphs as a stylizer."""

    def __init__(self, folder: Path, suffix: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(folder / f"{name}{suffix}.onnx", options)
            for name in ("encode_style", "stylize")
        )

    def stylize(self, contents: Tensor, styles: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [0, 1] of contents in styles."""
        keys, values = self.encoder.run(None, {"styles": styles.numpy()})
        inputs = {"contents": contents.numpy(), "keys": keys, "values": values}
        return torch.from_numpy(self.decoder.run(None, inputs)[0])


def seconds(model: Stylizer, images: tuple[Tensor, Tensor]) -> float:
    """How long an image takes."""
    start = time.perf_counter()
    model.stylize(*images)
    return time.perf_counter() - start


def alone(build: Callable[[str], Stylizer], name: str, side: int) -> Model:
    """Size and memory of a model, in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        parameters, peak, resident = pool.submit(memory, build, name, side).result()
    kind = "tiny" if build is tiny_model else "full student,"
    return {**sized(f"{kind} {name}", parameters), "side": side, "peak_mb": peak, "resident_mb": resident}


def memory(build: Callable[[str], Stylizer], name: str, side: int) -> tuple[int, float, float]:
    """Parameters; MB that the first image takes above the loaded model; MB resident in all at that moment."""
    torch.set_num_threads(THREADS)
    model = build(name)
    peak = cost._peak_memory_mb(model, list(noise(side)), CPU)
    return sum(p.numel() for network in networks_of(model) for p in network.parameters()), peak, cost._peak()


def sized(model: str, parameters: int) -> Model:
    """Parameters of a model, and the MB (10**6 bytes) that so many numbers take in each type."""
    return {"model": model, "parameters": parameters} | {f"{t}_mb": parameters * n / 1e6 for t, n in BYTES.items()}


# --- showing ----------------------------------------------------------------------------------------------------

FORMS = {
    "side": "d",
    "seconds": ".3f",
    "peak_mb": ".0f",
    "parameters": ",d",
    "float32_mb": ".1f",
    "float16_mb": ".1f",
    "int8_mb": ".1f",
}


def show_models(models: Sequence[Model]) -> None:
    """Print what each model costs; `-` where it was not measured."""
    print(f"CPU, {THREADS} threads, float32, batch 1; megabytes of weights by their count")
    print(f"{'':<22}" + "".join(f"{name:>12}" for name in FORMS))
    for model in models:
        cells = (f"{model[name]:{form}}" if name in model else "-" for name, form in FORMS.items())
        print(f"{model['model']:<22}" + "".join(f"{cell:>12}" for cell in cells))


def show_graphs(graphs: Sequence[Model]) -> None:
    """Print what each precision of the ONNX graphs costs, and how far it is from torch."""
    print(f"\n{'':<22}{'side':>12}{'MB':>12}{'seconds':>12}{'over torch':>12}{'max error':>12}{'mean error':>12}")
    for of in graphs:
        cost = f"{of['side']:>12}{of['megabytes']:>12.1f}{of['seconds']:>12.3f}{of['over_torch']:>12.2f}"
        print(f"{of['graphs']:<22}{cost}{of['largest_error']:>12.1e}{of['mean_error']:>12.1e}")
    print()


if __name__ == "__main__":
    main()
