"""Thousands of generated configurations: each is accepted, or refused with lines that name the key."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.plan import preflight

ROOT = Path(__file__).parents[2]
SHIPPED = [
    yaml.safe_load(path.read_text()) for path in (ROOT / "config.yaml", ROOT / "workflow" / "presets" / "smoke.yaml")
]

TEXTS = st.sampled_from(
    [
        "",
        "auto",
        "x",
        "../up",
        "a/b",
        "$(touch x)",
        "`id`",
        "a b",
        "ä",
        "\n",
        "seeded",
        "pretrain",
        "a\0b",
        "1e3",
        "null",
    ]
)
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


def refusal(values: dict) -> list[str]:
    """The lines with which a configuration is refused; none where it is accepted."""
    try:
        preflight.check(config.validate(values))
    except UserError as error:
        return str(error).splitlines() or [""]
    return []


def named(line: str, values: dict) -> bool:
    """Whether a line begins with a key that is a section, or one that the configuration has."""
    key = line.removeprefix("configuration: ").split(": ")[0].split(".")[0]
    return key in config.Config.model_fields or key in {str(top) for top in values}


@settings(max_examples=2500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, len(SHIPPED) - 1), CHANGES)
def test_a_generated_configuration_is_accepted_or_refused_by_key(base, changes):
    values = generated(base, changes)
    for line in refusal(values):
        assert named(line, values), line


def test_the_generator_makes_good_and_bad_ones():
    """Else the test above would say little."""
    cases = [generated(0, [(number, 3, "set")]) for number in range(300)]
    refused = sum(bool(refusal(case)) for case in cases)
    assert 50 < refused < 290
