"""Whether a finished run is still what was made: its files against the hashes that were kept when they were made.

A hash is kept of every file that a stage wrote into the run (in its `*.run.json`, which ends with a hash of itself), of
every shard (in its split's manifest too), of downloaded weights (in their stamps), of the teacher's weights (beside its
images) and of stored pairs (in their names). None is kept of logs and of Snakemake's own times: they are no results.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..config import Teacher
from ..core.errors import UserError
from ..core.files import read_json, sha256_bytes, sha256_file
from ..core.provenance import read_record
from .watchdog import LOCK

_NO_RESULTS = ("logs", "times")  # folders of a run
OF_A_FOLDER = ".snakemake_timestamp"  # the time of an output that is a folder, as Snakemake keeps it


@dataclass(frozen=True)
class Fault:
    """A file that is not what was made.

    remake: what to ask Snakemake for, if that helps; stage: that makes it; remove: whether to delete it first.
    """

    path: Path
    reason: str
    remake: Path | None = None
    stage: str = ""
    remove: bool = False


@dataclass(frozen=True)
class Made:
    """A file of a run as its stage left it."""

    path: Path
    sha256: str
    record: Path


def folder_of(results: Path) -> Path:
    """The folder that a run was made in: its resources lie there, and its configuration's paths begin there."""
    return results.absolute().parent.parent


class Run:
    """A run in its folder (results/<run>): what its records say, and what is there."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.folder = folder_of(results)
        self.records: dict[Path, dict[str, Any]] = {}
        self.unreadable: list[Path] = []
        for path in sorted(results.rglob("*.run.json")):
            try:
                self.records[path] = read_record(path)
            except ValueError:
                self.unreadable.append(path)
        # Two rules may have made one file, one after the other (convert, then pretrain): the later knows it.
        self.made = {
            made.path: made
            for path, record in sorted(self.records.items(), key=lambda item: item[1].get("started", ""))
            for made in _files(path, record)
        }

    @cached_property
    def unclaimed(self) -> list[Path]:
        """Files of the run that no readable record tells of."""
        return [
            path
            for path in sorted(self.results.rglob("*"))
            if path.is_file()
            and path not in self.made
            and path.relative_to(self.results).parts[0] not in (*_NO_RESULTS, LOCK)
            and not path.name.endswith(".run.json")
            and path.name != OF_A_FOLDER
        ]

    def output(self, path: Path) -> Path:
        """What Snakemake calls the output that a file is, or is part of: the images of a model are one folder."""
        images = self.results / "validation"
        return images / path.relative_to(images).parts[0] if images in path.parents else path

    def beside(self, record: Path) -> Path | None:
        """An output of the job that wrote an unreadable record: one near it that no other record tells of."""
        near = [path for path in self.unclaimed if record.parent in path.parents]
        return min(
            near, key=lambda path: (len(path.parts), path.name.split(".")[0] != record.name.split(".")[0]), default=None
        )


def _files(record: Path, facts: dict[str, Any]) -> Iterator[Made]:
    for name, digest in facts.get("sha256", {}).items():
        yield Made(Path(os.path.normpath(record.parent / name)), digest, record)


def verify(run: Run) -> Iterator[Fault]:
    """Faults of a run, each file once."""
    seen: set[Path] = set()
    for fault in _all(run):
        if fault.path not in seen:
            seen.add(fault.path)
            yield fault


def _all(run: Run) -> Iterator[Fault]:
    for record in run.unreadable:
        yield Fault(
            record,
            "not the record that was written, so its files cannot be checked",
            run.beside(record),
            record.name.split(".")[0],
        )
    damaged: set[Path] = set()
    for made in run.made.values():
        for fault in _hashed(made.path, made.sha256, f"not what {made.record} tells of"):
            damaged.add(made.path)
            yield Fault(fault.path, fault.reason, run.output(made.path), run.records[made.record]["stage"])
    # What has been found damaged is no witness against others.
    whole = [path for path in run.made if path not in damaged]
    for path in whole:
        if path.parent == run.results / "shards" and path.suffix == ".json":
            yield from _manifest(path, damaged)
        if path.parent == run.results / "weights" and path.name != "teacher.json":
            yield from _weights(run.folder, path)
    yield from _teacher(run, whole)


def _manifest(manifest: Path, damaged: set[Path]) -> Iterator[Fault]:
    """A manifest that lists shards as they were before they were made anew."""
    for entry in read_json(manifest)["shards"]:
        shard = manifest.parent / entry["file"]
        if shard not in damaged and list(_hashed(shard, entry["sha256"], "")):
            yield Fault(manifest, f"lists {shard} otherwise than it is", manifest, "manifest")


def _weights(folder: Path, stamp: Path) -> Iterator[Fault]:
    known = read_json(stamp)
    path = folder / "resources" / "weights" / known["file"]
    for fault in _hashed(path, known["sha256"], f"not the file that {stamp} describes"):
        yield Fault(path, fault.reason, stamp, "weights", remove=path.is_file())


def _teacher(run: Run, whole: list[Path]) -> Iterator[Fault]:
    """The teacher's weights, as they are loaded, against the hash beside its images."""
    for path, record in run.records.items():
        facts = path.with_name("teacher.json")
        if path.name != "teach.run.json" or facts not in whole:
            continue
        import torch

        from ..teacher.load import load_teacher

        settings = Teacher.model_validate(record["settings"])
        if not settings.on_a_model:
            return
        try:
            # As the run's jobs found it, wherever this was started.
            with contextlib.chdir(run.folder):
                known = load_teacher(settings, torch.device("cpu")).key["weights"]
            known = known == read_json(facts)["weights"]
            reason = "" if known else f"not the weights that {facts} names"
        except UserError as error:
            reason = str(error)
        if reason:
            yield Fault(Path(settings.weights), f"{reason}; put them back as they were")
        return


def _hashed(path: Path, digest: str, reason: str) -> Iterator[Fault]:
    if not path.is_file():
        yield Fault(path, "missing", path)
    elif sha256_file(path) != digest:
        yield Fault(path, reason, path)


def stored_pairs(root: Path) -> Iterator[Fault]:
    """Damaged images of the store of finished pairs (resources/pairs); the teacher makes them again when asked."""
    for path in sorted(root.glob("*/*/*.*.png")):
        if sha256_bytes(path.read_bytes())[:32] != path.name.split(".")[1]:
            yield Fault(path, "not the image that was stored", remove=True)
