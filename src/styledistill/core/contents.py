"""What a set of files holds, as one hash: whatever their place and time.

No torch here: the workflow itself imports this, in every job.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .files import canonical_json, sha256_bytes, sha256_file

_LARGE = 1 << 28  # bytes; hashing more takes longer than a parse of the workflow


def contents_hash(files: Mapping[str, Path]) -> str:
    """sha256 of the names and the bytes of files. Raises OSError for one that cannot be read."""
    return _hash([[name, sha256_file(path)] for name, path in sorted(files.items())])


def contents_mark(files: Mapping[str, Path]) -> str:
    """What decides whether files are the same: their hash; of many bytes names, sizes and times. Empty without files.

    For a parameter of a rule, which is made at every parse of the workflow.
    """
    if not files or not all(path.is_file() for path in files.values()):
        return ""
    facts = {name: path.stat() for name, path in sorted(files.items())}
    if sum(fact.st_size for fact in facts.values()) <= _LARGE:
        return f"contents {contents_hash(files)[:16]}"
    return f"files {_hash([[name, fact.st_size, fact.st_mtime_ns] for name, fact in facts.items()])[:16]}"


def _hash(facts: list[list[object]]) -> str:
    return sha256_bytes(canonical_json(facts).encode())
