"""Sections of the configuration as text, which is how rules hand them to scripts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..core.files import canonical_json


def as_json(value: Any) -> str:
    """A section, a plain value, or a dictionary of either, as the one JSON text that scripts take."""
    return canonical_json(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.model_dump() if isinstance(value, BaseModel) else value
