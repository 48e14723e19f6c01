"""The student: its architectures, losses and trainings, and what makes files of it (ONNX, stylized images)."""

from typing import Any

__all__ = ["Student"]


def __getattr__(name: str) -> Any:
    """`Student`, imported on first use: losses and training need not load what it needs."""
    if name == "Student":
        from .model import Student

        return Student
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
