"""The teacher's engine against its limits, and against StyleID written plainly.

    python tests/bench/teacher.py [--full] [--out PATH]

Prints a table, keeps it as JSON, and exits with 1 when a limit is missed. Under 5 minutes on two cores. Costs are given
for 50 steps: they are taken at 3 steps (--full: at all 50), and what grows with the steps is scaled. Of Stable
Diffusion 1.4's plan only forwards are measured (--full: one pair at 2 steps too); gpu.py measures blocks on a GPU.

What is compared takes turns, and a ratio is the median of those of the turns: other work on the machine slows both.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

import click
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from parts.measuring import (
    PUBLISHED_STEPS,
    Block,
    Cost,
    Turns,
    bare_seconds,
    block_cost,
    count_forwards,
    held_features,
    injected_and_bare,
    keep_freed_memory,
    plain_cost,
)
from parts.plain_styleid import PlainStyleID
from parts.subjects import Fixture, Subject, fixture, fixture_layers, sd14, tiny_teacher
from parts.table import Row, keep, machine, show

from styledistill.teacher import ddim

CONTENTS, STYLES = 12, 8
CACHE, RECOMPUTE, FAIR, PLAIN = "engine, cache", "engine, recompute", "engine, cache, batch 1", "plain, one by one"


@dataclass(frozen=True)
class Effort:
    """Steps of what is timed, turns, and pairs of the plain implementation before and after each of the engine's."""

    steps: int
    turns: int
    pairs: int


@dataclass(frozen=True)
class Compared:
    """Costs of every way to make a block's pairs, and for each turn the engine's seconds over others.

    over_plain: over the plain implementation's. over_bare: over those of as many bare forwards of its batch. over_fair:
    over its own at batch 1.
    """

    costs: dict[str, Cost]
    over_plain: list[float]
    over_bare: list[float]
    over_fair: list[float]
    effort: Effort


