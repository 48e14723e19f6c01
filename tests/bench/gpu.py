"""One GPU: the teacher's seconds a pair at 512 x 512, and how many pairs a second students train on. Bfloat16.

    python tests/bench/gpu.py [--minutes 25] [--tiny] [--out PATH]

Stable Diffusion 1.4's architecture with random weights makes a block of 12 contents and 8 styles at 50 steps, as many
pairs a forward as the memory holds: as it is, compiled, and compiled with CUDA graphs where features are injected.
Beside it one pair of StyleID written plainly, as the authors' diffusers program works. The full STTR and micro train on
pairs that lie on the GPU. Each part has a process of its own, so one that fails or finds no time is named and the rest
goes on. Prints a table, keeps it as JSON, and exits with 1 when a limit is missed.

Without a GPU nothing is measured. --tiny runs all parts on the CPU at a size that tells nothing but that they run.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.measuring import PUBLISHED_STEPS, Block, Peak, engine, injected_and_bare, now, plain_cost
from parts.subjects import Subject, sd14, tiny_teacher
from parts.table import Row, keep, machine, show

from styledistill.config import Distill, Networks
from styledistill.student import Student
from styledistill.student.distill import Distillation
from styledistill.student.loading import MicroBatch
from styledistill.student.losses import loss_settings
from styledistill.student.training import StateFile, make_accelerator
from styledistill.teacher.injection import Injection

PAPER_PAIRS = 8700
LOSSES = {"mse": {"pixel": 1.0}, "gram30": {"pixel": 0.7, "gram": 0.3}}
LEAST_SECONDS = 20  # no part is done in less

Facts = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How large all is: of the teacher the block and the steps, of students the side, batches and timed updates."""

    device: torch.device
    subject: Callable[[], Subject]
    contents: int
    styles: int
    steps: int
    student: str
    side: int
    batches: tuple[int, ...]
    updates: int
    backend: str  # of torch.compile


def full() -> Scale:
    """The paper's size, on the GPU."""
    device = torch.device("cuda")
    return Scale(
        device, lambda: sd14(device, torch.bfloat16), 12, 8, PUBLISHED_STEPS, "full", 512, (8, 32), 20, "inductor"
    )


def tiny() -> Scale:
    """A size at which all parts take seconds on a CPU; nothing is compiled there but by name."""
    return Scale(torch.device("cpu"), tiny_teacher, 1, 2, 2, "tiny", 32, (2,), 1, "eager")


@click.command()
@click.option("--minutes", type=click.FloatRange(0), default=25.0, show_default=True, help="What takes longer is left.")
@click.option("--tiny", "small", is_flag=True, help="On the CPU, to see that it runs.")
@click.option(
    "--part", type=click.Choice(["plain", "engine", "compiled", "graphs", "sttr", "micro"]), help="Only this."
)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "results" / "bench" / "gpu.json")
def main(minutes: float, small: bool, part: str | None, out: Path) -> None:
    """Measure a GPU."""
    if not small and not torch.cuda.is_available():
        click.echo("no GPU here, nothing measured; --tiny runs all parts on the CPU")
        return
    if part:
        out.write_text(json.dumps(PARTS[part](tiny() if small else full())))
        return
    end = time.monotonic() + 60 * minutes
    found = {name: run(name, small, end) for name in PARTS}
    print("  ".join(f"{value}" for value in machine().values()))
    rows = [*teacher_rows(found, small), *student_rows(found)]
    show(rows)
    keep(out, rows, {"parts": found})
    sys.exit(any(row.status == "MISSED" for row in rows))


def run(name: str, small: bool, end: float) -> Facts:
    """What a part finds, in a process of its own; `failed` says why it found nothing."""
    left = end - time.monotonic()
    if left < LEAST_SECONDS:
        return {"failed": "no time left"}
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.json"
        words = [sys.executable, __file__, "--part", name, "--out", str(out), *(["--tiny"] if small else [])]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=left, check=False)
        except subprocess.TimeoutExpired:
            done = None
        facts = json.loads(out.read_text()) if out.is_file() else {}
    if not facts:
        last = "no time left" if done is None else (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1]
        facts = {"failed": last[:300]}
    click.echo(f"{name}: {time.monotonic() - start:.0f} s {facts.get('failed', '')}".rstrip(), err=True)
    return facts


# --- teacher ----------------------------------------------------------------------------------------------------


def plain(scale: Scale) -> Facts:
    """A pair of the plain implementation, after one that warms up."""
    subject = scale.subject()
    turns = injected_and_bare(subject, 1, 1, 2)
    plain_cost(subject, turns, 2, 1)
    cost = plain_cost(subject, turns, scale.steps, 1)
    return {"seconds": cost.seconds, "peak_mb": cost.peak_mb}


class ByExchange:
    """The UNet in two forms: one that reads features, and one into which they are injected.

    A CUDA graph overwrites its outputs when it runs again, and features that were read are kept. So only the other form
    may be one.
    """

    def __init__(self, reading: Callable[..., Any], injected: Callable[..., Any]) -> None:
        self._reading, self._injected = reading, injected

    def __call__(self, *given: Any, **named: Any) -> Any:
        """As the UNet."""
        if isinstance(named["cross_attention_kwargs"]["exchange"], Injection):
            torch.compiler.cudagraph_mark_step_begin()
            return self._injected(*given, **named)
        return self._reading(*given, **named)


