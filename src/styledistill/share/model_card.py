"""The model card of a student: a README.md in the form that the Hugging Face hub reads.

Made from the student's files and from what its run measured. No time, path or fact of the host stands in it but for
the device that costs were measured on, so equal students of equal runs have equal cards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..config import METHODS, method_of
from ..core.files import canonical_json, sha256_file
from ..core.images import upright_size
from ..report.tables.formats import Document, markdown
from ..report.tables.metrics import document, metrics_table
from ..report.tables.model import Column, Table, measured, words
from ..student.folders import WEIGHTS_FILE, facts_of
from .run_facts import RunFacts, readable

if TYPE_CHECKING:
    from huggingface_hub import DatasetCard

TEMPLATE = Path(__file__).with_name("model_card.md.j2")
LIBRARY = "styledistill"
_SETS = {"golden": "Golden pairs, seen by no training", "val": "Validation pairs, which chose the epoch"}
_COSTS = {
    "parameters": "Parameters",
    "megabytes": "Weights, MB",
    "seconds": "Seconds per image",
    "peak_memory_mb": "Peak memory, MB",
}
_VERSIONS = ("styledistill", "torch")
# Of the teacher's facts those that are settings; hashes stand in the text.
_HASHES = ("weights", "code", "encoders", "method")
_NAMELESS = "unknown"  # the hub's word for a license that nobody stated


def model_card(folder: Path, repo: str, run: RunFacts | None, license: str | None, graphs: Sequence[str]) -> str:
    """The text of the card of the student in `folder`.

    repo: its id on the hub (owner/name). run: None for a student of no run. license: the hub's word for that of the
    weights; None says `other`, or `unknown` where data state none. graphs: names of ONNX files in the repository.
    """
    from huggingface_hub import ModelCard, ModelCardData  # takes a second

    facts = dict(facts_of(folder))
    data = _data_card(run)
    method = method_of(run.teacher if run else {})
    license = license or _license(data)
    card = ModelCard.from_template(
        ModelCardData(
            license=license,
            library_name=LIBRARY,
            pipeline_tag="image-to-image",
            tags=[
                *("style-transfer", "knowledge-distillation"),
                *([method] if METHODS[method].on_a_model else []),
                *(["onnx"] if graphs else []),
            ],
        ),
        template_path=str(TEMPLATE),
        repo=repo,
        run=run,
        code=code,
        facts=facts,
        graphs=[name for name in graphs if name.count(".") == 1],
        smaller=[name for name in graphs if name.count(".") > 1],
        size=_trained_size(run),
        scores=_scores(run),
        notes=_notes(run),
        costs=_costs(run),
        recipe=_recipe(facts, run),
        method=METHODS[method],
        teacher=_table({key: value for key, value in (run.teacher if run else {}).items() if key not in _HASHES}),
        sources=_section(data.text, "Sources") if data else "",
        license=license,
        digest=sha256_file(folder / WEIGHTS_FILE),
    )
    return f"{card}\n"


# --- scores -----------------------------------------------------------------------------------------------------


def _scores(run: RunFacts | None) -> str:
    """A table a set, with a row for each measure: as many columns as models read better than as many as measures."""
    if run is None or run.scores is None:
        return ""
    tables = [
        replace(_turned(metrics_table(rows)), title=_SETS[name]) for name, rows in run.scores.groupby("set", sort=False)
    ]
    return re.sub("^## ", "### ", markdown(Document(run.scores, tuple(tables))), flags=re.M).strip()


def _turned(table: Table) -> Table:
    """Models across, measures down; the first three columns are model, set and number of pairs."""
    models = [Column(row[0].text, row[0].text) for row in table.rows]
    measures = [(column, [row[place] for row in table.rows]) for place, column in enumerate(table.columns)]
    arrows = {"min": " ↓", "max": " ↑", None: ""}
    rows = [
        (words(column.title + arrows[column.best]), *(replace(cell, mark="") for cell in cells))
        for column, cells in measures[3:]
        if any(cell.text != "–" for cell in cells)
    ]
    return Table((Column("measure", "Measure", words=True), *models), tuple(rows))


def _notes(run: RunFacts | None) -> list[str]:
    """What a reader must know of the scores, beside what the template says of all."""
    if run is None or run.scores is None:
        return []
    shown = document(run.scores, run.fid_minimum)
    _, *notes = shown.tables[0].notes  # the first says what is bold in the report
    return [*notes, *shown.notes]


def _costs(run: RunFacts | None) -> str:
    if run is None or run.costs is None:
        return ""
    costs = run.costs
    columns = [name for name in _COSTS if name in costs]
    with readable(run.folder / "tables" / "benchmark.csv"):
        rows = [
            (words(row["model"]), *(measured(float(row[name])) for name in columns), words(row.get("device", "")))
            for _, row in costs.iterrows()
        ]
    head = (Column("model", "Model", words=True), *(Column(name, _COSTS[name]) for name in columns))
    table = Table((*head, Column("device", "Device", words=True)), tuple(rows))
    return markdown(Document(costs, (table,))).strip()


# --- recipe and data --------------------------------------------------------------------------------------------


def _recipe(facts: Mapping[str, Any], run: RunFacts | None) -> str:
    rows = {"architecture": "sttr", **facts}  # students of before had one, and did not say so
    if run is not None:
        rows |= {f"pairs, {split}": count for split, count in run.pairs.items()}
        rows |= {"epochs": run.epochs} if run.epochs else {}
        rows |= {f"training, {name}": value for name, value in sorted(run.settings.items())}
        rows |= {f"version, {name}": run.versions[name] for name in _VERSIONS if name in run.versions}
    return _table(rows)


def _table(rows: Mapping[str, Any]) -> str:
    cells = tuple(
        (words(name), words(f"`{canonical_json(value)}`".replace("|", r"\|"))) for name, value in rows.items()
    )
    columns = Column("setting", "Setting", words=True), Column("value", "Value", words=True)
    return markdown(Document(pd.DataFrame(), (Table(columns, cells),))).strip()


def code(name: object) -> str:
    """A name as a code span of Markdown, on one line and closed whatever letters it has."""
    shown = " ".join(str(name).encode("utf-8", "backslashreplace").decode().split())
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _trained_size(run: RunFacts | None) -> int | None:
    """Side of the images that the student was trained on, by one of the golden set, which are as large."""
    crop = next(iter(sorted((run.folder / "images" / "golden").glob("*.png"))), None) if run else None
    size = upright_size(crop) if crop else None
    return size[0] if size else None


def _data_card(run: RunFacts | None) -> DatasetCard | None:
    """The card of the shards that the student was trained on; None where there is none."""
    from huggingface_hub import DatasetCard

    path = run.folder / "shards" / "README.md" if run else None
    if path is None or not path.is_file():
        return None
    with readable(path):
        return DatasetCard.load(path)


def _section(text: str, title: str) -> str:
    """What stands below a heading of a card, up to the next one."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found[1].strip() if found else ""


def _license(data: DatasetCard | None) -> str:
    """The data's license alone binds no weights, for the teacher's does too: `other`, unless nobody stated any."""
    return "other" if data and data.data.license not in (None, _NAMELESS) else _NAMELESS