@click.command()
@click.option("--full", is_flag=True, help="All 50 steps on the CPU too: half an hour on two cores.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "results" / "bench" / "teacher.json")
def main(full: bool, out: Path) -> None:
    """Measure the teacher's engine."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))
    keep_freed_memory()
    torch.manual_seed(0)
    tiny_effort = Effort(PUBLISHED_STEPS, 2, 1) if full else Effort(3, 2, 2)
    rows, details = of_tiny_teacher(tiny_teacher(), CONTENTS, STYLES, tiny_effort)
    of_sd14 = of_sd_14(Effort(2, 1, 1) if full else None)
    rows, details = rows + of_sd14[0], {**details, **of_sd14[1]}
    print("  ".join(f"{value}" for value in machine().values()))
    show(rows)
    for name, found in details.items():
        if "costs" in found:
            show_costs(name, found["costs"])
    keep(out, rows, details)
    if any(row.status == "MISSED" for row in rows):
        sys.exit(1)


# --- the subjects -----------------------------------------------------------------------------------------------


def of_tiny_teacher(tiny: Subject, contents: int, styles: int, effort: Effort) -> tuple[list[Row], dict[str, Any]]:
    """The embedded teacher on the CPU, and whether the plain implementation may be compared with."""
    with told("the plain implementation"), one_thread():
        rows = plain_rows(fixture())
    with told("forwards, counted"), one_thread():  # so small that threads would only wait for each other
        rows += forward_rows(tiny, contents, styles)
    with told("tiny teacher: injected forwards"):
        turns = injected_and_bare(tiny, 8, styles, 15)
    with told("tiny teacher: blocks"):
        compared = compare(tiny, Block(contents, styles, tiny.side), turns, 8, effort)
    rows += [
        Row("tiny teacher: injected forward / bare", median(turns.ratios), 1.1),
        *compared_rows("tiny teacher", compared, 1 / 4),
    ]
    return rows, {"tiny teacher": {"turns": asdict(turns), **asdict(compared)}}


def of_sd_14(effort: Effort | None) -> tuple[list[Row], dict[str, Any]]:
    """Forwards of Stable Diffusion 1.4's plan in float32; with an effort, a pair of it too."""
    subject = sd14(torch.device("cpu"), torch.float32)
    with told("SD 1.4: injected forwards"):
        turns = injected_and_bare(subject, 1, STYLES, 3)
    half = 2 / 4  # float16 over float32
    rows = sd14_rows(turns, turns.of_block(Block(CONTENTS, STYLES, subject.side)) * half)
    details: dict[str, Any] = {"turns": asdict(turns)}
    if effort:
        with told("SD 1.4: a pair"):
            compared = compare(subject, Block(1, 1, subject.side), turns, 1, effort)
        rows += compared_rows("SD 1.4, one pair", compared, None)
        details |= asdict(compared)
    return rows, {"SD 1.4": details}


# --- the rows ---------------------------------------------------------------------------------------------------


def plain_rows(of: Fixture) -> list[Row]:
    """Parity of the plain implementation with the authors' program, and its cost; theirs is 1.88.

    Measured as theirs was, on one thread and without decoding. The clock is the process's own, which other work on the
    machine does not stretch.
    """
    settings = {"steps": of.config["ddim_steps"], "gamma": of.config["gamma"], "temperature": of.config["tau"]}
    null_text = of.arrays["null_embedding"]
    plain = PlainStyleID(of.unet, null_text, of.levels, fixture_layers(7), **settings, decode=lambda _: None)
    latents = of.arrays["content_latent"], of.arrays["style_latent"]
    timesteps = [step.timestep for step in ddim.diffusers(of.levels, plain.steps).inversion] * 3

    def bare() -> float:
        start = time.process_time()
        for timestep in timesteps:
            of.unet(latents[0], timestep, encoder_hidden_states=null_text)
        return time.process_time() - start

    around, ratios = [bare()], []
    for _ in range(3):
        start = time.process_time()
        made = plain.stylize(*latents)
        spent = time.process_time() - start
        around.append(bare())
        ratios.append(spent / mean(around[-2:]))
    wanted = of.arrays["L7_11_final_pred_x0"]
    return [
        Row("plain: relative distance from the authors'", ((made - wanted).norm() / wanted.norm()).item(), 1e-4),
        Row("plain: its forwards / bare ones, authors' fixture", median(ratios), 1.95),
    ]


def forward_rows(tiny: Subject, contents: int, styles: int) -> list[Row]:
    """What the engine counts at 50 steps, on very small images, and what it holds at any number of steps."""
    small = Block(contents, styles, 16)
    ways = product(("cache", "recompute"), ddim.CONVENTIONS)
    counts = {way: count_forwards(tiny, small, *way) for way in ways}
    few, many = held_features(tiny, small, 2), held_features(tiny, small, 6)
    return [
        Row(f"forwards per pair, {features}, {convention}", count, {"cache": 61, "recompute": 71}[features])
        for (features, convention), count in counts.items()
    ] + [Row("features held, recompute, 6 steps / 2 steps", many / few, 1)]


def sd14_rows(turns: Turns, held: float) -> list[Row]:
    """held: bytes of a block's features at one timestep, float16."""
    return [
        Row("SD 1.4 at 512: injected forward / bare", median(turns.ratios), 1.1),
        Row("SD 1.4 at 512: features held, recompute, MB", held / 1e6, 400),
    ]


def compared_rows(name: str, compared: Compared, over_plain: float | None) -> list[Row]:
    """Ratios of a block's seconds."""
    return [
        Row(f"{name}: engine / plain, seconds", median(compared.over_plain), over_plain),
        Row(f"{name}: engine / engine at batch 1, seconds", median(compared.over_fair)),
        Row(f"{name}: engine / as many bare forwards, seconds", median(compared.over_bare), 1.15),
    ]


def compare(subject: Subject, block: Block, turns: Turns, batch: int, effort: Effort) -> Compared:
    """The engine with kept features between pairs of the plain implementation; once at batch 1 and recomputing."""
    latents = subject.latents(batch, 5)
    costs: dict[str, list[Cost]] = {CACHE: [], FAIR: [], PLAIN: []}
    found = Compared({}, [], [], [], effort)

    def make(features: str, batch: int, between: Callable[[], object] = lambda: None) -> Cost:
        return block_cost(subject, block, turns, between, features=features, batch=batch, steps=effort.steps)

    for _ in range(effort.turns):
        bare: list[float] = []
        before = plain_cost(subject, turns, effort.steps, effort.pairs)
        cost = make("cache", batch, lambda bare=bare: bare.append(bare_seconds(subject, latents)))
        after = plain_cost(subject, turns, effort.steps, effort.pairs)
        found.over_plain.append(cost.seconds / mean([before.seconds, after.seconds]))
        found.over_bare.append(cost.seconds / (cost.forwards * mean(bare) / batch))
        for way, of in ((CACHE, cost), (PLAIN, before), (PLAIN, after)):
            costs[way].append(of)
    costs[FAIR].append(make("cache", 1))
    found.over_fair.append(cost.seconds / costs[FAIR][0].seconds)
    found.costs.update({way: middle(of) for way, of in costs.items()}, **{RECOMPUTE: make("recompute", batch)})
    return found


def show_costs(name: str, costs: dict[str, dict[str, float]]) -> None:
    """Print what each way of making a pair costs; gain: how many times less than the plain one, in seconds."""
    print(f"\n{name}, per pair{'':<{15 - len(name)}} forwards  seconds  of them VAE  peak MB   gain")
    for way, of in costs.items():
        gain = costs[PLAIN]["seconds"] / of["seconds"]
        times = f"{of['forwards']:>9.1f} {of['seconds']:>8.3f} {of['vae_seconds']:>12.3f}"
        print(f"{way:<24}{times} {of['peak_mb']:>8.0f} {gain:>6.2f}")


def middle(costs: list[Cost]) -> Cost:
    """The one with the median of the seconds."""
    return sorted(costs, key=lambda cost: cost.seconds)[len(costs) // 2]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say on the terminal what is being measured, and how long it took."""
    start = time.perf_counter()
    yield
    click.echo(f"{what}: {time.perf_counter() - start:.0f} s", err=True)


if __name__ == "__main__":
    main()
