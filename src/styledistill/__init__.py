"""StyleDistill's library: a package for each chapter of the workflow."""

from importlib import import_module
from typing import Any

from .core.moved import put_up

put_up()


def __getattr__(name: str) -> Any:
    """`Student`, imported on first use, and by name: no fingerprint of code follows it, for no job imports it here."""
    if name != "Student":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return import_module(".student", __name__).Student
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("students need torch, which is not installed: pip install 'styledistill[train]'") from None
