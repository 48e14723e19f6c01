"""How well images of blocks come back from their inversion: a line for each image, and a summary."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from . import tables

# Error beyond which an inversion has failed: scaled latents have a deviation of about 1, so a gray image is no farther.
LIMIT = 1.0
FILE = "inversion.csv"  # beside the teacher's images of a block


class Inversion(NamedTuple):
    """The round-trip error of an image (c03, s05), in units of scaled latents; not a number where unknown."""

    image: str
    round_trip: float


class SplitInversions(NamedTuple):
    """The round-trip errors of a split. worst: the image whose error is largest, as train_0007_c03."""

    split: str
    images: int
    measured: int
    median: float
    largest: float
    worst: str


def write(path: Path, inversions: Iterable[Inversion]) -> None:
    """Write the table of one block."""
    tables.write(path, Inversion._fields, [(row.image, f"{row.round_trip:.4g}") for row in inversions])


def failed(inversions: Iterable[Inversion], files: Mapping[str, Path]) -> list[str]:
    """A warning for each image that comes back with more than LIMIT. files: those of the images."""
    return [
        f"warning: the inversion of {files[image]} failed: the image comes back with an error of {error:.2f}, over "
        f"{LIMIT:g}. Look at its pairs, raise teacher.steps, or set pairs.keep.inversion_max."
        for image, error in inversions
        if error > LIMIT
    ]


def read(block: Path) -> dict[str, float]:
    """Image -> error, of the table in a block's folder of teacher images."""
    return {row.image: row.round_trip for row in tables.read(block / FILE, Inversion)}


def summaries(results: Path, splits: Sequence[str]) -> list[SplitInversions]:
    """One of each split that has such tables, below `<results>/teacher`."""
    found = []
    for split in splits:
        errors = {
            f"{split}_{path.parent.name}_{image}": error
            for path in sorted((results / "teacher" / split).glob(f"*/{FILE}"))
            for image, error in read(path.parent).items()
        }
        known = {image: error for image, error in errors.items() if math.isfinite(error)}
        if known:
            worst = max(known, key=known.__getitem__)
            found.append(SplitInversions(split, len(errors), len(known), median(known.values()), known[worst], worst))
    return found
