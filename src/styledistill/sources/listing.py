"""The data sets and weights that this program knows by name, as lines for a terminal."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from ..config import Source
from ..config.datasets import datasets, source_of
from ..core.progress import megabytes
from ..downloads import registry as weights
from .archive import Archives

_INDENT = " " * 32


def listing() -> str:
    """Every data set and weight file: name, size, what of it is here, use, license, citation, address."""
    return "\n".join(["Data sets:", *map(_lines, datasets()), "", "Weights:", weights.listing()])


def _lines(name: str) -> str:
    entry = datasets()[name]
    source = TypeAdapter(Source).validate_python(source_of(name))
    size = entry["source"].get("bytes")
    count = f"{entry['images']:,} images"
    head = f"{name:17} {count:>15}  {_state(source)}"
    known = "" if size is None else f", {megabytes(size)}"
    origin = f"by hand: {entry['by_hand']}" if "by_hand" in entry else _origin(entry["source"])
    lines = [f"{entry['purpose']}{known}", entry["license"], entry["citation"], origin]
    return "\n".join([head, *(_INDENT + line for line in lines)])


def _origin(source: dict[str, Any]) -> str:
    return source.get("address") or f"https://huggingface.co/datasets/{source['repo']}"


def _state(source: Source) -> str:
    if not source.remote:
        where = ", ".join(map(str, source.places))
        return f"here: {where}" if source.missing() is None else f"not here: belongs at {where}"
    count, size = Archives(source).store.count()
    return f"{count:,} images here ({megabytes(size)})" if count else "not here"
