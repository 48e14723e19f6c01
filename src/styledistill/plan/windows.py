"""Which picture belongs to which block: fixed windows over a random but lasting order. No picture is in two splits.

A source's pictures are ordered by sha256(seed, id), so one picture more or less shifts what stands behind it by one
place. Training block k owns the k-th window from the front, validation block k the k-th from the back, the golden set
the middle or the pictures named in the configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..config import Blocks, BlockShape, Golden
from ..core.errors import UserError

SPLITS = ("train", "val")


class Member(NamedTuple):
    """One picture of a block or of the golden set: its name there (c03, s05), role, source and id in the source."""

    name: str
    role: str
    source: str
    picture: str


def order(pictures: Sequence[str], seed: int) -> list[str]:
    """The lasting random order of a source's pictures."""
    return sorted(pictures, key=lambda picture: hashlib.sha256(f"{seed}/{picture}".encode()).digest())


def block_members(blocks: BlockShape, split: str, block: int, orders: dict[str, list[str]]) -> list[Member]:
    """Contents c00.. and styles s00.. of one block. Raises UserError when a source is too small for it."""
    windows = {source: iter(_window(blocks, split, block, source, orders[source])) for source in _used(blocks)}
    return list(_named(blocks, windows, "c{:02d}", "s{:02d}"))


def golden_members(golden: Golden, orders: dict[str, list[str]]) -> list[Member]:
    """Contents c0.. and styles s0.. of the golden set. Raises UserError for a name that the source lacks."""
    wanted: dict[str, list[str]] = {}
    for role in ("contents", "styles"):
        for source, choice in getattr(golden, role).items():
            wanted.setdefault(source, []).extend(_chosen(golden, role, source, choice, orders[source]))
    counts = {
        role: {s: c if isinstance(c, int) else len(c) for s, c in getattr(golden, role).items()}
        for role in ("contents", "styles")
    }
    return list(_numbered(counts, {source: iter(names) for source, names in wanted.items()}, "c{}", "s{}"))


def _chosen(golden: Golden, role: str, source: str, choice: int | list[str], ordered: list[str]) -> list[str]:
    if isinstance(choice, list):
        for name in choice:
            if name not in ordered:
                near = ", ".join(sorted(ordered)[:8])
                raise UserError(
                    f"golden.{role}.{source}: no picture named {name!r} in this source (it has {near}, ...)"
                )
        return choice
    other = golden.contents.get(source, 0) if role == "styles" else golden.styles.get(source, 0)
    total = choice + (other if isinstance(other, int) else 0)
    first = (len(ordered) - total) // 2 + (total - choice if role == "styles" else 0)
    if first < 0:
        raise UserError(f"golden.{role}.{source}: {total} pictures asked for, the source has {len(ordered)}")
    return ordered[first : first + choice]


def check(
    blocks: Blocks,
    golden: Golden,
    orders: dict[str, list[str]],
    hashes: dict[tuple[str, str], str] | None = None,
) -> None:
    """Raises UserError when windows meet: a source too small, or a golden picture that is also in a block.

    hashes: sha256 by (source, picture), so that one file under two names is noticed; without it ids are compared.
    """
    owners: dict[object, str] = {}
    for split in SPLITS:
        for block in range(getattr(blocks, split)):
            for member in block_members(blocks, split, block, orders):
                _own(owners, member, f"{split} block {block:04d}", "blocks", orders, hashes)
    for member in golden_members(golden, orders):
        _own(owners, member, "the golden set", "golden", orders, hashes)


def _own(
    owners: dict[object, str],
    member: Member,
    owner: str,
    section: str,
    orders: dict[str, list[str]],
    hashes: dict[tuple[str, str], str] | None,
) -> None:
    def key(picture: str) -> object:
        return hashes[member.source, picture] if hashes else (member.source, picture)

    mine = key(member.picture)
    if mine in owners:
        free = [picture for picture in orders[member.source] if key(picture) not in owners]
        raise UserError(
            f"{section}.{member.role}s.{member.source}: {member.picture} would be in {owners[mine]} and in {owner}. "
            f"Take fewer blocks or fewer pictures per block, or pictures that nothing else takes: "
            f"{', '.join(free[:5]) or 'none of the ' + str(len(orders[member.source])) + ' is free'}."
        )
    owners[mine] = owner


def _used(blocks: BlockShape) -> set[str]:
    return {*blocks.contents, *blocks.styles}


def _per_block(blocks: BlockShape, source: str) -> int:
    return blocks.contents.get(source, 0) + blocks.styles.get(source, 0)


def _window(blocks: BlockShape, split: str, block: int, source: str, ordered: list[str]) -> list[str]:
    size = _per_block(blocks, source)
    if (block + 1) * size > len(ordered):
        raise UserError(
            f"sources.{source}: {len(ordered)} usable pictures, but {split} block {block:04d} needs "
            f"{(block + 1) * size}. Add pictures, or lower blocks.{split} or the number per block."
        )
    if split == "train":
        return ordered[block * size : (block + 1) * size]
    return ordered[len(ordered) - (block + 1) * size : len(ordered) - block * size]


def _named(blocks: Blocks, windows: dict[str, Iterator[str]], content: str, style: str) -> Iterator[Member]:
    return _numbered({"contents": blocks.contents, "styles": blocks.styles}, windows, content, style)


def _numbered(
    counts: dict[str, dict[str, int]], pictures: dict[str, Iterator[str]], content: str, style: str
) -> Iterator[Member]:
    for role, pattern in (("contents", content), ("styles", style)):
        number = 0
        for source, count in counts[role].items():
            for _ in range(count):
                yield Member(pattern.format(number), role.removesuffix("s"), source, next(pictures[source]))
                number += 1
