"""One process per GPU of this machine: starts them, passes signals on to them, ends them together.

torchrun does that too, but answers a user's mistake with a page of its own and dies of a cluster's SIGUSR1, so that
log and exit code of a job would hang on the number of GPUs. A program that torchrun or `accelerate launch` has started
(on several nodes, say) is one of their processes and starts none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO

import torch
from torch.distributed import TCPStore

from ..core.children import ending_with_parent
from .training import watch_signals

_LOOK_SECONDS = 0.02
_HOST = "127.0.0.1"


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", 0)) == 0


def group_size() -> int:
    """How many processes this training has."""
    return int(os.environ.get("WORLD_SIZE", 1))


def processes_for(device: str, batch: int) -> int:
    """One process for each GPU that `device` (auto, cuda, cuda:N or cpu) means, but not more than pairs in a batch."""
    return max(1, min(torch.cuda.device_count(), batch)) if device in ("auto", "cuda") else 1


def run_in_processes(count: int) -> None:
    """Run this program again in `count` processes of one training, and end with their exit code (SystemExit).

    Returns at once where one process is enough, and in a process of a training. The first that fails ends the others;
    only the main one speaks, but another that fails by itself is heard. SIGTERM and SIGUSR1 are passed on.
    """
    if count > 1 and "LOCAL_RANK" not in os.environ:
        raise SystemExit(_run(count))


def part() -> None:
    """Take leave of the other processes; NCCL complains of one that ends without."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _run(count: int) -> int:
    """The exit code of the processes: that of the first which failed, 128 + the signal's number if one ended it."""
    store = TCPStore(_HOST, 0, is_master=True, wait_for_workers=False)  # where they find each other, on a free port
    with watch_signals() as signals, ExitStack() as stack:
        voices = [None, *(stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(1, count))]
        processes = [_start(rank, count, store.port, voice) for rank, voice in enumerate(voices)]
        try:
            while any(process.poll() is None for process in processes) and not _failed(processes):
                number, signals.received = signals.received, None
                if number:
                    for process in processes:
                        process.send_signal(number)
                time.sleep(_LOOK_SECONDS)
            failed = _failed(processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        for rank in failed:
            if voices[rank]:
                voices[rank].seek(0)
                sys.stderr.write(voices[rank].read())
    codes = [processes[rank].returncode for rank in failed]
    return next((128 - code if code < 0 else code for code in codes), 0)


def _failed(processes: Sequence[subprocess.Popen[str]]) -> list[int]:
    return [rank for rank, process in enumerate(processes) if process.poll() not in (None, 0)]


def _start(rank: int, count: int, port: int, voice: IO[str] | None) -> subprocess.Popen[str]:
    """One process with the variables that torch reads; voice: where its stderr goes, None: where ours does."""
    threads = max(1, torch.get_num_threads() // count)
    group = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": port,
        "TORCHELASTIC_USE_AGENT_STORE": True,  # the store above, not one of their own
        "OMP_NUM_THREADS": threads,
    }
    return subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        env={**os.environ, **{name: str(value) for name, value in group.items()}},
        stderr=voice,
        close_fds=False,  # Snakemake's terminal is handed down as a descriptor of its own
        preexec_fn=ending_with_parent(),
    )
