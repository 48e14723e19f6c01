"""Which image belongs to which block: fixed windows over a random but lasting order. No image is in two splits.

A source's images are ordered by sha256(seed, id), so one image more or less shifts what stands behind it by one
place. Training block k owns the k-th window from the front, validation block k the k-th from the back, the golden set
the middle or the images named in the configuration. Where a source's images are not opened before they are taken,
each window ends with spares: a bad image is replaced from its own window, so no other block changes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..config import Blocks, BlockShape, Golden, Source
from ..core.errors import UserError
from . import names as called

SPLITS = ("train", "val")


class Member(NamedTuple):
    """One image of a block or of the golden set: its name there (c03, s05), role, source and id in the source."""

    name: str
    role: str
    source: str
    image: str


def order(images: Sequence[str], seed: int) -> list[str]:
    """The lasting random order of a source's images."""
    return sorted(images, key=lambda image: hashlib.sha256(f"{seed}/{image}".encode()).digest())


def shares(sources: Mapping[str, Source]) -> dict[str, float]:
    """Spares of each source that has some, as a part of the images taken."""
    return {name: source.spares for name, source in sources.items() if getattr(source, "spares", 0)}


def block_members(
    blocks: BlockShape, split: str, block: int, orders: dict[str, list[str]], shares: Mapping[str, float] = {}
) -> list[Member]:
    """Contents c00.. and styles s00.. of one block. Raises UserError when a source is too small for it."""
    windows = {source: iter(_window(blocks, split, block, source, orders[source], shares)) for source in _used(blocks)}
    counts = {"contents": blocks.contents, "styles": blocks.styles}
    return list(_numbered(counts, windows, called.BLOCK))


def block_spares(
    blocks: BlockShape, split: str, block: int, orders: dict[str, list[str]], shares: Mapping[str, float]
) -> dict[str, list[str]]:
    """What stands ready by source, should members of the block be bad."""
    return {
        source: _window(blocks, split, block, source, orders[source], shares)[_per_block(blocks, source) :]
        for source in _used(blocks)
    }


def golden_members(golden: Golden, orders: dict[str, list[str]], shares: Mapping[str, float] = {}) -> list[Member]:
    """Contents c0.. and styles s0.. of the golden set. Raises UserError for a name that the source lacks."""
    wanted: dict[str, list[str]] = {}
    for role in ("contents", "styles"):
        for source, choice in getattr(golden, role).items():
            wanted.setdefault(source, []).extend(_chosen(golden, role, source, choice, orders[source], shares))
    counts = {
        role: {s: c if isinstance(c, int) else len(c) for s, c in getattr(golden, role).items()}
        for role in ("contents", "styles")
    }
    images = {source: iter(chosen) for source, chosen in wanted.items()}
    return list(_numbered(counts, images, called.GOLDEN))


def golden_spares(golden: Golden, orders: dict[str, list[str]], shares: Mapping[str, float]) -> dict[str, list[str]]:
    """What stands ready by source, should counted images of the golden set be bad; those named have no spares."""
    found = {}
    for source in dict.fromkeys([*golden.contents, *golden.styles]):
        first, count, spare = _middle(golden, source, len(orders[source]), shares)
        found[source] = orders[source][max(0, first + count) : first + count + spare]
    return found


def _middle(golden: Golden, source: str, length: int, shares: Mapping[str, float]) -> tuple[int, int, int]:
    """Where the golden images of a source begin in its order, how many they are, and how many spares stand behind."""
    count = sum(choice for role in (golden.contents, golden.styles) if isinstance(choice := role.get(source, 0), int))
    # The golden set may be all that a source has.
    spare = max(0, min(math.ceil(count * shares.get(source, 0)), length - count))
    return (length - count - spare) // 2, count, spare


def _chosen(
    golden: Golden,
    role: str,
    source: str,
    choice: int | list[str],
    ordered: list[str],
    shares: Mapping[str, float],
) -> list[str]:
    if isinstance(choice, list):
        for name in choice:
            if name not in ordered:
                near = ", ".join(sorted(ordered)[:8])
                raise UserError(f"golden.{role}.{source}: no image named {name!r} in this source (it has {near}, ...)")
        return choice
    first, count, spare = _middle(golden, source, len(ordered), shares)
    if first < 0:
        raise UserError(f"golden.{role}.{source}: {count + spare} images needed, the source has {len(ordered)}")
    if role == "styles":
        first += count - choice
    return ordered[first : first + choice]


