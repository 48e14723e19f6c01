"""What pretraining and distillation share: one update, states that survive a kill, and leaving when asked to.

Nothing here depends on how much has been computed before: whatever a training draws is a function of (seed, position),
so a saved position stands for the state of every random generator, and a killed training ends with the weights of one
that was not.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..core.errors import UserError
from ..core.files import atomic_path, canonical_json, sha256_bytes, write_json, write_text

SAVE_SECONDS = 120.0
_PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}

Row = dict[str, int | float]


def make_accelerator(device: torch.device, dtype: str = "float32") -> Accelerator:
    """The accelerator of a training on `device` with forward passes in `dtype` (weights stay float32)."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return Accelerator(cpu=device.type == "cpu", mixed_precision=_PRECISIONS[dtype])


def parameter_groups(network: nn.Module, rate: float, rate_backbone: float) -> list[dict[str, Any]]:
    """Parameters that train, in two groups: the two ResNets at `rate_backbone`, all others at `rate`."""
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    backbone = [parameter for name, parameter in named if name.startswith("backbone_")]
    others = [parameter for name, parameter in named if not name.startswith("backbone_")]
    return [{"params": others, "lr": rate}, {"params": backbone, "lr": rate_backbone}]


def share_of(indices: Sequence[int], accelerator: Accelerator) -> list[int]:
    """The part of an effective batch that this process computes: every n-th index, n = number of processes."""
    return list(indices[accelerator.process_index :: accelerator.num_processes])


def pieces(indices: Sequence[int], size: int) -> list[list[int]]:
    """`indices` cut into micro batches of at most `size`."""
    return [list(indices[start : start + size]) for start in range(0, len(indices), size)]


def update(
    accelerator: Accelerator,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: Sequence[Callable[[], Tensor]],
    clip: float,
) -> float:
    """One step of the optimizer along the sum of the micro batches' losses; returns the gradient's norm.

    Each entry of `micro_batches` computes one loss, already weighted by its part of the effective batch. A gradient of
    more than norm `clip` is cut to it; the norm before is returned. Raises UserError when it is not finite.
    """
    optimizer.zero_grad(set_to_none=True)
    for number, loss_of in enumerate(micro_batches, start=1):
        # Gradients travel between processes once, with the last micro batch.
        last = number == len(micro_batches)
        with contextlib.nullcontext() if last else accelerator.no_sync(network):
            # Averaging over processes is undone here: the parts of one batch add up.
            accelerator.backward(loss_of() * accelerator.num_processes)
    norm = float(accelerator.clip_grad_norm_(network.parameters(), clip))
    if not math.isfinite(norm) and accelerator.scaler is None:  # a scaler skips such a step and goes on
        raise UserError("training: the gradient is not finite. Lower learning_rate, or use dtype float32 or bfloat16.")
    optimizer.step()
    return norm


# --- states -----------------------------------------------------------------------------------------------------


class StateFile:
    """The training state in `<root>/<key>/state.pt`, where the key is a hash of all that decides the result."""

    def __init__(self, root: Path | str, decides: dict[str, Any]) -> None:
        self.folder = Path(root) / sha256_bytes(canonical_json(decides).encode())[:24]
        self.path = self.folder / "state.pt"
        self._saved = time.monotonic()
        for left_over in self.folder.glob(".*.part"):  # of a job that was killed while it wrote
            left_over.unlink(missing_ok=True)
        if not (self.folder / "key.json").exists():
            write_json(self.folder / "key.json", decides)

    def load(self) -> dict[str, Any] | None:
        """The state, or None where there is none yet."""
        return torch.load(self.path, map_location="cpu", weights_only=True) if self.path.exists() else None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state at once or not at all."""
        with atomic_path(self.path) as temporary:
            torch.save(state, temporary)
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save is old enough for the next."""
        return time.monotonic() - self._saved >= SAVE_SECONDS


class Interrupted(SystemExit):
    """The training was asked to leave and has saved its state; ends the process with 128 + the signal's number."""


class Signals:
    """Notes SIGTERM (a cluster ends the job) and SIGUSR1 (it will soon), to be obeyed between two steps."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def leave(self, where: Path) -> None:
        """Say where the state is and end the process."""
        assert self.received is not None
        print(f"{self.received.name} received: state saved in {where}; the same command goes on", file=sys.stderr)
        raise Interrupted(128 + self.received)


@contextlib.contextmanager
def watch_signals() -> Iterator[Signals]:
    """Within the block SIGTERM and SIGUSR1 are only noted; the handlers before are put back at its end."""
    signals = Signals()

    def note(number: int, _frame: Any) -> None:
        signals.received = signal.Signals(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- history ----------------------------------------------------------------------------------------------------


def write_history(path: Path | str, rows: Sequence[Row]) -> None:
    """Write rows as CSV: seven significant digits, columns of the first row. Equal trainings give equal bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    write_text(path, text.getvalue())


def _cell(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.7g}"


def cpu_copy(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors on the CPU, which later steps do not change."""
    return {name: value.detach().to("cpu", copy=True) for name, value in values.items()}
