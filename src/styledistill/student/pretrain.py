"""STTR's own unsupervised training: keep the content's features, take the style's feature statistics.

Loss of a pair (STTR, section 3.3): `content_weight` x mean squared error of relu4_1 to the content's +
`style_weight` x AdaIN style loss (means and deviations of four VGG19 slices). Where the backbones were never trained
the features carry no detail yet, so `identity_weight` x mean squared error of stylize(x, x) to x teaches the network
to reconstruct (IEContraAST's and StyTr2's identity loss, on ImageNet-normalized images). Some of these contents wear
another image's colors, and their style is x turned by half a circle: then colors must come from the style, wherever
they stand in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Networks, Pretrain
from ..core.files import sha256_bytes, sha256_file
from ..core.fingerprint import fingerprint_modules
from ..core.progress import Meter
from ..core.tensors import from_uint8, recolor
from ..perceptual import denormalize, features, label, normalize
from .losses import sttr_criterion
from .model import WEIGHTS_FILE, Student, load_imagenet
from .schedules import Cosine
from .sttr import STTR, freeze_batch_norm, thaw_batch_norm
from .training import (
    NETWORK_MODULES,
    Row,
    StateFile,
    leave,
    make_accelerator,
    parameter_groups,
    share_of,
    update,
    watch_signals,
)

TERMS = ("content", "style", "identity")
SUMMED = (*TERMS, "gradient_norm")
MODULES = [*NETWORK_MODULES, "styledistill.student.pretrain"]
RATES = ("rate", "rate_backbone")
SETTLING = 0.2  # part of all steps, the last ones, with the batch statistics estimated before
ROW_STEPS = 20  # steps that one row of the history averages


@dataclass(frozen=True)
class Pools:
    """Images to draw pairs from: uint8 (N, S, S, 3) with S >= `size`, the side of the images to train for."""

    contents: np.ndarray
    styles: np.ndarray
    size: int

    def batch(self, seed: int, step: int, count: int, size: int) -> tuple[Tensor, Tensor]:
        """The contents and styles of a step, both (count, 3, size, size) in [0, 1], cropped and mirrored at random."""
        rng = np.random.default_rng([seed, step])
        return _crops(rng, self.contents, count, size), _crops(rng, self.styles, count, size)


def _crops(rng: np.random.Generator, pool: np.ndarray, count: int, size: int) -> Tensor:
    crops = np.empty((count, size, size, 3), np.uint8)
    for crop, number in zip(crops, rng.integers(len(pool), size=count), strict=True):
        top, left = rng.integers(pool.shape[1] - size + 1, size=2)
        crop[:] = pool[number, top : top + size, left : left + size][:, :: rng.choice((-1, 1))]
    return from_uint8(crops)


class Known(NamedTuple):
    """Pairs whose result is known, images (N, 3, H, W) in [0, 1] each."""

    contents: Tensor
    styles: Tensor
    targets: Tensor


def as_known(targets: Tensor, recolored: int) -> Known:
    """Pairs that result in `targets` (N, 3, H, W): the first `recolored` contents wear the next image's colors."""
    contents, styles = targets.clone(), targets.clone()
    contents[:recolored] = recolor(targets, targets.roll(-1, 0))[:recolored]
    styles[:recolored] = targets[:recolored].flip(2, 3)
    return Known(contents, styles, targets)


def pretrain(
    architecture: str,
    size: str,
    pools: Pools,
    settings: Pretrain,
    networks: Networks,
    seed: int,
    device: torch.device,
    state_root: Path | str,
    start: Path | None = None,
) -> tuple[Student, list[Row]]:
    """A student trained from weights of `seed` (the full one: ResNets of ImageNet), and the history of its training.

    start: folder of a student to go on from instead.
    The state stands below `state_root` under a hash of all that decides the result. Raises UserError.
    """
    student = Student.from_pretrained(start) if start else Student.create(size, seed, architecture)
    untrained_backbones = isinstance(student.network, STTR) and student.network.config.train_stem
    if untrained_backbones:
        thaw_batch_norm(student.network)
    elif not start and isinstance(student.network, STTR):
        load_imagenet(student)
    student.to(device, memory_format=torch.channels_last)
    network = features(networks).to(device, memory_format=torch.channels_last)
    decides = {
        "stage": "pretrain",
        "architecture": architecture,
        "size": size,
        "start": sha256_file(start / WEIGHTS_FILE) if start else None,
        "settings": settings.model_dump(mode="json"),
        "features": label(networks.features, getattr(networks, networks.features), networks.seed),
        "pools": [sha256_bytes(pool.tobytes()) for pool in (pools.contents, pools.styles)],
        "crop": pools.size,
        "seed": seed,
        "code": fingerprint_modules(MODULES),
    }
    accelerator = make_accelerator(device, settings.dtype)
    state = StateFile(state_root, decides)
    rows = Pretraining(student.network, network, pools, settings, seed, accelerator, state).run()
    if untrained_backbones:
        freeze_batch_norm(student.network)
    student.facts.update(origin="pretrain", features=decides["features"])
    return student.eval(), rows


