"""Configurations with random changes: some good, most bad."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from styledistill import config

ROOT = Path(__file__).parents[3]
SHIPPED = [
    yaml.safe_load(path.read_text()) for path in (ROOT / "config.yaml", ROOT / "workflow" / "presets" / "smoke.yaml")
]

WORDS = ["", "auto", "x", "../up", "a/b", "$(touch x)", "`id`", "a b", "ä", "\n", "a\0b", "1e3", "null", "seeded"]
TEXTS = st.sampled_from(WORDS)
KEYS = st.sampled_from([*WORDS, *config.TERMS])
NUMBERS = st.sampled_from(
    [-1, 0, 1, 2, 3, 8, 64, 99, 4096, 10**6, 0.0, 0.5, 1.5, -0.1, 1e-9, 1e30, float("inf"), float("nan")]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)


def places(values: Any, above: tuple = ()) -> list[tuple]:
    """Paths of all keys and items below `values`."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [place for key, value in items for place in [(*above, key), *places(value, (*above, key))]]


def changed(values: dict, number: int, value: Any, how: str) -> dict:
    """`values` with one place set to `value`, removed, or given a further key."""
    values = copy.deepcopy(values)
    *above, last = random.Random(number).choice(places(values))
    inside = values
    for key in above:
        inside = inside[key]
    if how == "remove":
        del inside[last]
    elif how == "add" and isinstance(inside, dict):
        inside["another"] = value
    else:
        inside[last] = value
    return values


CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), VALUES, st.sampled_from(["set", "set", "set", "remove", "add"])),
    min_size=1,
    max_size=3,
)


def generated(base: int, changes: list[tuple]) -> dict:
    """A shipped configuration with some changes."""
    values = SHIPPED[base]
    for change in changes:
        if places(values):
            values = changed(values, *change)
    return values


def named(line: str, values: dict) -> bool:
    """Whether a line of a refusal begins with a key that is a section, or one that the configuration has."""
    key = line.removeprefix("configuration: ").split(": ")[0].split(".")[0]
    return key in config.Config.model_fields or key in {config.shown(top) for top in values}
