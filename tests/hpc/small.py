"""A run with every rule of the smoke preset and as few jobs as that takes, and what two runs are compared by."""

from __future__ import annotations

from pathlib import Path

import yaml
from running import ROOT, SMOKE

# Seconds for a whole run on a machine that has other work to do; two minutes on an idle one.
PATIENCE = 1200
# The target of runs whose images and weights are compared.
IMAGES = ("--until", "render", "render_controls")
LOCAL = ("--cores", "2", "--configfile")


def small_config(folder: Path, **changes) -> Path:
    """The smoke preset with one block for training and one loss, written to `folder`/small.yaml, for a run there."""
    if not (folder / "weights").exists():
        (folder / "weights").symlink_to(ROOT / "weights")  # as in the repository's own folder: relative paths
    values = yaml.safe_load(SMOKE.read_text())
    values |= {"run": "small", "losses": {"mse": {"pixel": 1.0}}, "pairs": {"train": 9, "val": 6}}
    values["blocks"] |= {"train": 1}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}, sort_keys=False))
    return path


def made(run: Path, *parts: str) -> dict[str, bytes]:
    """Everything below `parts` (all, if none are named) that is promised to be equal bytes wherever it is made."""
    parts = parts or ("images", "teacher", "golden", "validation", "shards", "students")
    files = (path for part in parts for path in (run / part).rglob("*"))
    kinds = (".png", ".tar", ".safetensors")  # images, shards, weights
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(files) if path.suffix in kinds}
