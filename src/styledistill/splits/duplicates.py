"""Copies of one image in two splits, found by their looks: recompressed, scaled, a little blurred or brighter.

A difference hash (which of two neighboring gray pixels is brighter, in a 9 x 9 image, along both axes: 128 bits)
finds those alike in shape; small color images confirm them, since a hash of flat images says little. Measured on
40 photographs and paintings: copies differ in 1 bit (median; JPEG quality 30, a third of the size, blur of 2 pixels),
other images in 40 or more; drawn faces, which are alike by design, in 10 and by 26 levels of color.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..core.errors import UserError
from .select import shown

MOST_BITS = 12  # of 128
MOST_LEVELS = 16.0  # mean difference of the small color images, of 255
_RANK = {"golden": 0, "val": 1, "train": 2}  # who keeps an image that two have


class Shown(NamedTuple):
    """One crop of a split: where it stands (block "" in the golden set), what it is, and what it looks like."""

    split: str
    block: str
    name: str
    source: str
    image: str
    bits: np.ndarray
    colors: np.ndarray


class Duplicate(NamedTuple):
    """An image whose pairs no manifest may list, as a row of a table."""

    source: str
    image: str
    reason: str
    split: str
    block: str
    name: str


def looks(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Difference hash, bool (128,), and colors, float32 (768,) in [0, 255], of an RGB image."""
    gray = np.asarray(image.convert("L").resize((9, 9), Image.Resampling.LANCZOS), dtype=np.int16)
    across, down = gray[:-1, 1:] > gray[:-1, :-1], gray[1:, :-1] > gray[:-1, :-1]
    colors = np.asarray(image.resize((16, 16), Image.Resampling.BOX), dtype=np.float32)
    return np.concatenate([across.ravel(), down.ravel()]), colors.ravel()


def duplicates(images: Sequence[Shown]) -> list[Duplicate]:
    """Those of `images` that look like one of a split before theirs: golden set, then val, then train."""
    return [_left_out(one, other) for one, other in _alike(images)]


def refuse_new(images: Sequence[Shown], left_out: Collection[Duplicate], table: Path) -> None:
    """Raise UserError for an image of a block that looks like a golden one and is not among those left out.

    It is none of the first run, whose manifests pass such images over. A golden set chosen later may not push pairs
    out of a training that is done unless its owner says so. table: the file with `left_out`.
    """
    known = {(one.split, one.block, one.name) for one in left_out}
    for one, other in _alike(images):
        if other.split == "golden" and (one.split, one.block, one.name) not in known:
            raise UserError(
                f"golden: {shown(other.image)} of {other.source} looks like {shown(one.image)} of {one.source}, "
                f"which is in {one.split} block {one.block}, and the students may have learned from it. Choose another "
                f"golden image, or remove {table}: the next run passes its pairs over, and trains anew."
            )


def _left_out(one: Shown, other: Shown) -> Duplicate:
    where = f"{other.split} block {other.block}" if other.block else "the golden set"
    reason = f"looks like {other.image} of {other.source} in {where}; its pairs are replaced by later ones"
    return Duplicate(one.source, one.image, reason, one.split, one.block, one.name)


def _alike(images: Sequence[Shown]) -> list[tuple[Shown, Shown]]:
    """Each image that looks like one of a split before its own, and the first of those that it looks like."""
    found = []
    bits = np.array([one.bits for one in images])
    colors = np.array([one.colors for one in images])
    ranks = np.array([_RANK[one.split] for one in images])
    for number, one in enumerate(images):
        before = np.flatnonzero(ranks < ranks[number])
        near = before[(bits[before] != one.bits).sum(1) <= MOST_BITS]
        near = near[np.abs(colors[near] - one.colors).mean(1) <= MOST_LEVELS]
        if len(near):
            found.append((one, images[near[0]]))
    return found
