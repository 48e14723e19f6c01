"""How the teacher's benchmark takes seconds, memory and forwards."""

from __future__ import annotations

import ctypes
import gc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from parts.plain_styleid import PlainStyleID
from parts.subjects import Subject
from torch import Tensor

from styledistill.config import Teacher as Settings
from styledistill.core.tensors import from_uint8, to_uint8
from styledistill.teacher import styleid
from styledistill.teacher.engine import Inverted, Teacher
from styledistill.teacher.injection import Bank, Recording, Role

PUBLISHED_STEPS = 50
GAMMA, TEMPERATURE = 0.75, 1.5


@dataclass(frozen=True)
class Block:
    """Every one of `contents` with every one of `styles`, side x side pixels."""

    contents: int
    styles: int
    side: int

    @property
    def pairs(self) -> int:
        """How many."""
        return self.contents * self.styles

    def images(self) -> tuple[Tensor, Tensor]:
        """Contents and styles (pairs, 3, side, side); noise, because no time depends on what they show."""
        contents, styles = (noise(n, self.side, seed) for n, seed in ((self.contents, 1), (self.styles, 2)))
        return contents.repeat_interleave(self.styles, 0), styles.repeat(self.contents, 1, 1, 1)


def noise(count: int, side: int, seed: int) -> Tensor:
    """Images (count, 3, side, side) of 8-bit levels in [0, 1]."""
    images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return from_uint8(to_uint8(images))


@dataclass(frozen=True)
class Cost:
    """What a way of making pairs costs at 50 steps.

    Per pair: forwards, seconds, and those of the seconds that went into the VAE. peak_mb: MB above the weights.
    """

    forwards: float
    seconds: float
    vae_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Turns:
    """Injected forwards and bare ones of the same batch, in turns.

    ratios: injected over bare. bare: seconds. content_bytes, style_bytes: one image's features at one timestep.
    """

    ratios: list[float]
    bare: list[float]
    content_bytes: int
    style_bytes: int

    def of_block(self, block: Block) -> int:
        """Bytes of the features of a block at one timestep."""
        return block.contents * self.content_bytes + block.styles * self.style_bytes

    @property
    def of_plain_pair(self) -> int:
        """Bytes that the plain implementation keeps of a pair at one timestep: all three parts of both images."""
        return 2 * (self.content_bytes + self.style_bytes)


def at_published_steps(total: float, once: float, steps: int) -> float:
    """Seconds at 50 steps, from those at `steps`, of which `once` do not grow with the steps."""
    return once + (total - once) * PUBLISHED_STEPS / steps


# --- the engine -------------------------------------------------------------------------------------------------


