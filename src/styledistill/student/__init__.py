"""The student: its architectures, losses and trainings, and what makes files of it (ONNX, stylized images).

`load` gives a student in the engine that suits: torch (`Student`) or onnxruntime (`OnnxStudent`).
"""

from importlib import import_module
from typing import Any

__all__ = ["OnnxStudent", "Student", "load"]


_MODULES = {"Student": "model", "OnnxStudent": "onnx_student", "load": "engines"}


def __getattr__(name: str) -> Any:
    """Each name is imported on first use: losses and training need not load what it needs, nor graphs torch."""
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
