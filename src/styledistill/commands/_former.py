"""Where scripts went that stood in src/ and are no programs for people."""

from __future__ import annotations

from ..core.places import PROJECT

# Those of another name now. The others stand in src/steps/ under the name that they had.
RENAMED = {
    "ablation": "ablation_figure",
    "export": "export_onnx",
    "fetch": "select_block",
    "golden": "select_golden",
    "graphs": "trace_onnx",
    "score_models": "score",
}
_TINY_TEACHER = "train_tiny_teacher"
# Stood among the scripts as what they share.
_SHARED = {"command": "styledistill.run.cli", "scoring": "src/steps/scoring.py"}
# Stands in src/steps/ and is called by nobody.
_NO_PROGRAM = "styledistill"


def answer(name: str) -> str | None:
    """What is said to somebody who calls src/<name>.py; None where there was no such script."""
    if name in _SHARED:
        return f"{name} is no program: what scripts share is the module {_SHARED[name]} now. Import that (CHANGELOG.md)"
    if given := place(name):
        return f"{name} is no program for people: run `python {given}` (CHANGELOG.md)"
    return None


def place(name: str) -> str | None:
    """What Python is to be given in place of src/<name>.py; None where there was no such script."""
    if name == _TINY_TEACHER:
        return f"-m styledistill.embedded.{_TINY_TEACHER}"
    step = f"src/steps/{RENAMED.get(name, name)}.py"
    return step if name != _NO_PROGRAM and (PROJECT / step).is_file() else None
