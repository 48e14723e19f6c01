"""The pairs that are rendered and scored, and where their images lie below `results/<run>/images`.

Two sets: `golden` (each golden content with each golden style) and `val` (the pairs of the validation manifest).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from ..core.files import read_json
from . import names as called


@dataclass(frozen=True)
class Pair:
    """A content and a style, and the names under which tables and image files know them."""

    set: str  # golden | val | block
    name: str  # c2_s4 | 0000_c03_s05; a model's image is <name>.png in its folder of the set
    content: str  # c2 | 0000_c03
    style: str  # s4 | 0000_s05
    content_file: Path
    style_file: Path


def golden_pairs(images: Path, contents: int, styles: int) -> list[Pair]:
    """Every golden content with every golden style, content by content."""
    folder = images / "golden"
    return _pairs("golden", folder, _every(contents, styles, called.GOLDEN))


def validation_pairs(images: Path, manifest: Path) -> list[Pair]:
    """The pairs that a manifest takes, in its order. Raises UserError for a key that is none."""
    return [_pair(images, manifest, key) for shard in read_json(manifest)["shards"] for key in shard["pairs"]]


def block_pairs(images: Path, contents: int, styles: int) -> list[Pair]:
    """Every content of one block (folder images/train/0007) with every style of it, named c03_s05 as the files are."""
    return _pairs("block", images, _every(contents, styles, called.BLOCK))


def pairs_of(images: Path, names: Iterable[str]) -> list[Pair]:
    """Some pairs of one block (folder images/train/0007), by their names c03_s05."""
    return _pairs("block", images, map(called.both, names))


def _every(contents: int, styles: int, digits: int) -> list[tuple[str, str]]:
    return called.paired(called.names("content", contents, digits), called.names("style", styles, digits), crossed=True)


def _pairs(kind: str, folder: Path, names: Iterable[tuple[str, str]]) -> list[Pair]:
    return [Pair(kind, called.pair(c, s), c, s, folder / f"{c}.png", folder / f"{s}.png") for c, s in names]


def _pair(images: Path, manifest: Path, key: str) -> Pair:
    found = called.read_key(key)
    if found is None:
        raise UserError(f'{manifest}: "{key}" is not the key of a pair (like val_0000_c03_s05): pack the split again')
    split, block, content, style = found
    folder = images / split / block
    return Pair(
        set="val",
        name=f"{block}_{called.pair(content, style)}",
        content=f"{block}_{content}",
        style=f"{block}_{style}",
        content_file=folder / f"{content}.png",
        style_file=folder / f"{style}.png",
    )
