"""How a training's learning rates fall, and when it ends: by the validation loss, or by half a cosine."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ..config import Distill

WARMUP = 0.02  # part of all steps
FLOOR = 0.01  # part of the first rate below which the plateau's rule does not lower it


class Schedule:
    """Sets the rates of an optimizer's groups. Here it does nothing; each schedule says what it does.

    `state` holds what the position in the training does not tell.
    """

    stopped = False  # whether the training ends before its last epoch

    def before_step(self, step: int) -> None:
        """Set the rates of the training's step, counted from 0."""

    def after_epoch(self, val_loss: float) -> None:
        """Take an epoch's validation loss."""

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up a `state`."""


def schedule_of(settings: Distill, optimizer: Optimizer, epoch_steps: int) -> Schedule:
    """The schedule that the settings name, for an optimizer whose groups have their first rates."""
    if settings.schedule == "cosine":
        return Cosine(optimizer, settings.max_epochs * epoch_steps)
    return Plateau(optimizer, settings)


class Cosine(Schedule):
    """Up in the first fiftieth of the steps, then down to 0: a function of the step, so there is nothing to save."""

    def __init__(self, optimizer: Optimizer, steps: int) -> None:
        self.optimizer, self.steps = optimizer, steps
        self.rates = [group["lr"] for group in optimizer.param_groups]

    def before_step(self, step: int) -> None:
        """Set the rates of a step."""
        factor = rate_factor(step, self.steps)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = factor * rate


def rate_factor(step: int, steps: int) -> float:
    """Factor of the learning rate in step 0 to `steps` - 1: up in the first fiftieth, then down by half a cosine."""
    warm = max(1, round(WARMUP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class Plateau(Schedule):
    """The rate falls where the validation loss no longer does; wraps torch's ReduceLROnPlateau.

    The training ends `stop_after` epochs after a reduction that no new best has followed; a new best clears it.
    """

    def __init__(self, optimizer: Optimizer, settings: Distill) -> None:
        self.stop_after = settings.stop_after
        self.fruitless: int | None = None  # epochs since the first reduction that no new best has followed
        self.scheduler = ReduceLROnPlateau(
            optimizer,
            factor=settings.factor,
            patience=settings.patience,
            threshold=settings.threshold,
            min_lr=[FLOOR * group["lr"] for group in optimizer.param_groups],
        )

    def after_epoch(self, val_loss: float) -> None:
        """Take an epoch's validation loss."""
        best = self.scheduler.best
        self.scheduler.step(val_loss)
        if self.scheduler.best < best:
            self.fruitless = None
        elif self.fruitless is not None:
            self.fruitless += 1
        elif self.scheduler.num_bad_epochs == 0:  # torch has just reduced, or would have but for the floor
            self.fruitless = 0

    @property
    def stopped(self) -> bool:
        """Whether to stop."""
        return self.fruitless is not None and self.fruitless >= self.stop_after

    def state(self) -> dict[str, Any]:
        """Torch's state and the count."""
        return {"scheduler": self.scheduler.state_dict(), "fruitless": self.fruitless}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up a state."""
        self.scheduler.load_state_dict(saved["scheduler"])
        self.fruitless = saved["fruitless"]
