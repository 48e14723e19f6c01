"""Every model under one name: anything that maps (content, style) to an image.

Render, score and benchmark know only the `Stylizer` protocol. A new kind of model is one loader and one line in
LOADERS; a name that is not there is a student in a folder.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from .. import config
from ..core.errors import UserError
from ..core.files import write_bytes
from ..core.images import save_png
from ..core.places import found, hub_id
from ..core.progress import Meter, progress
from ..core.tensors import load_images, recolor, to_uint8
from ..splits.names import of_block
from ..splits.pairs import Pair
from .outside import Outside, load_outside

if TYPE_CHECKING:
    from ..student.model import Student
    from ..teacher.asked import AnyTeacher

# Images per forward. Fixed, because outputs at different batch sizes are not bit-equal.
CHUNK = 8


class Stylizer(Protocol):
    """Anything that maps contents and styles to images."""

    def stylize(self, contents: Tensor, styles: Tensor) -> Tensor:
        """contents (N, 3, H, W) and styles (N, 3, H', W'), float32 in [0, 1], to images (N, 3, H, W) in [0, 1]."""


# --- controls -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Control:
    """A stylizer that learned nothing."""

    stylize: Callable[[Tensor, Tensor], Tensor]
    networks: tuple[nn.Module, ...] = ()


def content(contents: Tensor, styles: Tensor) -> Tensor:
    """The content, unchanged."""
    return contents


def style(contents: Tensor, styles: Tensor) -> Tensor:
    """The style, unchanged; scaled (bilinear, antialiased) to the content's size where sizes differ."""
    size = contents.shape[-2:]
    if styles.shape[-2:] == size:
        return styles
    return nn.functional.interpolate(styles, size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


# --- loading ------------------------------------------------------------------------------------------------------


class StoredTeacher:
    """A teacher, with its finished pairs kept below `store` (nowhere when None) and its progress shown."""

    takes_names = True

    def __init__(
        self, teacher: AnyTeacher, settings: config.Teacher, store: Path | None, measure: bool, label: str = "teacher"
    ) -> None:
        """measure: keep in `round_trips` the round-trip error of each inverted image, where the method inverts."""
        from ..teacher.pair_cache import PairStore
        from ..teacher.round_trip import RoundTrips

        self._teacher, self._label = teacher, label
        self._store = PairStore(store, teacher.key) if store else None
        self.round_trips = RoundTrips(self._store) if measure and settings.inverts else None
        self.networks = teacher.networks
        self.on_a_model = settings.on_a_model
        # All that decides its images, and nothing of the machine that makes them.
        self.facts: dict[str, Any] = {"model": _model_name(settings.model), **teacher.key}

    def stylize(self, contents: Tensor, styles: Tensor, names: Sequence[str] | None = None) -> Tensor:
        """As `Stylizer.stylize`; names: of the pairs, for messages."""
        meter = Meter(unit="pair", total=len(contents), label=self._label)
        return self._teacher.stylize(contents, styles, self._store, meter.advance, names, self.round_trips)


def load_teachers(
    settings: config.Teacher, device: torch.device, store: Path | None, measure: bool = False
) -> list[StoredTeacher]:
    """The teacher at its first gamma, then at each further one, for which images are not inverted again."""
    from ..teacher.load import load_teacher

    first = load_teacher(settings, device)
    further = [
        StoredTeacher(teacher, settings, store, measure, f"teacher, gamma {gamma}")
        for gamma, teacher in zip(settings.further_gammas, first.others(), strict=True)
    ]
    return [StoredTeacher(first, settings, store, measure), *further]


def _model_name(weights: str | None) -> str | None:
    """The hub id; of a folder or file its name; None without a model."""
    return weights if weights is None or hub_id(weights) else found(weights).absolute().name


@dataclass(frozen=True)
class Wanted:
    """What a loader may need: the device, a student's folder, the teacher's section, the store of finished pairs.

    outside: the section of a stylizer from outside.
    """

    name: str
    device: torch.device
    weights: Path | None = None
    teacher: config.Teacher | None = None
    store: Path | None = None
    outside: config.Stylizer | None = None


def _teacher(wanted: Wanted) -> Stylizer:
    if wanted.teacher is None:
        raise UserError("teacher: its settings are missing (the teacher section of the configuration, as JSON)")
    return load_teachers(wanted.teacher, wanted.device, wanted.store)[0]


@dataclass(frozen=True)
class AtStrength:
    """A student of several gammas, drawing as the teacher at the first, whose images those of the run are."""

    student: Student
    strength: float

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """What it is made of."""
        return (self.student,)

    def stylize(self, contents: Tensor, styles: Tensor) -> Tensor:
        """As `Stylizer.stylize`."""
        return self.student.stylize(contents, styles, self.strength)


def _student(wanted: Wanted) -> Stylizer:
    if wanted.weights is None:
        known = ", ".join(LOADERS)
        raise UserError(f"{wanted.name}: a student needs the folder of its weights (without one: {known})")
    from ..student.model import Student
    from ..student.strengths import scored_strength

    student = Student.from_pretrained(wanted.weights).to(wanted.device)
    student.working_pixels = sys.maxsize  # what is measured is the network itself
    strength = scored_strength(student.facts)
    return student if strength == 1 else AtStrength(student, strength)


LOADERS: dict[str, Callable[[Wanted], Stylizer]] = {
    "content": lambda wanted: Control(content),
    "style": lambda wanted: Control(style),
    "recolor": lambda wanted: Control(recolor),
    "teacher": _teacher,
}


def load_stylizer(wanted: Wanted) -> Stylizer:
    """The stylizer of a name. Raises UserError when its weights or settings are missing."""
    if wanted.outside is not None:
        return load_outside(wanted.name, wanted.outside)
    return LOADERS.get(wanted.name, _student)(wanted)


def networks_of(stylizer: Stylizer) -> list[nn.Module]:
    """The networks that a stylizer is made of: itself, or those it names."""
    return [stylizer] if isinstance(stylizer, nn.Module) else list(stylizer.networks)


def size_of(stylizer: Stylizer) -> tuple[float, float]:
    """Parameters, and megabytes (10**6 bytes) of parameters and buffers as loaded; not a number where nobody knows."""
    if isinstance(stylizer, Outside):
        return stylizer.size
    if isinstance(stylizer, StoredTeacher) and not stylizer.on_a_model:
        return math.nan, math.nan
    networks = networks_of(stylizer)
    parameters = sum(p.numel() for network in networks for p in network.parameters())
    return parameters, sum(t.nbytes for network in networks for t in network.state_dict().values()) / 1e6


# --- rendering ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def render(stylizer: Stylizer, pairs: Sequence[Pair], folder: Path, device: torch.device, chunk: int = CHUNK) -> None:
    """Write the stylization of each pair to `folder/<pair>.png`, `chunk` pairs at a time."""
    for start in progress(range(0, len(pairs), chunk), unit="chunk", label=pairs[0].set):
        some = pairs[start : start + chunk]
        contents = load_images([pair.content_file for pair in some]).to(device)
        styles = load_images([pair.style_file for pair in some]).to(device)
        told = {"names": [pair.name for pair in some]} if getattr(stylizer, "takes_names", False) else {}
        for pair, image in zip(some, to_uint8(stylizer.stylize(contents, styles, **told)), strict=True):
            save_png(image, folder / f"{pair.name}.png")


def copy_finished(pairs: Sequence[Pair], finished: Path, folder: Path) -> None:
    """Copy the images `finished/<block>/<content>_<style>.png` of validation pairs to `folder/<pair>.png`."""
    for pair in pairs:
        block, name = of_block(pair.name)
        source = finished / block / f"{name}.png"
        if not source.is_file():
            raise UserError(f"{source}: the teacher's image is missing; run its block again (rule teach)")
        write_bytes(folder / f"{pair.name}.png", source.read_bytes())
