"""The data sets of other people that a configuration can name; a new one is one entry in `datasets.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import UserError

REGISTRY = Path(__file__).with_name("datasets.yaml")


@cache
def datasets() -> dict[str, dict[str, Any]]:
    """All entries by name."""
    return yaml.safe_load(REGISTRY.read_text("utf-8"))


def source_of(name: str, **changes: Any) -> dict[str, Any]:
    """What a name stands for, as the settings of a source, its rights among them. Raises UserError."""
    if name not in datasets():
        raise UserError(f"no data set of the name {name!r}; there are {', '.join(datasets())}")
    entry = datasets()[name]
    return {**entry["source"], **changes, "license": entry["license"], "citation": entry["citation"]}


def by_hand(place: str) -> str:
    """How what belongs at `place` gets there, where it is a data set that nobody may fetch for the user; else ""."""
    for entry in datasets().values():
        source = entry["source"]
        if "by_hand" in entry and place in (source.get("path"), source.get("address")):
            return f" From: {entry['by_hand']}."
    return ""
