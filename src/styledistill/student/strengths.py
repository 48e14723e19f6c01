"""Gamma as a student's strength: at which strength it learns, and then draws, what its teacher draws at a gamma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def strengths_of(gammas: Sequence[float]) -> list[float]:
    """The strength, in [0.5, 1], that stands for each gamma in [0, 1]; 1 for the least of them.

    Of StyleID's queries gamma is the content's share, and of a student's codes 1 - strength is, so the map falls, and
    is linear. It falls by half as much as gamma rises: at gamma 1 the teacher still takes keys, values and the start's
    statistics from the style, but a student at strength 0 knows nothing of it.
    """
    least = min(gammas, default=0.0)
    return [round(1 - (gamma - least) / 2, 6) for gamma in gammas]


def scored_strength(facts: Mapping[str, Any]) -> float:
    """The strength at which a student of these facts draws as its teacher at the first gamma; 1 of a teacher at one."""
    return next((strength for _, strength in facts.get("strengths", ())), 1.0)
