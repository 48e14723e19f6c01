"""The configuration reference: generated, and with every key that a configuration may have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from styledistill import config
from styledistill.config.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
ROWS = reference().splitlines()
# At the top level: keys under whose entries, by name, sections stand.
NAMED = ("sources", "ablation", "compare_teachers", "stylizers")


def keys() -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    """Section, key, its schema, and whether it leads to a section of its own."""
    schema = config.json_schema()
    for name, section in [("", schema), *schema["$defs"].items()]:
        for key, one in section["properties"].items():
            yield name, key, one, key == "kind" or (not name and ("$ref" in one or key in NAMED))


def test_the_written_page_is_the_one_of_the_models():
    assert PAGE.read_text("utf-8") == reference(), (
        "run: PYTHONPATH=src python -m styledistill.config reference > docs/configuration.md"
    )


@pytest.mark.parametrize(("section", "key", "one", "leads"), keys(), ids=lambda value: str(value)[:30])
def test_every_key_has_a_row_with_its_meaning(section, key, one, leads):
    if leads:
        assert (f"### `kind: {one['const']}`" if key == "kind" else f"## `{key}`") in ROWS
        return
    assert one.get("description"), f"{section}.{key} has no description"
    assert any(
        line.startswith(f"| `{key}` | ") and line.endswith(f" | {' '.join(one['description'].split())} |")
        for line in ROWS
    )


def test_a_row_says_range_and_default():
    assert any(row.startswith("| `steps` | integer ≥ 2, ≤ 1000 | `50` | ") for row in ROWS)
    assert any(row.startswith("| `factor` | number > 0, < 1 | `0.5` | ") for row in ROWS)
    assert any(row.startswith("| `run` | ") and "| *required* |" in row for row in ROWS)
    assert any(row.startswith("| `losses` | `<name>`: each of `pixel`, ") for row in ROWS)