class TimedTeacher(Teacher):
    """The engine; knows how long its autoencoder took."""

    vae_seconds = 0.0

    def encode(self, images: Tensor) -> Tensor:
        """As the engine does."""
        return self._timed(super().encode, images)

    def decode(self, latents: Tensor) -> Tensor:
        """As the engine does."""
        return self._timed(super().decode, latents)

    def _timed(self, convert: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        start = now(self.model.device)
        result = convert(values)
        self.vae_seconds += now(self.model.device) - start
        return result


def engine(subject: Subject, **changes: Any) -> TimedTeacher:
    """The engine on a subject."""
    settings = {"weights": subject.name, "gamma": GAMMA, "temperature": TEMPERATURE, "features": "cache", **changes}
    return TimedTeacher(subject.model, Settings(**settings))


def count_forwards(subject: Subject, block: Block, features: str, convention: str) -> float:
    """Forwards per pair at 50 steps, counted by the engine."""
    teacher = engine(subject, features=features, convention=convention, steps=PUBLISHED_STEPS, batch=32)
    teacher.stylize(*block.images())
    return teacher.forwards / block.pairs


def block_cost(
    subject: Subject, block: Block, turns: Turns, between: Callable[[], object] = lambda: None, **settings: Any
) -> Cost:
    """A whole block in the engine. `between` is called after every row of pairs, and its time taken off."""
    teacher = engine(subject, **settings)
    device = subject.model.device
    contents, styles = block.images()
    done = paused = 0

    def pause(count: int) -> None:
        nonlocal done, paused
        done += count
        if done % block.styles == 0:
            start = now(device)
            between()
            paused += now(device) - start

    memory = Peak(device)
    start = now(device)
    teacher.stylize(contents, styles, on_done=pause)
    total = now(device) - start - paused
    steps = teacher.settings.steps
    kept = turns.of_block(block) if teacher.settings.features == "cache" else 0
    return Cost(
        forwards=teacher.forwards / block.pairs * PUBLISHED_STEPS / steps,
        seconds=at_published_steps(total, teacher.vae_seconds, steps) / block.pairs,
        vae_seconds=teacher.vae_seconds / block.pairs,
        peak_mb=memory.megabytes() + kept * (PUBLISHED_STEPS - steps) / 1e6,
    )


def injected_and_bare(subject: Subject, batch: int, styles: int, rounds: int) -> Turns:
    """Injected forwards of `batch` pairs between bare ones of as many latents."""
    teacher = engine(subject, steps=rounds + 1, batch=batch)
    counts = {"content": max(1, batch // styles), "style": min(styles, batch)}
    made = {role: _with_features(teacher, subject.latents(n, 3), role) for role, n in counts.items()}
    pairs = list(product(range(counts["content"]), range(counts["style"])))
    latents = subject.latents(len(pairs), 4)
    injected: list[float] = []
    bare: list[float] = []
    mark = 0.0

    def turn(*_: Tensor) -> None:
        nonlocal mark
        end = now(subject.model.device)
        injected.append(end - mark)
        bare.append(bare_seconds(subject, latents))
        mark = now(subject.model.device)

    mark = now(subject.model.device)
    teacher.sample(made["content"], made["style"], pairs, turn)
    ratios = [ours / mean(around) for ours, around in zip(injected[1:], pairwise(bare), strict=True)]
    held = {role: _bytes(next(iter(of.banks.values()))) // counts[role] for role, of in made.items()}
    return Turns(ratios, bare, held["content"], held["style"])


@torch.no_grad()
def bare_seconds(subject: Subject, latents: Tensor) -> float:
    """Seconds of one bare forward."""
    start = now(subject.model.device)
    subject.bare(latents, 501)
    return now(subject.model.device) - start


@torch.no_grad()
def _with_features(teacher: Teacher, latents: Tensor, role: Role) -> Inverted:
    """As if inverted, with one forward's features at every timestep: no time depends on their values."""
    bank = Bank(len(latents))
    steps = teacher.convention.sampling
    prompt = teacher.model.null_text.to(latents.device, teacher.model.dtype).expand(len(latents), -1, -1)
    teacher.model.unet(
        latents.to(teacher.model.dtype),
        torch.tensor(steps[0].timestep, device=latents.device),
        encoder_hidden_states=prompt,
        cross_attention_kwargs={"exchange": Recording(bank, role, slice(0, len(latents)))},
    )
    return Inverted(role, [latents] * (len(steps) + 1), {step.timestep: bank for step in steps})


def held_features(subject: Subject, block: Block, steps: int) -> int:
    """The most bytes of features that lie in memory at the start of any forward, with `features: recompute`."""
    most = 0

    def look(*_: Any) -> None:
        nonlocal most
        most = max(most, sum(_bytes(thing) for thing in gc.get_objects() if type(thing) is Bank))

    handle = subject.model.unet.conv_in.register_forward_pre_hook(look)
    try:
        # Large batches, because every look takes as long as a small forward.
        engine(subject, features="recompute", steps=steps, batch=block.pairs).stylize(*block.images())
    finally:
        handle.remove()
    return most


def _bytes(bank: Bank) -> int:
    return sum(tensor.nbytes for tensor in bank.features.values())


# --- the plain implementation -----------------------------------------------------------------------------------


@torch.no_grad()
def plain_cost(subject: Subject, turns: Turns, steps: int, pairs: int) -> Cost:
    """Pairs one by one in the plain implementation."""
    device, dtype, vae = subject.model.device, subject.model.dtype, subject.plain_vae
    forwards = 0
    decoding = 0.0

    def count(*_: Any) -> None:
        nonlocal forwards
        forwards += 1

    def decode(latent: Tensor) -> None:
        nonlocal decoding
        start = now(device)
        to_uint8(styleid.decode(vae, latent.to(dtype)))
        decoding += now(device) - start

    plain = PlainStyleID(
        unet=subject.stock,
        null_text=subject.null_text,
        levels=subject.model.levels,
        layers=subject.layers,
        steps=steps,
        gamma=GAMMA,
        temperature=TEMPERATURE,
        decode=decode,
    )
    images = [(noise(1, subject.side, 10 + n), noise(1, subject.side, 50 + n)) for n in range(pairs)]
    memory = Peak(device)
    handle = subject.stock.register_forward_hook(count)
    start = now(device)
    latents = [[styleid.encode(vae, of.to(device, dtype)).float() for of in pair] for pair in images]
    encoding = now(device) - start
    for content, style in latents:
        plain.stylize(content, style)
    total = now(device) - start
    handle.remove()
    return Cost(
        forwards=forwards / pairs * PUBLISHED_STEPS / steps,
        seconds=at_published_steps(total, encoding, steps) / pairs,
        vae_seconds=at_published_steps(encoding + decoding, encoding, steps) / pairs,
        peak_mb=memory.megabytes() + turns.of_plain_pair * (PUBLISHED_STEPS - steps) / 1e6,
    )


# --- clock and memory -------------------------------------------------------------------------------------------


def now(device: torch.device) -> float:
    """Seconds of a clock, once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, as a GPU's allocator does, and not hand it back to the kernel.

    Else each attention that is computed by hand pays for thousands of fresh pages, now and then: seen were 1.6 to 3.1
    times a bare forward, and 1.7 to 1.9 with this.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD: the largest that glibc takes
    libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


class Peak:
    """The most memory taken since it was made, above what was taken then."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        gc.collect()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.start = torch.cuda.memory_allocated(device)
        else:
            ctypes.CDLL(None).malloc_trim(0)  # what was freed before would hide what is taken now
            Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew
            self.start = _resident("VmRSS")

    def megabytes(self) -> float:
        """MB, of 1e6 bytes."""
        if self.device.type == "cuda":
            return (torch.cuda.max_memory_allocated(self.device) - self.start) / 1e6
        return (_resident("VmHWM") - self.start) / 1e6


def _resident(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "Linux tells a process's memory in /proc/self/status"
    return int(found[1]) * 1024
