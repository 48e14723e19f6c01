"""Distillation: the student learns the teacher's images from pairs, by a weighted sum of named terms.

Every loss starts from the same weights and sees the same pairs in the same order. The network stays in evaluation
mode: the tail's batch norm uses stored statistics (its affine part trains) and dropout is off, so that neither the
batch's size nor its split changes a gradient. So several processes, each with its part of every batch, make the same
student as one, but for the last digits of float32 sums; all call `distill` alike, and only the main one writes.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..config import Distill, Networks
from ..config.terms import networks_of
from ..core.errors import UserError
from ..core.files import sha256_file
from ..core.fingerprint import fingerprint_modules
from ..core.progress import Meter
from ..core.tensors import to_uint8
from ..perceptual import denormalize, label, normalize
from ..shards.read import PairDataset
from .epochs import epoch_order
from .loading import Loading, MicroBatch
from .losses import LossSettings, distillation_terms, loss_settings, matched_constant
from .model import WEIGHTS_FILE, Student
from .modulation import remember_styles
from .schedules import schedule_of
from .strengths import strengths_of
from .tracker import Tracker
from .training import (
    NETWORK_MODULES,
    Row,
    Signals,
    StateFile,
    cpu_copy,
    leave,
    make_accelerator,
    parameter_groups,
    pieces,
    recompute_in_backward,
    update,
    watch_signals,
)

MODULES = [
    *NETWORK_MODULES,
    *(f"styledistill.student.{name}" for name in ("strengths", "controls", "epochs", "loading", "distill")),
    "styledistill.shards.read",
]
MATCHING_PAIRS = 64  # pairs that the Gram term's constant is measured on
SHOWN = 4  # validation pairs that a tracker shows
UNDECIDING = {"workers", "gradient_checkpointing", "tracker"}  # settings that change no number of the result


@dataclass(frozen=True)
class Distilled:
    """What a distillation leaves: the student of the best epoch, the last epoch's weights, the history."""

    student: Student
    last: dict[str, Tensor]
    rows: list[Row]
    pairs_per_second: float  # of the training passes of this call, a time and so no part of the history


def distill(
    start: Path,
    manifests: tuple[Path, Path],
    weights: Mapping[str, float],
    settings: Distill,
    networks: Networks,
    seed: int,
    device: torch.device,
    state_root: Path | str,
    tracker: Tracker | None = None,
) -> Distilled:
    """Distill the student of folder `start` on the pairs of `manifests` (train, val) with a sum of weighted terms.

    The state stands below `state_root` under a hash of all that decides the result: killed and started again, the
    training goes on and ends with the same weights (bit-equal on a CPU). In several processes (of torchrun, or of
    `launch.run_in_processes`) all see the same `state_root`. tracker: shows each row of the history when it is
    there, first those of the saved state, and some validation pairs. Raises UserError.
    """
    accelerator = make_accelerator(device, settings.dtype)
    device = accelerator.device
    with accelerator.main_process_first():  # it alone downloads; the others find the files, or end with it
        student = Student.from_pretrained(start).to(device)
        train, val = (PairDataset(manifest) for manifest in manifests)
        loss = loss_settings(weights, settings, networks, device)
    if train.gammas != val.gammas:
        raise UserError(f"{manifests[1]}: pairs at other gammas than those of {manifests[0]}; pack both of one teacher")
    decides = {
        "stage": "distill",
        "start": sha256_file(start / WEIGHTS_FILE),
        "manifests": [sha256_file(manifest) for manifest in manifests],
        "weights": dict(weights),
        "settings": settings.model_dump(mode="json", exclude=UNDECIDING),
        "networks": {
            name: label(name, getattr(networks, name), networks.seed)
            for name in networks_of(weights, networks.features)
        },
        "seed": seed,
        "code": fingerprint_modules(MODULES),
    }
    state = StateFile(state_root, decides, writes=accelerator.is_main_process)
    run = Distillation(student.network, train, val, weights, settings, seed, accelerator, state, tracker)
    run.prepare(loss)
    run.run()
    student.network.load_state_dict(run.best)
    student.facts.pop("strengths", None)  # of the start's training
    if train.gammas:
        student.facts["strengths"] = list(zip(train.gammas, run.loading.strengths, strict=True))
    student.facts.update(
        origin="distill", loss=dict(weights), seed=seed, epoch=run.best_epoch, gram_constant=run.gram_constant
    )
    return Distilled(student, run.last, run.rows, run.pairs_per_second)