def compiled(unet: torch.nn.Module, scale: Scale) -> Any:
    """The UNet compiled, without graphs."""
    return torch.compile(unet, backend=scale.backend)


def with_graphs(unet: torch.nn.Module, scale: Scale) -> Any:
    """The same, and in CUDA graphs where features are injected."""
    graphs = {"mode": "reduce-overhead"} if scale.device.type == "cuda" else {"backend": scale.backend}
    return ByExchange(compiled(unet, scale), torch.compile(unet, **graphs))


def teacher(scale: Scale, form: Callable[[torch.nn.Module, Scale], Any] | None = None) -> Facts:
    """A block of the engine, after one that compiles and warms up. Forwards are as large as the memory holds."""
    subject = scale.subject()
    block = Block(scale.contents, scale.styles, subject.side)
    made = engine(subject, features="auto", steps=scale.steps, batch=block.pairs)
    if form:
        made._unet = form(subject.model.unet, scale)
    images = block.images()
    memory, start = Peak(scale.device), now(scale.device)
    made.stylize(*images)
    first = now(scale.device) - start
    made.vae_seconds, start = 0.0, now(scale.device)
    made.stylize(*images)
    seconds = now(scale.device) - start
    return {
        "seconds": seconds / block.pairs,
        "vae_seconds": made.vae_seconds / block.pairs,
        "first_block_seconds": first,
        "peak_mb": memory.megabytes(),
        "batch": made._batching.unet,
    }


# --- students ---------------------------------------------------------------------------------------------------


def student(scale: Scale, name: str) -> Facts:
    """Updates of each loss at each batch; larger ones are left where the memory is too small for one."""
    facts: Facts = {}
    for loss in LOSSES:
        for batch in scale.batches:
            try:
                facts[f"{loss}, batch {batch}"] = updates(scale, name, loss, batch)
            except torch.OutOfMemoryError:
                facts[f"{loss}, batch {batch}"] = {"failed": "out of memory"}
                break
    return facts


class NoPairs(tuple):
    """Stands for the pairs of a training that is handed its batches."""

    gammas: tuple[float, ...] = ()


def updates(scale: Scale, name: str, loss: str, batch: int) -> Facts:
    """Pairs a second of distillation's own update, on pairs that lie on the device, and the peak of memory."""
    settings = Distill(batch=batch, dtype="bfloat16", gram_normalize="chw")
    memory = Peak(scale.device)
    network = Student.create(scale.student, seed=1, name=name).to(scale.device).network
    terms = loss_settings(LOSSES[loss], settings, Networks(features="efficientnet_lite0"), scale.device)
    with tempfile.TemporaryDirectory() as folder:
        accelerator, state = make_accelerator(scale.device, settings.dtype), StateFile(folder, {})
        none: Any = NoPairs()
        training = Distillation(network, none, none, LOSSES[loss], settings, 1, accelerator, state)
        training.prepare(terms)
        pairs = [MicroBatch(torch.rand(batch, 3, 3, scale.side, scale.side, device=scale.device))]
        for _ in range(3 if scale.updates > 1 else 0):
            training._advance(pairs, batch)
        start = now(scale.device)
        for _ in range(scale.updates):
            training._advance(pairs, batch)
        seconds = now(scale.device) - start
    return {"pairs_per_second": batch * scale.updates / seconds, "peak_mb": memory.megabytes()}


# What matters most comes first; what is compiled comes last.
PARTS: dict[str, Callable[[Scale], Facts]] = {
    "engine": teacher,
    "plain": plain,
    "sttr": partial(student, name="sttr"),
    "micro": partial(student, name="micro"),
    "compiled": partial(teacher, form=compiled),
    "graphs": partial(teacher, form=with_graphs),
}


# --- rows -------------------------------------------------------------------------------------------------------


def teacher_rows(found: dict[str, Facts], small: bool) -> list[Row]:
    """Seconds a pair of each form, over the plain implementation, and the hours that the paper's pairs take."""
    seconds = {name: found[name].get("seconds") for name in ("plain", "engine", "compiled", "graphs")}
    rows = [Row(f"teacher, {name}: seconds a pair", one) for name, one in seconds.items()]
    made = [one for name, one in seconds.items() if one and name != "plain"]
    best, plainly = min(made, default=None), seconds["plain"]
    if small:
        return rows
    rows.append(Row("teacher, fastest / plain, seconds", best / plainly if best and plainly else None))
    large = any(name in torch.cuda.get_device_name() for name in ("H100", "H200"))
    hours = best * PAPER_PAIRS / 3600 if best else None
    return [*rows, Row("8,700 pairs at 512, hours", hours, 1 if large else None)]


def student_rows(found: dict[str, Facts]) -> list[Row]:
    """Pairs a second and memory of each student, loss and batch."""
    rows = []
    for name in ("sttr", "micro"):
        if "failed" in found[name]:
            rows.append(Row(f"{name}: pairs a second", None))
            continue
        for what, facts in found[name].items():
            rows.append(Row(f"{name}, {what}: pairs a second", facts.get("pairs_per_second")))
            rows.append(Row(f"{name}, {what}: peak, MB", facts.get("peak_mb")))
    return rows


if __name__ == "__main__":
    main()
