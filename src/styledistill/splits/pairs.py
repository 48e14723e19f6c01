"""The pairs that are rendered and scored, and where their pictures lie below `results/<run>/images`.

Two sets: `golden` (each golden content with each golden style) and `val` (the pairs of the validation manifest).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from ..core.files import read_json

_KEY = re.compile(r"(?P<split>[a-z]+)_(?P<block>\d{4})_(?P<content>c\d+)_(?P<style>s\d+)")


@dataclass(frozen=True)
class Pair:
    """A content and a style, and the names under which tables and picture files know them."""

    set: str  # golden | val | block
    name: str  # c2_s4 | 0000_c03_s05; a model's picture is <name>.png in its folder of the set
    content: str  # c2 | 0000_c03
    style: str  # s4 | 0000_s05
    content_file: Path
    style_file: Path


def golden_pairs(images: Path, contents: int, styles: int) -> list[Pair]:
    """Every golden content with every golden style, content by content."""
    folder = images / "golden"
    return [
        Pair("golden", f"c{c}_s{s}", f"c{c}", f"s{s}", folder / f"c{c}.png", folder / f"s{s}.png")
        for c in range(contents)
        for s in range(styles)
    ]


def validation_pairs(images: Path, manifest: Path) -> list[Pair]:
    """The pairs that a manifest takes, in its order. Raises UserError for a key that is none."""
    return [_pair(images, manifest, key) for shard in read_json(manifest)["shards"] for key in shard["pairs"]]


def block_pairs(images: Path, contents: int, styles: int) -> list[Pair]:
    """Every content of one block (folder images/train/0007) with every style of it, named c03_s05 as the files are."""
    return [
        Pair("block", f"{c}_{s}", c, s, images / f"{c}.png", images / f"{s}.png")
        for c in (f"c{number:02d}" for number in range(contents))
        for s in (f"s{number:02d}" for number in range(styles))
    ]


def _pair(images: Path, manifest: Path, key: str) -> Pair:
    found = _KEY.fullmatch(key)
    if not found:
        raise UserError(f'{manifest}: "{key}" is not the key of a pair (like val_0000_c03_s05): pack the split again')
    split, block, content, style = found.groups()
    folder = images / split / block
    return Pair(
        set="val",
        name=f"{block}_{content}_{style}",
        content=f"{block}_{content}",
        style=f"{block}_{style}",
        content_file=folder / f"{content}.png",
        style_file=folder / f"{style}.png",
    )
