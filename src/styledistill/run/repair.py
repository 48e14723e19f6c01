"""Repairing a damaged run: in which order to ask for what is damaged, so that only that is made again."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import UserError
from ..core.files import sha256_file
from ..core.places import PROJECT
from ..core.provenance import ORDER
from .verify import OF_A_FOLDER, Fault, Made, Run, folder_of


def mend(results: Path, faults: list[Fault], arguments: tuple[str, ...]) -> Iterator[str]:
    """Remove and remake what is damaged, and say what is done, line by line.

    arguments: what the run is started with. Raises UserError where Snakemake cannot.
    """
    for fault in faults:
        if fault.remove:
            fault.path.unlink()
    for remake in in_order(faults):
        command = ["snakemake", "--force", *map(str, remake), *_where(results, arguments), *arguments]
        yield f"runs: {shlex.join(command)}"
        with times_kept(Run(results), {fault.path for fault in faults}) as other:
            if subprocess.run([sys.executable, "-m", *command], check=False).returncode:
                raise UserError(f"{results}: could not be repaired; what Snakemake said stands above")
        for path in other:
            yield f"made again with other bytes: {path}; the next run makes anew what was made from it"


def _where(results: Path, arguments: tuple[str, ...]) -> list[str]:
    """Where the run and its workflow lie, for a Snakemake that is started somewhere else and is not told."""
    folder = folder_of(results)
    if folder == Path.cwd() or any(word in arguments for word in ("-d", "--directory")):
        return []
    told = any(word in arguments for word in ("-s", "--snakefile"))
    return ["--directory", str(folder), *([] if told else ["--snakefile", str(PROJECT / "Snakefile")])]


def in_order(faults: list[Fault]) -> list[list[Path]]:
    """What to ask Snakemake for, one list after the other: each is made from files that are then whole.

    Asked for at once, all that lies between two damaged files would be made again too.
    """
    stages: dict[str, list[Path]] = {stage: [] for stage in ORDER}
    for fault in faults:
        if fault.remake:
            stages.setdefault(fault.stage, []).append(fault.remake)
    return [list(dict.fromkeys(files)) for files in stages.values() if files]


@contextmanager
def times_kept(run: Run, damaged: set[Path]) -> Iterator[list[Path]]:
    """Around a repair: a file that is then what it was made as gets the time back that it had.

    Else Snakemake, which compares larger files by their times alone, would make anew all that was made from it. The
    yielded list holds, at the end, the files that came out otherwise; what was made from those is to be made anew.
    """
    other: list[Path] = []
    before = {path: (made.sha256, _time(run, made, damaged)) for path, made in run.made.items()}
    before |= {path: (sha256_file(path), path.stat().st_mtime_ns) for path in run.unclaimed}
    found = {path: path.stat().st_mtime_ns for path in before if path.is_file()}
    folders = {path: path.stat().st_mtime_ns for path in run.results.rglob(OF_A_FOLDER)}
    yield other
    for path, (digest, time) in before.items():
        if not path.is_file() or path.stat().st_mtime_ns in (time, found.get(path)):
            continue  # gone, or not made again; what is damaged may still be to come
        if sha256_file(path) == digest:
            os.utime(path, ns=(time, time))
        else:
            other.append(path)
    for path, time in folders.items():
        if path.is_file() and not any(path.parent in one.parents for one in other):
            os.utime(path, ns=(time, time))


def _time(run: Run, made: Made, damaged: set[Path]) -> int:
    """When a file was made. A damaged one may bear the time of its damage, so its job's other files tell.

    Where the job made nothing else, its record does, which is written right behind the files.
    """
    if made.path not in damaged:
        return made.path.stat().st_mtime_ns
    job = [one.path for one in run.made.values() if one.record == made.record and one.path not in damaged]
    if job:
        return max(path.stat().st_mtime_ns for path in job)
    return min(path.stat().st_mtime_ns for path in (made.path, made.record) if path.is_file())