def taken(
    blocks: Blocks, golden: Golden, orders: dict[str, list[str]], shares: Mapping[str, float]
) -> dict[str, set[str]]:
    """All images that blocks and golden set may take, spares included, by source; of the sources in `orders` only."""
    found: dict[str, set[str]] = {source: set() for source in orders}
    for role in (golden.contents, golden.styles):
        for source, choice in role.items():
            if source in orders and isinstance(choice, list):
                found[source].update(choice)
    for source, ordered in orders.items():
        first, count, spare = _middle(golden, source, len(ordered), shares)
        found[source].update(ordered[max(0, first) : first + count + spare])
        if source in _used(blocks):
            for split in SPLITS:
                for block in range(getattr(blocks, split)):
                    found[source].update(_window(blocks, split, block, source, ordered, shares))
    return found


def check(
    blocks: Blocks,
    golden: Golden,
    orders: dict[str, list[str]],
    hashes: Mapping[tuple[str, str], str] | None = None,
    shares: Mapping[str, float] = {},
) -> None:
    """Raises UserError when windows meet: a source too small, a golden image that is also in a block or there twice.

    hashes: sha256 by (source, image), so that one file under two names is noticed; ids count where it is unknown.
    """
    owners: dict[object, str] = {}
    for split in SPLITS:
        for block in range(getattr(blocks, split)):
            owner = f"{split} block {block:04d}"
            members = block_members(blocks, split, block, orders, shares)
            for member in [*members, *_spare(block_spares(blocks, split, block, orders, shares), blocks)]:
                _own(owners, member, owner, "blocks", orders, hashes or {})
    spare = _spare(golden_spares(golden, orders, shares), golden)
    for member in [*golden_members(golden, orders, shares), *spare]:
        _own(owners, member, "the golden set", "golden", orders, hashes or {})


def _spare(images: dict[str, list[str]], section: BlockShape | Golden) -> Iterator[Member]:
    for source, names in images.items():
        role = "content" if source in section.contents else "style"
        yield from (Member("spare", role, source, name) for name in names)


def _own(
    owners: dict[object, str],
    member: Member,
    owner: str,
    section: str,
    orders: dict[str, list[str]],
    hashes: Mapping[tuple[str, str], str],
) -> None:
    def key(image: str) -> object:
        return hashes.get((member.source, image)) or (member.source, image)

    mine = key(member.image)
    if owners.get(mine) == owner:
        raise UserError(
            f"{section}.{member.role}s.{member.source}: {member.image} would be in {owner} twice. An image that is "
            f"named there must not be named again, nor lie in the middle of the source's order where {section} also "
            f"takes images of it by their number: take those by their names too."
        )
    if mine in owners:
        free = [image for image in orders[member.source] if key(image) not in owners]
        raise UserError(
            f"{section}.{member.role}s.{member.source}: {member.image} would be in {owners[mine]} and in {owner}. "
            f"Take fewer blocks or fewer images per block, or images that nothing else takes: "
            f"{', '.join(free[:5]) or 'none of the ' + str(len(orders[member.source])) + ' is free'}."
        )
    owners[mine] = owner


def _used(blocks: BlockShape) -> set[str]:
    return {*blocks.contents, *blocks.styles}


def _per_block(blocks: BlockShape, source: str) -> int:
    return blocks.contents.get(source, 0) + blocks.styles.get(source, 0)


def _window(
    blocks: BlockShape, split: str, block: int, source: str, ordered: list[str], shares: Mapping[str, float]
) -> list[str]:
    size = _per_block(blocks, source)
    size += math.ceil(size * shares.get(source, 0))
    if (block + 1) * size > len(ordered):
        raise UserError(
            f"sources.{source}: {len(ordered)} usable images, but {split} block {block:04d} needs "
            f"{(block + 1) * size}. Add images, or lower blocks.{split} or the number per block."
        )
    if split == "train":
        return ordered[block * size : (block + 1) * size]
    return ordered[len(ordered) - (block + 1) * size : len(ordered) - block * size]


def _numbered(counts: dict[str, dict[str, int]], images: dict[str, Iterator[str]], digits: int) -> Iterator[Member]:
    for role in ("content", "style"):
        sources = [source for source, count in counts[f"{role}s"].items() for _ in range(count)]
        for number, source in enumerate(sources):
            yield Member(called.name(role, number, digits), role, source, next(images[source]))