@dataclass
class Pretraining:
    """One pretraining: what it trains, with what, and how far it has come.

    network: STTR, its backbones' batch norms thawed where they were never trained. features: `perceptual.features`.
    """

    network: STTR
    features: nn.Module
    pools: Pools
    settings: Pretrain
    seed: int
    accelerator: Accelerator
    state: StateFile
    step: int = 0
    rows: list[Row] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SUMMED, 0.0))

    def __post_init__(self) -> None:
        how = self.settings
        groups = parameter_groups(self.network, how.learning_rate, how.learning_rate_backbone)
        self.optimizer = torch.optim.AdamW(groups, weight_decay=how.weight_decay)
        self.schedule = Cosine(self.optimizer, how.steps)
        if saved := self.state.load():
            self._restore(saved)
        self.prepared, self.optimizer = self.accelerator.prepare(self.network, self.optimizer)

    def run(self) -> list[Row]:
        """Train to the last step; returns the history. Leaves with the state saved at SIGTERM or SIGUSR1."""
        total = self.settings.steps
        meter = Meter(unit="step", total=total - self.step, label="pretrain")
        with watch_signals() as signals:
            while self.step < total:
                terms, norm = self._advance()
                self._note({**terms, "gradient_norm": norm})
                meter.advance(note=" ".join(f"{name} {value:.3g}" for name, value in terms.items()))
                if self.state.due or signals.received or self.step == total:
                    self.state.save(self._snapshot())
                if signals.received:
                    leave(signals.received, self.state.path, self.accelerator)
        meter.close()
        return self.rows

    def _advance(self) -> tuple[dict[str, float], float]:
        """One step: raw terms and the gradient's norm."""
        # At last with the statistics that inference uses, so that the rest of the network gets to know them.
        self.network.train(self.step < (1 - SETTLING) * self.settings.steps)
        terms: dict[str, Tensor] = {}
        self.schedule.before_step(self.step)
        norm = update(self.accelerator, self.prepared, self.optimizer, [lambda: self._loss(terms)], self.settings.clip)
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}, norm

    def _loss(self, terms: dict[str, Tensor]) -> Tensor:
        """The loss of this process's part of the step's batch; raw terms are left in `terms`."""
        how, mine = self.settings, share_of(range(self.settings.batch), self.accelerator)
        size = self.pools.size // 2 if self.step < how.half_size * how.steps else self.pools.size
        batch = self.pools.batch(self.seed, self.step, how.batch, size)
        contents, styles = (images[mine].to(self.accelerator.device) for images in batch)
        known = self._known(size)
        torch.manual_seed(hash((self.seed, self.step, self.accelerator.process_index)))  # dropout
        with self.accelerator.autocast():
            # One forward for pairs and known images.
            sides = (torch.cat([contents, known.contents]), torch.cat([styles, known.styles]))
            outputs = denormalize(self.prepared(*map(normalize, sides)).float())
            crossed, same = outputs.split([len(contents), len(known.targets)])
            terms.update(dict.fromkeys(TERMS, outputs.new_zeros(())))
            if len(crossed):
                terms.update(sttr_criterion(crossed, contents, styles, self.features))
            if len(same):
                terms["identity"] = F.mse_loss(normalize(same), normalize(known.targets))
        pairs = how.content_weight * terms["content"] + how.style_weight * terms["style"]
        part, known_part = len(contents) / max(1, how.batch), len(same) / max(1, how.identity_batch)
        return part * pairs + known_part * how.identity_weight * terms["identity"]

    def _known(self, size: int) -> Known:
        """This process's part of the step's images to reproduce: contents and styles by turns."""
        count = self.settings.identity_batch
        drawn = self.pools.batch(self.seed + 1, self.step, math.ceil(count / 2), size)
        known = as_known(torch.stack(drawn, 1).flatten(0, 1)[:count], round(self.settings.recolor * count))
        mine = share_of(range(count), self.accelerator)
        return Known(*(images[mine].to(self.accelerator.device) for images in known))

    def _note(self, values: dict[str, float]) -> None:
        """Add to the sums of the coming row; end the row when it is full."""
        self.sums = {name: total + values[name] for name, total in self.sums.items()}
        if self.step % ROW_STEPS and self.step != self.settings.steps:
            return
        rates = {name: group["lr"] for name, group in zip(RATES, self.optimizer.param_groups, strict=True)}
        count = (self.step - 1) % ROW_STEPS + 1
        self.rows.append({"step": self.step, **rates, **{name: total / count for name, total in self.sums.items()}})
        self.sums = dict.fromkeys(SUMMED, 0.0)

    def _snapshot(self) -> dict[str, Any]:
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "rows": self.rows,
            "sums": self.sums,
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.rows, self.sums = saved["step"], saved["rows"], saved["sums"]
