"""What the preprint claims about its students, and what this run has to say to each claim.

L1, L2 and L3 are the preprint's losses, found in a run by their terms, whatever their names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...config import FIXED_MODELS
from ...core.numbers import number
from .bootstrap import FEWEST, RESAMPLES
from .differences import TITLES, PairedScores
from .formats import Document
from .model import Column, Table, measured, words

LOSSES = {"L1": {"pixel": 1.0}, "L2": {"pixel": 0.5, "gram": 0.5}, "L3": {"pixel": 0.7, "gram": 0.3}}
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told"
SMALLER = 10  # times fewer parameters than the teacher


@dataclass(frozen=True)
class Comparison:
    """`measure` of loss `one` is below (-1) or above (+1) that of `other`: a loss, or the teacher."""

    one: str
    other: str
    measure: str
    sign: int


@dataclass(frozen=True)
class Claim:
    """A sentence that is true where all comparisons are."""

    text: str
    comparisons: tuple[Comparison, ...]


CLAIMS = (
    Claim(
        "L2 is less saturated in the style's colors than L1 and L3",
        tuple(Comparison("L2", other, "saturation", -1) for other in ("L1", "L3")),
    ),
    Claim(
        "L2 has more defects than L1 and L3",
        tuple(Comparison("L2", other, "teacher_artifacts", +1) for other in ("L1", "L3")),
    ),
    Claim("L1 is brighter than L3", (Comparison("L1", "L3", "brightness", +1),)),
    Claim(
        "The students keep more of the content's structure than the teacher",
        tuple(Comparison(loss, "teacher", "cfsd", -1) for loss in LOSSES),
    ),
)
SIZE = f"The students are {SMALLER} times smaller than the teacher"
# What is given of each student beside the comparisons, all against the teacher.
EVIDENCE = ("saturation", "brightness", "cfsd")


def answer(losses: dict[str, dict[str, float]], sets: dict[str, PairedScores], benchmark: pd.DataFrame) -> pd.DataFrame:
    """One row per claim, set and comparison: difference, low, high, its `verdict`, and the claim's `answer`.

    losses: of the configuration. benchmark: rows of tables/benchmark.csv. A comparison holds where its interval lies on
    the claimed side of 0, does not where it lies on the other, and cannot be told where it has 0 inside, where the set
    has too few images or where the run has no such loss. A claim holds where all of its comparisons do, and does not
    where one does not.
    """
    names = {
        label: next((n for n, terms in losses.items() if terms == wanted), None) for label, wanted in LOSSES.items()
    }
    rows = [row for name, scores in sets.items() for claim in CLAIMS for row in _compared(claim, name, scores, names)]
    rows += list(_sizes(losses, benchmark))
    order = [claim.text for claim in CLAIMS] + [SIZE]
    return pd.DataFrame(rows).sort_values("claim", key=lambda texts: texts.map(order.index), kind="stable")


def _compared(claim: Claim, name: str, scores: PairedScores, names: dict[str, str | None]) -> list[dict]:
    rows = []
    few = min(scores.contents, scores.styles) < FEWEST
    for comparison in claim.comparisons:
        one, other = (names.get(label, label) for label in (comparison.one, comparison.other))
        row = {"claim": claim.text, "set": name, "measure": comparison.measure, "networks": scores.networks}
        if one is None or other is None:
            missing = comparison.one if one is None else comparison.other
            nothing = dict.fromkeys(("difference", "low", "high"), float("nan"))
            rows.append(row | {"comparison": f"no {missing} in this run", **nothing, "verdict": OPEN})
            continue
        difference, low, high = scores.difference(one, other, comparison.measure)
        ends = sorted(comparison.sign * end for end in (low, high))
        verdict = OPEN if few else HOLDS if ends[0] > 0 else FAILS if ends[1] < 0 else OPEN
        row |= {"comparison": f"{one} − {other}", "difference": difference, "low": low, "high": high}
        rows.append(row | {"verdict": verdict})
    return [row | {"answer": _joined([row["verdict"] for row in rows])} for row in rows]


def _sizes(losses: dict[str, dict[str, float]], benchmark: pd.DataFrame) -> Iterator[dict]:
    parameters = benchmark.set_index("model")["parameters"].astype(float)
    of_teacher = parameters.get("teacher", float("nan"))  # unknown of a program from outside
    ratios = {loss: of_teacher / parameters[loss] for loss in losses}
    verdicts = {
        loss: OPEN if math.isnan(ratio) else HOLDS if ratio >= SMALLER else FAILS for loss, ratio in ratios.items()
    }
    for loss, ratio in ratios.items():
        row = {"claim": SIZE, "set": "", "measure": "parameters", "networks": "", "comparison": f"teacher / {loss}"}
        row |= {"difference": ratio, "low": float("nan"), "high": float("nan"), "verdict": verdicts[loss]}
        yield row | {"answer": _joined(list(verdicts.values()))}


def _joined(verdicts: list[str]) -> str:
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else OPEN


def evidence(losses: dict[str, dict[str, float]], sets: dict[str, PairedScores]) -> pd.DataFrame:
    """Each student, and each stylizer from outside, against the teacher: EVIDENCE and its artifacts, with intervals."""
    rows = []
    for name, scores in sets.items():
        for model in [*losses, *(other for other in scores.frames if other not in (*FIXED_MODELS, *losses))]:
            found = {measure: scores.difference(model, "teacher", measure) for measure in EVIDENCE}
            found["teacher_artifacts"] = scores.mean(model, "teacher_artifacts")
            rows.append({"model": model, "set": name, **found})
    return pd.DataFrame(rows)


# --- showing ------------------------------------------------------------------------------------------------------


def notes(table: pd.DataFrame) -> list[str]:
    """What a reader must know to read the answers, a paragraph each."""
    losses = (f"{label} = {' + '.join(f'{w:g} {t}' for t, w in terms.items())}" for label, terms in LOSSES.items())
    said = [
        f"L1, L2 and L3 are the losses of the preprint, by their terms: {'; '.join(losses)}.",
        "Means of the differences pair by pair with 95 % bootstrap intervals in brackets "
        f"({RESAMPLES} resamples of the contents and of the styles; each interval stands for itself). Holds: every "
        "interval lies on the claimed side of 0. Cannot be told: an interval has 0 inside, the set has fewer than "
        f"{FEWEST} contents or styles, or this run lacks a loss. Saturation and brightness are means over "
        "whole images: HSV's saturation, Rec. 601's luma. Size is counted in parameters.",
    ]
    if table["networks"].str.contains(r"(?:vgg19|efficientnet_lite0) seeded").any():
        said.append("CFSD looked through a network of seeded random weights: what it says of structure is a hint only.")
    return said


def document(table: pd.DataFrame, against: pd.DataFrame) -> Document:
    """The answers, and each student against the teacher. table: of `answer`; against: of `evidence`."""
    return Document(table, (answers_table(table), evidence_table(against)))


def answers_table(table: pd.DataFrame) -> Table:
    """One row per claim and set: claim, set, answer, evidence in words and numbers. table: of `answer`."""
    rows = [
        tuple(map(words, (claim, name or "all", found["answer"].iloc[0], "; ".join(map(_said, found.itertuples())))))
        for (claim, name), found in table.groupby(["claim", "set"], sort=False)
    ]
    titles = {"claim": "Claim of the preprint", "set": "Set", "answer": "Answer", "evidence": "Evidence"}
    columns = (Column(name, title, words=True) for name, title in titles.items())
    return Table(tuple(columns), tuple(rows), notes=tuple(notes(table)))


def _said(row: Any) -> str:
    if math.isnan(row.difference):
        return row.comparison
    what = f"{TITLES.get(row.measure, row.measure.capitalize())}, {row.comparison}: {number(row.difference)}"
    return what if math.isnan(row.low) else f"{what} [{number(row.low)}, {number(row.high)}]"


def evidence_table(against: pd.DataFrame) -> Table:
    """Each model of `evidence` minus the teacher, and its artifacts beyond the teacher. against: of `evidence`."""
    measures = [*EVIDENCE, "teacher_artifacts"]
    rows = [
        (words(row["model"]), words(row["set"]), *(measured(mean, ends) for mean, *ends in row[measures]))
        for _, row in against.iterrows()
    ]
    columns = [Column("model", "Model", words=True), Column("set", "Set", words=True)]
    columns += [Column(measure, TITLES[measure]) for measure in measures]
    said = ("Artifacts are given as they are.",)
    return Table(tuple(columns), tuple(rows), title="Minus the teacher", notes=said, group=1)
