"""What a run says of one of its students: scores, costs, recipe, data. Read from the files that the report reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from yaml import YAMLError

from ..core.errors import UserError
from ..core.files import read_json, sha256_file
from ..splits.windows import SPLITS

# Beside the student itself, in the order of columns.
COMPARED = ("pretrained", "recolor", "teacher")


@dataclass(frozen=True)
class RunFacts:
    """folder: results/<run>. Parts that the run has not made yet are empty, or None.

    scores: of the student and of those COMPARED, as tables/metrics.csv has them. fid_minimum: pairs below which FID
    counts little. teacher: settings and hashes. pairs: by split. settings: of the training.
    """

    folder: Path
    student: str
    scores: pd.DataFrame | None
    fid_minimum: int
    costs: pd.DataFrame | None
    sheet: Path | None
    golden_sources: list[str]
    teacher: Mapping[str, Any]
    pairs: Mapping[str, int]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    epochs: int


def facts_of_run(student: Path) -> RunFacts | None:
    """The facts of the run that `student`, results/<run>/students/<loss>, belongs to; None for one of no run.

    Raises UserError where the student is not the one that its job wrote, for then scores would be another's.
    """
    student = student.absolute()
    results = student.parents[1]
    if student.parent.name != "students" or not (results / "shards").is_dir():
        return None
    record = _json(student / "distill.run.json")
    for job in sorted(student.rglob("*.run.json")):  # of the weights, and of the graphs made from them
        with readable(job):
            digests = dict(_json(job).get("sha256", {}))
        for name, digest in digests.items():
            path = job.parent / name
            if path.is_file() and sha256_file(path) != digest:
                advice = f"Run: python src/verify.py {results} --repair"
                raise UserError(f"{path}: not what its job wrote, so the run's scores are not its own. {advice}")
    manifests = {split: _json(results / "shards" / f"{split}.json") for split in SPLITS}
    scores = _rows(results / "tables" / "metrics.csv", student.name)
    sheet, golden = results / "figures" / "golden.png", results / "blocks" / "golden.csv"
    history = student / "history.csv"
    with readable(golden):
        golden_sources = sorted(pd.read_csv(golden)["source"].unique()) if golden.is_file() else []
    with readable(history):
        epochs = len(pd.read_csv(history)) if history.is_file() else 0
    return RunFacts(
        folder=results,
        student=student.name,
        scores=scores,
        fid_minimum=_json(results / "tables" / "metrics.run.json").get("settings", {}).get("fid_minimum", 0),
        costs=_rows(results / "tables" / "benchmark.csv", student.name),
        sheet=sheet if sheet.is_file() else None,
        golden_sources=golden_sources,
        teacher=manifests["train"].get("teacher", {}),
        pairs={split: manifest["pairs"] for split, manifest in manifests.items() if "pairs" in manifest},
        settings=record.get("settings", {}),
        versions=record.get("versions", {}),
        epochs=epochs,
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Around the reading of a run's file: one that is damaged, whatever is wrong in it, is a UserError."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, YAMLError) as error:
        raise UserError(f"{path}: cannot be read. Run: python src/verify.py on the run's folder.") from error


def _json(path: Path) -> dict[str, Any]:
    with readable(path):
        return dict(read_json(path)) if path.is_file() else {}


def _rows(path: Path, student: str) -> pd.DataFrame | None:
    """The rows of a table that are of the student and of those it is compared with, it first; None without them."""
    if not path.is_file():
        return None
    with readable(path):
        table = pd.read_csv(path)
    if "model" not in table or (path.stem == "metrics" and "fid" in table and "fid_grayed" not in table):
        raise UserError(f"{path}: written by another version. Run the workflow again: it makes the table anew.")
    models = list(dict.fromkeys([student, *COMPARED]))
    found = table[table["model"].isin(models)]
    if student not in set(found["model"]):
        return None
    return found.sort_values("model", key=lambda names: names.map(models.index), kind="stable")
