"""What a run would do, from a dry run of Snakemake: rule, jobs, why, estimated hours."""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from snakemake.cli import main as snakemake
from snakemake_interface_logger_plugins.common import LogEvent

from ..core.places import PROJECT

# What Snakemake says about a job, and the same in few words; of several the first says most.
REASONS = {
    "Missing output files": "not made yet",
    "Incomplete output files": "was cut off",
    "Params have changed": "settings changed",
    "Code has changed": "command changed",
    "Set of input files has changed": "other input files",
    "Updated input files": "newer input",
    "Forced execution": "forced",
    "Input files updated by another job": "follows from another job",
}
# The only parameter that changed: a fingerprint of code (styledistill.core.fingerprint), or the mark of a folder's
# files (styledistill.run.preflight.listing), empty where there was no folder.
_ALONE = {
    "code changed": re.compile(r"before: '[0-9a-f]{16}' now: '[0-9a-f]{16}' "),
    "images changed": re.compile(r"before: '(files [0-9a-f]{16})?' now: '(files [0-9a-f]{16})?' "),
}
# Hours of one job by rule, of presets that nobody runs just to know how long they take.
_ESTIMATES = PROJECT / "workflow" / "estimates"


@dataclass(frozen=True)
class Job:
    """A job of a dry run. times: where its benchmark goes; seconds: of its last run, None where it never ran."""

    rule: str
    wildcards: dict[str, str]
    why: str
    times: str
    seconds: float | None


def planned(arguments: Sequence[str]) -> list[Job]:
    """The jobs that `snakemake ARGUMENTS` would run now. SystemExit where Snakemake refuses, which has said why."""
    jobs: dict[str, Job] = {}

    def note(record: logging.LogRecord) -> bool:
        if getattr(record, "event", None) == LogEvent.JOB_INFO and record.benchmark:
            wildcards = dict(record.wildcards or {})
            jobs[record.benchmark] = Job(
                record.rule_name, wildcards, why(record.reason), record.benchmark, seconds(Path(record.benchmark))
            )
        return record.levelno >= logging.WARNING

    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(note)
    try:
        snakemake(["--dry-run", "--nocolor", *arguments])
    except SystemExit as end:
        if end.code:
            raise
    finally:
        logger.removeFilter(note)
    return list(jobs.values())


def why(reason: str) -> str:
    """Snakemake's reason in few words."""
    known = next((words for sign, words in REASONS.items() if sign in reason), reason)
    if known != "settings changed":
        return known
    return next((words for words, alone in _ALONE.items() if alone.search(reason)), known)


def seconds(times: Path) -> float | None:
    """Wall-clock seconds in a job's benchmark file."""
    try:
        with times.open() as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, ValueError):  # never ran, or was cut off while it wrote
        return None


def estimate(jobs: Sequence[Job]) -> float | None:
    """Hours that jobs of one rule will take one after another; those that never ran take the mean of the rule's others.

    None where no job of the rule ever ran in this run.
    """
    known = [job.seconds for job in jobs if job.seconds is not None]
    if not known:
        stage = Path(*Path(jobs[0].times).parts[:4])  # results/<run>/times/<rule>, a folder where there are wildcards
        found = [seconds(path) for path in stage.rglob("*.tsv")] if stage.is_dir() else []
        known = [value for value in found if value is not None]
    return sum(known) / len(known) * len(jobs) / 3600 if known else None


def counted(jobs: Sequence[Job]) -> float | None:
    """Hours that jobs of one rule of a preset will take, counted beforehand; None where nobody has counted."""
    path = _ESTIMATES / f"{Path(jobs[0].times).parts[1]}.yaml"
    each = yaml.safe_load(path.read_text("utf-8")).get(jobs[0].rule) if path.is_file() else None
    return None if each is None else each * len(jobs)


def table(jobs: Sequence[Job]) -> str:
    """One line per rule, in the order of the first of its jobs."""
    if not jobs:
        return "Nothing to be done."
    rules: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        rules[job.rule].append(job)
    measured = {rule: estimate(some) for rule, some in rules.items()}
    guessed = {rule: counted(some) for rule, some in rules.items() if measured[rule] is None}
    width = max(map(len, [*rules, "in all"]))
    lines = [f"{'rule':<{width}}   jobs    hours  why"]
    for rule, some in rules.items():
        reasons = Counter(job.why for job in some).most_common()
        words = reasons[0][0] if len(reasons) == 1 else ", ".join(f"{words} ({count})" for words, count in reasons)
        cell = _hours(measured[rule]) or _hours(guessed[rule], "~")
        lines.append(f"{rule:<{width}}  {len(some):5,}  {cell:>7}  {words}")
    known = [value for value in (*measured.values(), *guessed.values()) if value is not None]
    some_guessed = any(value is not None for value in guessed.values())
    total = _hours(sum(known) if known else None, "~" if some_guessed else "")
    lines.append(f"{'in all':<{width}}  {len(jobs):5,}  {total:>7}  one after another, each as long as it took before")
    if some_guessed:
        lines.append("~: counted for one GPU of the A100's class, not measured (docs/cluster.md)")
    if unknown := [rule for rule, value in guessed.items() if value is None]:
        which = ", ".join(unknown) if known else "any rule"
        lines.append(f"no hours: not run yet in this run ({which})")
    return "\n".join(lines)


def _hours(value: float | None, mark: str = "") -> str:
    return "" if value is None else mark + (f"{value:.2f}" if value >= 0.1 else f"{value:.4f}")
