"""What jobs are called, as `running.planned` says it: a renamed rule, or one more, is changed here alone."""

from __future__ import annotations

LOSSES = ("mse", "gram50")  # of the smoke preset
FIXED = ("content", "style", "recolor", "teacher", "pretrained")  # models that no loss touches
CONTROLS = ("content", "style", "recolor")
SOURCES = ("scenes", "faces", "photographs", "paintings")
BLOCKS = ("train 0000", "train 0001", "val 0000")


def of(rule: str, *wildcards: str) -> set[str]:
    return {f"{rule} {each}" for each in wildcards}


def block(*blocks: str) -> set[str]:
    """What belongs to a block alone."""
    return of("select_block", *blocks) | of("crop", *blocks) | taught(*blocks)


def taught(*blocks: str) -> set[str]:
    """What follows from a block's crops."""
    return of("teach", *blocks) | of("pack", *blocks)


def scores(*models: str) -> set[str]:
    """One job scores all models that no loss touches."""
    return of("score", *(set(models) - set(FIXED))) | ({"score_fixed"} if set(models) & set(FIXED) else set())


def students(*losses: str) -> set[str]:
    return of("distill", *losses) | of("export_onnx", *losses) | of("render", *losses) | scores(*losses) | {"benchmark"}


def shown(*models: str) -> set[str]:
    """Images and scores of models."""
    controls = {"render_controls"} if set(models) & set(CONTROLS) else set()
    return of("render", *(set(models) - set(CONTROLS))) | controls | scores(*models)


MANIFESTS = of("manifest", "train", "val")
GOLDEN = {"select_golden", "crop_golden"}
DUPLICATES = {"duplicates", "duplicates_golden"}
SPLITS = {"splits"}  # and the job that waits for it, duplicates_golden
REPORT = {"figures", "report"}
TABLES = {"table", "compare", *REPORT}
DISTILLED = students(*LOSSES) | TABLES
TAUGHT = taught(*BLOCKS) | MANIFESTS | {"card"} | shown(*FIXED) | DISTILLED
ALL = of("index", *SOURCES) | block(*BLOCKS) | GOLDEN | DUPLICATES | SPLITS | {"trace_onnx"} | TAUGHT