@dataclass
class Distillation:
    """One training: what it trains, on what, and how far it has come."""

    network: nn.Module
    train: PairDataset
    val: PairDataset
    weights: Mapping[str, float]
    settings: Distill
    seed: int
    accelerator: Accelerator
    state: StateFile
    tracker: Tracker | None = None
    epoch: int = 1
    step: int = 0  # steps done in this epoch
    sums: dict[str, float] = field(default_factory=dict)  # over these steps
    rows: list[Row] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_loss: float = float("inf")
    best_epoch: int = 0
    gram_constant: float = 1.0
    trained: int = 0  # pairs in this call, and the seconds they took
    seconds: float = 0.0

    def prepare(self, loss: LossSettings) -> None:
        """Build the optimizer, take up a saved state or measure the Gram term's constant."""
        how = self.settings
        self.loading = Loading(how, self.seed, self.accelerator, strengths_of(self.train.gammas))
        self.network.eval()
        # In other precisions what is kept would hang on who sees a style first: `_matched` computes in float32.
        if how.dtype == "float32":
            remember_styles(self.network)
        groups = parameter_groups(self.network, how.learning_rate, how.learning_rate_backbone)
        self.optimizer = torch.optim.AdamW(groups, weight_decay=how.weight_decay)
        self.epoch_steps = math.ceil(len(self.train) / how.batch)
        self.schedule = schedule_of(how, self.optimizer, self.epoch_steps)
        if saved := self.state.load():
            self._restore(saved)
        elif "gram" in self.weights and how.gram_normalize == "matched":
            self.gram_constant = self._matched(loss.features)
        self.loss = replace(loss, gram_constant=self.gram_constant)
        if how.gradient_checkpointing:
            recompute_in_backward(self.network.heaviest)
        self.prepared, self.optimizer = self.accelerator.prepare(self.network, self.optimizer)
        if isinstance(self.prepared, DistributedDataParallel):
            # Statistics are constants; sent around with each forward they would need equally many in all processes.
            self.prepared.forward_sync_buffers = False

    def run(self) -> None:
        """Train until the schedule or `max_epochs` ends it. Leaves with the state saved at SIGTERM or SIGUSR1."""
        self._tell(self.rows)
        with watch_signals() as signals:
            while self.epoch <= self.settings.max_epochs and not self.schedule.stopped:
                self._train_epoch(signals)
                self._end_epoch()
                self._save(signals.agreed(self.accelerator))

    @property
    def last(self) -> dict[str, Tensor]:
        """Weights as they are now."""
        return cpu_copy(self.network.state_dict())

    @property
    def pairs_per_second(self) -> float:
        """Speed of the training passes of this call; 0 where it only took up a finished training."""
        return round(self.trained / self.seconds, 3) if self.trained else 0.0

    # --- one epoch ---

    def _train_epoch(self, signals: Signals) -> None:
        batches = pieces(epoch_order(self.seed, self.epoch, len(self.train)), self.settings.batch)
        meter = Meter(unit="pair", total=len(self.train), label=f"epoch {self.epoch}")
        meter.advance(self.step * self.settings.batch)
        loaded = self.loading.taught(self.train, self.loading.cut(batches[self.step :]), self.epoch)
        started = time.monotonic()
        self.trained += sum(map(len, batches[self.step :]))
        for batch, micro_batches in zip(batches[self.step :], loaded, strict=True):
            self.schedule.before_step((self.epoch - 1) * self.epoch_steps + self.step)
            self._advance(micro_batches, len(batch))
            self.step += 1
            if self.accelerator.is_main_process:
                meter.advance(len(batch), note=f"loss {self.sums['loss'] / self.step:.4g}")
            leaving = signals.agreed(self.accelerator)
            if leaving or self.state.due:
                self._save(leaving)
        if self.accelerator.is_main_process:
            meter.close()
        self.seconds += time.monotonic() - started

    def _advance(self, micro_batches: list[MicroBatch], count: int) -> None:
        """One step of the optimizer on a batch of `count` pairs."""
        squares = dict.fromkeys(self.weights, 0.0)
        values = dict.fromkeys(self.weights, 0.0)

        def loss_of(batch: MicroBatch) -> Tensor:
            part = len(batch.pairs) / count
            output, terms = self._terms(batch)
            gradient = torch.zeros_like(output)
            for name, term in terms.items():
                (pull,) = torch.autograd.grad(term, output, retain_graph=True)
                gradient += self.weights[name] * part * pull
                squares[name] += float((self.weights[name] * part * pull).square().sum())
                values[name] += part * float(term.detach())
            # Same gradient as the weighted sum's; each term's own part of it has been measured on the way.
            return (output * gradient).sum()

        losses = [partial(loss_of, batch) for batch in micro_batches] or [self._nothing]
        norm = update(self.accelerator, self.prepared, self.optimizer, losses, self.settings.clip)
        values, squares = self._summed(values), self._summed(squares)
        pulls = {name: value**0.5 for name, value in squares.items()}
        whole = sum(pulls.values()) or 1.0
        self._add(
            {
                "loss": sum(weight * values[name] for name, weight in self.weights.items()),
                "gradient_norm": norm,
                **values,
                **{f"share_{name}": pull / whole for name, pull in pulls.items()},
            }
        )

    def _nothing(self) -> Tensor:
        """The loss of a process that a batch of few pairs leaves without one: it still takes part in the sum."""
        blank = torch.zeros(1, 3, 32, 32, device=self.accelerator.device)
        return 0.0 * self.prepared(blank, blank).sum()

    def _terms(self, batch: MicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Outputs (N, 3, H, W) in [0, 1] space and raw terms of a micro batch."""
        content, style, target = batch.pairs.unbind(1)
        with self.accelerator.autocast():
            output = _drawn(self.prepared, content, style, batch.strength)
            return output, distillation_terms(output, content, style, target, self.weights, self.loss)

    def _add(self, values: dict[str, float]) -> None:
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in values.items()}

    @torch.no_grad()
    def _validate(self, gamma: int) -> dict[str, float]:
        """Mean raw terms over the validation pairs at the gamma of this number."""
        sums = dict.fromkeys(self.weights, 0.0)
        batches = pieces(range(len(self.val)), self.settings.batch)
        for micro_batches in self.loading.plain(self.val, self.loading.cut(batches), gamma):
            for batch in micro_batches:
                for name, term in self._terms(batch)[1].items():
                    sums[name] += float(term) * len(batch.pairs)
        return {name: value / len(self.val) for name, value in self._summed(sums).items()}

    def _summed(self, values: dict[str, float]) -> dict[str, float]:
        """Sums over the processes of a training."""
        mine = torch.tensor(list(values.values()), dtype=torch.float64, device=self.accelerator.device)
        total = self.accelerator.reduce(mine, "sum")
        return dict(zip(values, total.tolist(), strict=True))

    def _end_epoch(self) -> None:
        rates = [group["lr"] for group in self.optimizer.param_groups]
        means = {name: value / self.step for name, value in self.sums.items()}
        found = [self._validate(gamma) for gamma in range(max(1, len(self.train.gammas)))]
        losses = [sum(weight * terms[name] for name, weight in self.weights.items()) for terms in found]
        val_loss = sum(losses) / len(losses)
        if not math.isfinite(val_loss):  # the step after which no gradient was looked at
            raise UserError(f"training: the validation loss of epoch {self.epoch} is not finite. Lower learning_rate.")
        if val_loss < self.best_loss:
            self.best, self.best_loss, self.best_epoch = self.last, val_loss, self.epoch
        self.rows.append(
            {
                "epoch": self.epoch,
                "rate": rates[0],
                "rate_backbone": rates[1],
                "train_loss": means["loss"],
                "val_loss": val_loss,
                **{f"train_{name}": means[name] for name in self.weights},
                **{f"val_{name}": found[0][name] for name in self.weights},
                **{f"val_loss_{gamma}": loss for gamma, loss in zip(self.train.gammas, losses, strict=False)},
                **{f"share_{name}": means[f"share_{name}"] for name in self.weights},
                "gradient_norm": means["gradient_norm"],
            }
        )
        self._tell(self.rows[-1:])
        if self.tracker:
            self.tracker.images(self.epoch, self._shown())
        self.schedule.after_epoch(val_loss)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}

    def _tell(self, rows: list[Row]) -> None:
        for row in rows if self.tracker else ():
            self.tracker.row(row)

    @torch.no_grad()
    def _shown(self) -> np.ndarray:
        """Of the first validation pairs content, style, the teacher's image and the student's, a row each, uint8."""
        pairs = torch.stack([self.val[number] for number in range(min(SHOWN, len(self.val)))])
        pairs = pairs.to(self.accelerator.device)
        with self.accelerator.autocast():  # the network itself: only this process is here
            output = self._drawn_at_first(pairs[:, 0], pairs[:, 1])
        grid = torch.cat([pairs, output[:, None].clamp(0, 1)], 1)
        return to_uint8(torch.cat([torch.cat(list(row), 2) for row in grid], 1)[None])[0]

    def _drawn_at_first(self, content: Tensor, style: Tensor) -> Tensor:
        """Outputs (N, 3, H, W) in [0, 1] space of this process's network, at the first gamma."""
        return _drawn(self.network, content, style, self.loading.strength([0] * len(content)))

    def _matched(self, network: nn.Module) -> float:
        """The Gram term's constant, of the start weights and the first pairs of the first epoch: one for all losses.

        Every process measures it on all of these pairs, since the norm of a batch's gradient is no sum over its parts.
        """
        batches = pieces(epoch_order(self.seed, 1, len(self.train))[:MATCHING_PAIRS], self.settings.batch)
        loaded = self.loading.plain(self.train, [[batch] for batch in batches])
        triples = (batch.pairs.unbind(1) for (batch,) in loaded)
        constant = matched_constant(triples, self._drawn_at_first, network, self.settings.gram_per_image)
        return self._summed({"constant": constant})["constant"] / self.accelerator.num_processes

    # --- state ---

    def _save(self, leaving: signal.Signals | None) -> None:
        self.state.save(self._snapshot())
        if leaving:
            leave(leaving, self.state.path, self.accelerator)

    def _snapshot(self) -> dict[str, Any]:
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else None,
            **{name: getattr(self, name) for name in POSITION},
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.restore(saved["schedule"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(saved["scaler"])
        for name in POSITION:
            setattr(self, name, saved[name])


POSITION = ("epoch", "step", "sums", "rows", "best", "best_loss", "best_epoch", "gram_constant")


def _drawn(network: nn.Module, content: Tensor, style: Tensor, strength: Tensor | None) -> Tensor:
    """What a network makes of images (N, 3, H, W) in [0, 1], in that space; strength as in `MicroBatch`."""
    return denormalize(network(normalize(content), normalize(style), strength).float())
