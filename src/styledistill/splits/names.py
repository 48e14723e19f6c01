"""How contents, styles and their pairs are called, in files, tables and keys.

In a block `c03`, `s05` and `c03_s05`; in the golden set `c3`, `s5` and `c3_s5`; in a shard `train_0007_c03_s05`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple, TypeVar

T = TypeVar("T")

BLOCK, GOLDEN = 2, 1  # digits of a number, at the least
_LETTERS = {"content": "c", "style": "s"}
_KEY = re.compile(r"([a-z]+)_(\d{4})_(c\d+)_(s\d+)")


def name(role: str, number: int, digits: int) -> str:
    """A content or a style. role: content or style. digits: BLOCK or GOLDEN."""
    return f"{_LETTERS[role]}{number:0{digits}d}"


def names(role: str, count: int, digits: int) -> list[str]:
    """All contents or styles, from number 0 on."""
    return [name(role, number, digits) for number in range(count)]


def pair(content: str, style: str) -> str:
    """A content and a style."""
    return f"{content}_{style}"


def both(text: str) -> tuple[str, str]:
    """The content and the style of what `pair` made."""
    content, style = text.split("_")
    return content, style


def of_block(text: str) -> tuple[str, str]:
    """The block, and the pair in it, of a validation pair's name: 0007 and c03_s05 of 0007_c03_s05."""
    block, name = text.split("_", 1)
    return block, name


def paired(contents: Iterable[T], styles: Iterable[T], crossed: bool) -> list[tuple[T, T]]:
    """Each content with each style, content by content; not crossed: the n-th content with the n-th style."""
    return list(product(contents, styles) if crossed else zip(contents, styles, strict=True))


def grid(contents: Iterable[str], styles: Iterable[str], crossed: bool = True) -> list[str]:
    """The names of these pairs."""
    return [pair(content, style) for content, style in paired(contents, styles, crossed)]


def at_gamma(gamma: float) -> str:
    """The folder, in that of a block, of the teacher's images at a further gamma."""
    return f"gamma_{gamma}"


class Key(NamedTuple):
    """A pair of a shard: `<split>_<block>_<content>_<style>`."""

    split: str
    block: str
    content: str
    style: str

    def __str__(self) -> str:
        return "_".join(self)


def read_key(text: str) -> Key | None:
    """The parts of a key; None for what is none."""
    found = _KEY.fullmatch(text)
    return Key(*found.groups()) if found else None
