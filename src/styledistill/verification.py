"""Whether a finished run is still what was made: its files against the hashes that were kept when they were made.

A hash is kept of every shard (in the split's manifest), of the crops and teacher pictures of each block (in its shard),
of students (in their records), of the pictures of stored pairs (in their names) and of downloaded weights (in their
stamps). None is kept of the golden set's pictures, of tables and figures: cheap to make again, and only looked at.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .config import Teacher
from .core.errors import BadPicture, UserError
from .core.files import read_json, sha256_bytes, sha256_file
from .core.images import open_rgb
from .shards.write import PICTURES


@dataclass(frozen=True)
class Fault:
    """A file that is not what was made. remake: what to ask Snakemake for; None: the file is only to be removed."""

    path: Path
    reason: str
    remake: Path | None


def verify(results: Path) -> Iterator[Fault]:
    """Faults of the run in `results` (results/<run>), each file once."""
    seen: set[Path] = set()
    for fault in _all(results):
        if fault.path not in seen:
            seen.add(fault.path)
            yield fault


def _all(results: Path) -> Iterator[Fault]:
    for manifest in sorted((results / "shards").glob("*.json")):
        if not manifest.name.endswith(".run.json"):
            yield from _split(results, manifest)
    for record in sorted(results.glob("students/*/*.run.json")):
        for name, digest in read_json(record).get("sha256", {}).items():
            yield from _hashed(record.with_name(name), digest, "not the student that was trained")
    for stamp in sorted((results / "weights").glob("*.json")):
        if not stamp.name.endswith(".run.json"):
            yield from _weights(results, stamp)
    yield from _golden(results)
    yield from _teacher(results)


# --- shards, and what was packed into them ------------------------------------------------------------------------


def _split(results: Path, manifest: Path) -> Iterator[Fault]:
    try:
        entries = read_json(manifest)["shards"]
    except (ValueError, KeyError):
        yield Fault(manifest, "cannot be read", manifest)
        return
    for entry in entries:
        shard = manifest.parent / entry["file"]
        bad = list(_hashed(shard, entry["sha256"], f"not the shard that {manifest} lists"))
        yield from bad or _packed(results, manifest, shard, entry["pairs"])


def _packed(results: Path, manifest: Path, shard: Path, listed: list[str]) -> Iterator[Fault]:
    """Crops and teacher pictures of a whole shard against the hashes in it; pairs that the manifest lists in vain."""
    with tarfile.open(shard) as tar:
        facts = {m.name.removesuffix(".json"): json.load(tar.extractfile(m)) for m in tar if m.name.endswith(".json")}
    for key in listed:
        if key not in facts:
            yield Fault(manifest, f"lists the pair {key}, which is not in {shard}", manifest)
    for key, known in facts.items():
        split, block, content, style = key.split("_")
        crops, teacher = results / "images" / split / block, results / "teacher" / split / block
        files = (crops / f"{content}.png", crops / f"{style}.png", teacher / f"{content}_{style}.png")
        for name, path in zip(PICTURES, files, strict=True):
            digest = known["sha256"][name.split(".")[0]]
            yield from _hashed(path, digest, f"not the picture that was packed into {shard}")


# --- the others ---------------------------------------------------------------------------------------------------


def _weights(results: Path, stamp: Path) -> Iterator[Fault]:
    known = read_json(stamp)
    path = results.parent.parent / "resources" / "weights" / known["file"]
    for fault in _hashed(path, known["sha256"], f"not the file that {stamp} describes"):
        yield Fault(path, f"{fault.reason}; remove it", stamp)


def _teacher(results: Path) -> Iterator[Fault]:
    """The teacher's weights, as they are loaded, against the hash in the data card."""
    # The shards name no path; the records of the jobs that made the pictures do.
    record, card = next(results.glob("teacher/train/*/teach.run.json"), None), results / "shards" / "README.md"
    if not (record and card.is_file()):
        return
    import torch

    from .teacher.load import load_teacher

    settings = Teacher.model_validate(read_json(record)["settings"])
    try:
        known = load_teacher(settings, torch.device("cpu")).key["weights"] in card.read_text()
        reason = "" if known else f"not the weights that {card} names"
    except UserError as error:
        reason = str(error)
    if reason:
        yield Fault(Path(settings.weights), f"{reason}; put them back as they were", None)


def _golden(results: Path) -> Iterator[Fault]:
    """No hash is kept of these: only whether they can be read."""
    for folder in (results / "images" / "golden", results / "golden", results / "validation"):
        for path in sorted(folder.rglob("*.png")):
            try:
                open_rgb(path)
            except BadPicture as error:
                # The pictures of a folder are one output.
                whole = path.parent if results / "validation" in path.parents else path
                yield Fault(path, str(error).removeprefix(f"{path}: "), whole)


def _hashed(path: Path, digest: str, reason: str) -> Iterator[Fault]:
    if not path.is_file():
        yield Fault(path, "missing", path)
    elif sha256_file(path) != digest:
        yield Fault(path, reason, path)


def stored_pairs(root: Path) -> Iterator[Fault]:
    """Damaged pictures of the store of finished pairs (resources/pairs); the teacher makes them again when asked."""
    for path in sorted(root.glob("*/*/*.*.png")):
        if sha256_bytes(path.read_bytes())[:32] != path.name.split(".")[1]:
            yield Fault(path, "not the picture that was stored", None)
