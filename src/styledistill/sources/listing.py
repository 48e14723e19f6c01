"""The data sets and weights that this program knows by name, as lines for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..config import ArchiveSource, FolderSource, HubSource, Source
from ..config.datasets import datasets, source_of
from ..core.progress import megabytes
from ..downloads import registry as weights
from .archive import Archives

_INDENT = " " * 32


def listing() -> str:
    """Every data set and weight file: name, size, what of it is here, use, licence, citation, address."""
    return "\n".join(["Data sets:", *map(_lines, datasets()), "", "Weights:", weights.listing()])


def _lines(name: str) -> str:
    entry = datasets()[name]
    source = TypeAdapter(Source).validate_python(source_of(name))
    size = entry["source"].get("bytes")
    count = f"{entry['pictures']:,} pictures"
    head = f"{name:17} {count:>15}  {_state(source)}"
    known = "" if size is None else f", {megabytes(size)}"
    origin = f"by hand: {entry['by_hand']}" if "by_hand" in entry else _origin(entry["source"])
    lines = [f"{entry['purpose']}{known}", entry["licence"], entry["citation"], origin]
    return "\n".join([head, *(_INDENT + line for line in lines)])


def _origin(source: dict[str, Any]) -> str:
    return source.get("address") or f"https://huggingface.co/datasets/{source['repo']}"


def _state(source: Source) -> str:
    if isinstance(source, FolderSource):
        return f"here, in {source.path}" if Path(source.path).is_dir() else f"not here: belongs in {source.path}"
    assert isinstance(source, ArchiveSource | HubSource)
    archives = Archives(source)
    if isinstance(source, ArchiveSource) and not source.address.startswith("http"):
        here = Path(source.address).is_file()
        return f"here, {source.address}" if here else f"not here: belongs at {source.address}"
    count, size = archives.store.count()
    return f"{count:,} pictures here ({megabytes(size)})" if count else "not here"
