"""What pretraining and distillation share: one update, states that survive a kill, and leaving when asked to.

Nothing here depends on how much has been computed before: whatever a training draws is a function of (seed, position),
so a saved position stands for the state of every random generator, and a killed training ends with the weights of one
that was not.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..core.errors import UserError
from ..core.files import atomic_path, canonical_json, sha256_bytes, sha256_file, write_csv, write_json
from ..core.progress import announce
from .architectures import ARCHITECTURES

# What computes a student, its losses and its steps: a part of the key of every unfinished training.
NETWORK_MODULES = [
    *(f"styledistill.{name}" for name in ("core.colors", "perceptual.__init__", "perceptual.efficientnet")),
    *(f"styledistill.student.{name}" for name in ("cpu_training", "modulation", "network")),
    *sorted(kind.network.__module__ for kind in ARCHITECTURES.values()),
    *(f"styledistill.student.{name}" for name in ("distances", "losses", "schedules", "training")),
]
SAVE_SECONDS = 120.0
OBEYED = (signal.SIGTERM, signal.SIGUSR1)
_PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
_WAIT = timedelta(hours=1)  # for the main process, which downloads and hashes before the others do

Row = dict[str, int | float]


def make_accelerator(device: torch.device, dtype: str = "float32") -> Accelerator:
    """The accelerator of a training on `device` with forward passes in `dtype` (weights stay float32).

    In one of several processes (torchrun's variables are set) on CUDA it picks the device itself: work on its
    `.device`. Raises UserError.
    """
    if dtype == "float16" and device.type == "cpu":
        raise UserError("dtype: float16 trains on a GPU only. Use float32 here.")
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    # Else the first training of a process would settle device and precision for all later ones.
    AcceleratorState._reset_state(reset_partial_state=True)
    patience = InitProcessGroupKwargs(timeout=_WAIT)
    return Accelerator(cpu=device.type == "cpu", mixed_precision=_PRECISIONS[dtype], kwargs_handlers=[patience])


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


def recompute_in_backward(parts: Iterable[nn.Module]) -> None:
    """Let each part keep only what goes into it, and compute the rest again in the backward pass: memory for time.

    Gradients stay the same, and so do the names of the state dict.
    """
    for part in parts:
        part.forward = partial(checkpoint, part.forward, use_reentrant=False)


def update(
    accelerator: Accelerator,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: Sequence[Callable[[], Tensor]],
    clip: float,
) -> float:
    """One step of the optimizer along the sum of the micro batches' losses; returns the gradient's norm.

    Each entry of `micro_batches` (at least one in every process) computes one loss, already weighted by its part of the
    effective batch. A gradient of more than norm `clip` is cut to it; the norm before is returned, 0 where float16 made
    it infinite and the step was skipped. Raises UserError when it is not finite otherwise, or ever again.
    """
    optimizer.zero_grad(set_to_none=True)
    for number, loss_of in enumerate(micro_batches, start=1):
        # Gradients travel between processes once, with the last micro batch.
        last = number == len(micro_batches)
        with contextlib.nullcontext() if last else accelerator.no_sync(network):
            # Averaging over processes is undone here: the parts of one batch add up.
            accelerator.backward(loss_of() * accelerator.num_processes)
    norm = float(accelerator.clip_grad_norm_(network.parameters(), clip))
    finite = math.isfinite(norm)
    # A scaler skips such a step and goes on at half the scale; below 1 the scale was not the cause.
    if not finite and (accelerator.scaler is None or accelerator.scaler.get_scale() < 1):
        raise UserError("training: the gradient is not finite. Lower learning_rate, or use dtype float32 or bfloat16.")
    optimizer.step()
    return norm if finite else 0.0


# --- states -----------------------------------------------------------------------------------------------------


class StateFile:
    """The training state in `<root>/<key>/state.pt`, where the key is a hash of all that decides the result.

    The file ends with its own sha256 (32 bytes behind torch's zip file, which readers of zip files pass over): torch
    takes a damaged number for a number.

    writes: whether this process is the one of its training that writes; the others only load.
    """

    def __init__(self, root: Path | str, decides: dict[str, Any], writes: bool = True) -> None:
        self.folder = Path(root) / sha256_bytes(canonical_json(decides).encode())[:24]
        self.path = self.folder / "state.pt"
        self.writes = writes
        self._saved = time.monotonic()
        if not writes:
            return
        for left_over in self.folder.glob(".*.part"):  # of a job that was killed while it wrote
            left_over.unlink(missing_ok=True)
        if not (self.folder / "key.json").exists():
            write_json(self.folder / "key.json", decides)

    def load(self) -> dict[str, Any] | None:
        """The state, or None where there is none yet, or one whose bytes have changed since it was saved."""
        if not self.path.exists():
            return None
        if not _signed(self.path):
            announce(f"{self.path}: damaged (its sha256 differs), so this training begins anew")
            return None
        return torch.load(self.path, map_location="cpu", weights_only=True)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state at once or not at all; nothing where this process does not write."""
        if not self.writes:
            return
        with atomic_path(self.path) as temporary:
            torch.save(state, temporary)
            digest = sha256_file(temporary)
            with temporary.open("ab") as file:
                file.write(bytes.fromhex(digest))
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save is old enough for the next."""
        return time.monotonic() - self._saved >= SAVE_SECONDS


def _signed(path: Path) -> bool:
    """Whether the last 32 bytes of a file are the sha256 of all before them."""
    digest, left = hashlib.sha256(), path.stat().st_size - hashlib.sha256().digest_size
    with path.open("rb") as file:
        while left > 0 and (piece := file.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
        return file.read() == digest.digest()


class Interrupted(SystemExit):
    """The training was asked to leave and has saved its state; ends the process with 128 + the signal's number."""


class Signals:
    """Notes SIGTERM (a cluster ends the job) and SIGUSR1 (it will soon), to be obeyed between two steps."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def agreed(self, accelerator: Accelerator) -> signal.Signals | None:
        """What any process of the training has received; all must ask after the same step, and hear the same."""
        mine = torch.tensor([float(self.received == number) for number in OBEYED], device=accelerator.device)
        heard = accelerator.reduce(mine, "sum").tolist()
        return next((number for number, count in zip(OBEYED, heard, strict=True) if count), None)


def leave(number: signal.Signals, where: Path, accelerator: Accelerator) -> NoReturn:
    """Say where the state is and end the process, once all processes of the training have come here."""
    if accelerator.is_main_process:
        print(f"{number.name} received: state saved in {where}; the same command goes on", file=sys.stderr, flush=True)
    accelerator.wait_for_everyone()  # the first that ends takes the others with it
    raise Interrupted(128 + number)


@contextlib.contextmanager
def watch_signals() -> Iterator[Signals]:
    """Within the block SIGTERM and SIGUSR1 are only noted; the handlers before are put back at its end."""
    signals = Signals()

    def note(number: int, _frame: Any) -> None:
        signals.received = signal.Signals(number)

    before = {number: signal.signal(number, note) for number in OBEYED}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- history ----------------------------------------------------------------------------------------------------


def write_history(path: Path | str, rows: Sequence[Row]) -> None:
    """Write rows as CSV: seven significant digits, columns of the first row.

    Equal trainings give equal bytes, so no time is among the columns: the speed stands in the run record.
    """
    if not all(math.isfinite(value) for row in rows for value in row.values()):
        raise UserError("training: a number of its history is not finite. Lower learning_rate, or use dtype float32.")
    write_csv(path, rows[0], (row.values() for row in rows), digits=7)


def cpu_copy(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors on the CPU in rows, as files hold them, which later steps do not change."""
    rows = torch.contiguous_format
    return {name: value.detach().to("cpu", copy=True, memory_format=rows) for name, value in values.items()}
