"""Whether anybody works on a run: one Snakemake at a time, and none while jobs of a killed one still live."""

from __future__ import annotations

import errno
import fcntl
import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from ..core.errors import UserError
from ..core.files import run_tag
from .watchdog import LOCK, PATIENCE_SECONDS, held, open_lock

_DAY = 24 * 3600.0
RESUMING = "STYLEDISTILL_RESUMING"  # set by resume.py while it unlocks


def occupy(run: Path) -> None:
    """Take the run for this Snakemake until it ends, waiting a little for jobs that are about to end.

    Removes what writers that were killed have left half-written, in what all runs share too. Raises UserError where
    somebody else works on the run, or where nothing can be written. Without effect where the file system has no locks.
    """
    try:
        file = open_lock(run)
    except OSError as error:
        raise _unwritable(run, error.strerror) from None
    try:
        _wait_for_others(run, file.fileno())
    except OSError:
        return
    if not os.access(run, os.W_OK):  # then the lock was only read
        raise _unwritable(run, os.strerror(errno.EACCES))
    _remove_half_written(run)
    with suppress(OSError):
        since = time.strftime("%Y-%m-%d %H:%M")
        who = f"Snakemake (process {os.getpid()}) of {_user()} on {socket.gethostname()}, since {since}"
        (run / LOCK).write_text(who + "\n")
    fcntl.flock(file, fcntl.LOCK_SH)  # jobs share it
    held.append(file)


def _unwritable(run: Path, reason: str) -> UserError:
    return UserError(f"{run}: cannot be written ({reason}): mend that, or choose another folder")


def _remove_half_written(run: Path) -> None:
    """Temporary files of this run's writers, and in `resources` those of a day ago that nobody can have use for.

    Jobs of other runs may be writing there just now. Downloads (`<name>.part`) go on where they were cut.
    """
    for left_over in run.rglob(".*.part"):
        left_over.unlink(missing_ok=True)
    for left_over in Path("resources").rglob(".*.part"):
        with suppress(OSError):  # renamed by its writer meanwhile, or another user's
            if f".{run_tag(run)}-" in left_over.name or time.time() - left_over.stat().st_mtime > _DAY:
                left_over.unlink()


def _user() -> str:
    """The user's name, or the number where this machine knows no name for it, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return f"user {os.getuid()}"


def await_others(run: Path) -> None:
    """Return when nobody works on the run any more; UserError when somebody still does after a while, or SLURM will."""
    if jobs := queued(run):
        named = ", ".join(f"{number} ({words})" for number, words in jobs.items())
        raise UserError(
            f"{run}: SLURM still has jobs of a Snakemake that was killed: {named}. Wait until squeue shows none of "
            f"them, or end them: scancel {' '.join(jobs)}"
        )
    with suppress(OSError), open_lock(run) as file:
        _wait_for_others(run, file.fileno())


def resuming() -> bool:
    """Whether resume.py unlocks the run just now."""
    return RESUMING in os.environ


def worked_on(run: Path) -> str | None:
    """Who works on the run now, in words; None where nobody does, or where the file system has no locks."""
    with suppress(OSError):
        with (run / LOCK).open() as file:
            if not _alone(file.fileno()):
                return _others(run)
    with suppress(UserError):
        if jobs := queued(run):
            return f"SLURM's jobs {', '.join(jobs)}"
    return None


def word_of_others(run: Path) -> str | None:
    """What Snakemake's own words about its lock leave open: whether somebody works here, or somebody was killed.

    None where Snakemake has no lock in the working directory.
    """
    if not any(Path(".snakemake/locks").glob("*.lock")):
        return None
    if others := worked_on(run):
        return (
            f"{run}: somebody works on this run: {others}. Wait for the end of that; should it be killed,"
            " `make resume` unlocks and goes on."
        )
    return (
        f"{run}: nobody works on this run, but a Snakemake here was killed and has left its lock: `make resume` goes on"
        " (with what Snakemake was given: make resume ARGS='--configfile ...')."
    )


def queued(run: Path) -> dict[str, str]:
    """Jobs of the run that SLURM has still to start or to end, by their ids: what each does, in Snakemake's words.

    A job in the queue holds no lock, and one on another node may hold none that is seen here. Snakemake writes the name
    that its SLURM jobs bear into its own log, beside what it makes. Empty where there is no SLURM. Raises UserError
    where it does not answer.
    """
    names = set()
    for log in Path(".snakemake/log").glob("*.log"):
        text = log.read_text(errors="replace")
        if f" {run}/" in text:
            names |= set(re.findall(r"^SLURM run ID: (\S+)$", text, re.M))
    if not names or not shutil.which("squeue"):
        return {}
    asked = ["squeue", "--noheader", "--format=%i|%k", f"--name={','.join(sorted(names))}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{run}: SLURM does not say whether it still has jobs of this run: {done.stderr.strip()}")
    return dict(line.split("|", 1) for line in done.stdout.splitlines())


def _wait_for_others(run: Path, lock: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS + 5
    while not _alone(lock):
        # Another Snakemake will not end soon; jobs without one will.
        if _snakemake_lives(run) or time.monotonic() > deadline:
            raise UserError(f"{run}: somebody works on this run: {_others(run)}. Wait for the end of that, or end it.")
        time.sleep(0.2)


def _alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _snakemake_lives(run: Path) -> bool:
    signed = re.search(r"\(process (\d+)\)", (run / LOCK).read_text("utf-8"))
    return signed is not None and int(signed[1]) in _holders(run)


def _others(run: Path) -> str:
    signed = (run / LOCK).read_text("utf-8").strip() or "somebody"
    jobs = [f"{name} (process {number})" for number in _holders(run) if (name := _script(number))]
    if _snakemake_lives(run) or not jobs:
        return signed
    return f"{', '.join(jobs)}, left over from {signed}"


def _holders(run: Path) -> list[int]:
    """Processes of this machine that hold the run's lock."""
    rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    node = str((run / LOCK).stat().st_ino)
    return [int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].rpartition(":")[2] == node]


def _script(process: int) -> str | None:
    """`teach.py` for a process that runs a script of this project."""
    with suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_text().split("\0")
        return next((Path(word).name for word in words[1:3] if word.endswith(".py")), None)
    return None
