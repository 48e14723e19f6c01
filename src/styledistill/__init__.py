"""StyleDistill's library: a package for each chapter of the workflow."""

from importlib import import_module
from typing import Any

from .core.moved import put_up

put_up()


def __getattr__(name: str) -> Any:
    """On first use: `__version__`, and `Student`, that of torch where torch is installed, else that of onnxruntime.

    By name, so that no fingerprint of code follows it: no job imports it here.
    """
    if name == "__version__":
        return import_module(".core.provenance", __name__).own_version()
    if name != "Student":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    students = import_module(".student", __name__)
    try:
        return students.Student
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return students.OnnxStudent
