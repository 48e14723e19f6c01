"""The steps of a program that makes embedded weights, one after the other."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import UserError


def kept(path: Path, step: str) -> Path:
    """The path of what an earlier step has made. Raises UserError where it has not."""
    if not path.exists():
        raise UserError(f"{path}: not there yet; the step `{step}` makes it.")
    return path
