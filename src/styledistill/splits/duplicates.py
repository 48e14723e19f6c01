"""Copies of one picture in two splits, found by their looks: recompressed, scaled, a little blurred or brighter.

A difference hash (which of two neighbouring grey pixels is brighter, in a 9 x 9 picture, along both axes: 128 bits)
finds those alike in shape; small colour pictures confirm them, since a hash of flat pictures says little. Measured on
40 photographs and paintings: copies differ in 1 bit (median; JPEG quality 30, a third of the size, blur of 2 pixels),
other pictures in 40 or more; drawn faces, which are alike by design, in 10 and by 26 levels of colour.
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
MOST_LEVELS = 16.0  # mean difference of the small colour pictures, of 255
_RANK = {"golden": 0, "val": 1, "train": 2}  # who keeps a picture that two have


class Shown(NamedTuple):
    """One crop of a split: where it stands (block "" in the golden set), what it is, and what it looks like."""

    split: str
    block: str
    name: str
    source: str
    picture: str
    bits: np.ndarray
    colours: np.ndarray


class Duplicate(NamedTuple):
    """A picture whose pairs no manifest may list, as a row of a table."""

    source: str
    picture: str
    reason: str
    split: str
    block: str
    name: str


def looks(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Difference hash, bool (128,), and colours, float32 (768,) in [0, 255], of an RGB picture."""
    grey = np.asarray(image.convert("L").resize((9, 9), Image.Resampling.LANCZOS), dtype=np.int16)
    across, down = grey[:-1, 1:] > grey[:-1, :-1], grey[1:, :-1] > grey[:-1, :-1]
    colours = np.asarray(image.resize((16, 16), Image.Resampling.BOX), dtype=np.float32)
    return np.concatenate([across.ravel(), down.ravel()]), colours.ravel()


def duplicates(pictures: Sequence[Shown]) -> list[Duplicate]:
    """Those of `pictures` that look like one of a split before theirs: golden set, then val, then train."""
    return [_left_out(one, other) for one, other in _alike(pictures)]


def refuse_new(pictures: Sequence[Shown], left_out: Collection[Duplicate], table: Path) -> None:
    """Raise UserError for a picture of a block that looks like a golden one and is not among those left out.

    It is none of the first run, whose manifests pass such pictures over. A golden set chosen later may not push pairs
    out of a training that is done unless its owner says so. table: the file with `left_out`.
    """
    known = {(one.split, one.block, one.name) for one in left_out}
    for one, other in _alike(pictures):
        if other.split == "golden" and (one.split, one.block, one.name) not in known:
            raise UserError(
                f"golden: {shown(other.picture)} of {other.source} looks like {shown(one.picture)} of {one.source}, "
                f"which is in {one.split} block {one.block}, and the students may have learnt from it. Choose another "
                f"golden picture, or remove {table}: the next run passes its pairs over, and trains anew."
            )


def _left_out(one: Shown, other: Shown) -> Duplicate:
    where = f"{other.split} block {other.block}" if other.block else "the golden set"
    reason = f"looks like {other.picture} of {other.source} in {where}; its pairs are replaced by later ones"
    return Duplicate(one.source, one.picture, reason, one.split, one.block, one.name)


def _alike(pictures: Sequence[Shown]) -> list[tuple[Shown, Shown]]:
    """Each picture that looks like one of a split before its own, and the first of those that it looks like."""
    found = []
    bits = np.array([one.bits for one in pictures])
    colours = np.array([one.colours for one in pictures])
    ranks = np.array([_RANK[one.split] for one in pictures])
    for number, one in enumerate(pictures):
        before = np.flatnonzero(ranks < ranks[number])
        near = before[(bits[before] != one.bits).sum(1) <= MOST_BITS]
        near = near[np.abs(colours[near] - one.colours).mean(1) <= MOST_LEVELS]
        if len(near):
            found.append((one, pictures[near[0]]))
    return found
