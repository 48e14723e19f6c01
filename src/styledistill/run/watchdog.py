"""What ties a job to its run: it holds the run's lock while it lives, and ends with its Snakemake or its shell.

Snakemake's own lock does not notice that a job outlived a Snakemake that was killed, and such a job would go on writing
where a restarted run writes too. The kernel gives a lock back when the last process that holds it ends, however that
happens. The side of Snakemake is `lock.py`. No torch here: the workflow itself imports this.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..core.files import RUN

LOCK = ".lock"
_SNAKEMAKE = "STYLEDISTILL_SNAKEMAKE"
SHELL = "STYLEDISTILL_SHELL"  # the shell of a rule sets it to its own number
PATIENCE_SECONDS = 60.0  # for a training, which saves its state when it is asked to end

held: list[IO[str]] = []  # open as long as this process lives


def bind_jobs(run: Path) -> None:
    """Tell the jobs that this process (Snakemake) will start which run they belong to, and to whom."""
    os.environ[RUN] = str(run.absolute())
    os.environ[_SNAKEMAKE] = f"{_namespace()}/{os.getpid()}"


def join_run() -> None:
    """Called by a script when it starts: hold the run's lock, and end with its Snakemake and its shell."""
    if run := os.environ.get(RUN):
        with suppress(OSError):  # a file system without locks
            file = open_lock(Path(run))
            fcntl.flock(file, fcntl.LOCK_SH)
            held.append(file)
    namespace, _, number = os.environ.get(_SNAKEMAKE, "").rpartition("/")
    # In a container with processes of its own the number means another one.
    if number and namespace == _namespace() and hasattr(os, "pidfd_open"):
        shell = os.environ.get(SHELL)  # it may have ended before we are here
        _end_with({int(number), *_between(int(number)), *([int(shell)] if shell else [])})


def open_lock(run: Path) -> IO[str]:
    """The file that the run's lock is on."""
    run.mkdir(parents=True, exist_ok=True)
    try:
        return (run / LOCK).open("a")
    except PermissionError:  # another user's run
        return (run / LOCK).open()


def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def _end_with(processes: set[int]) -> None:
    try:
        watched = [os.pidfd_open(process) for process in processes]
    except ProcessLookupError:  # one has ended already
        os.kill(os.getpid(), signal.SIGKILL)
        return
    except OSError:
        return
    threading.Thread(target=_wait_for, args=(watched,), daemon=True).start()


def _between(snakemake: int) -> list[int]:
    """The processes that lead from Snakemake to this one, such as a shell; empty where it is no ancestor.

    When one of them is killed, Snakemake takes that for the job's end, and for its failure.
    """
    found, process = [], os.getppid()
    while process not in (0, snakemake):
        found.append(process)
        try:
            facts = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return []
        process = int(facts.rpartition(")")[2].split()[1])
    return found if process else []


def _wait_for(watched: list[int]) -> None:
    ended = select.poll()
    for process in watched:
        ended.register(process, select.POLLIN)
    ended.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
