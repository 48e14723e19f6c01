"""Equal things among many."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def distinct(keys: Iterable[Hashable]) -> tuple[list[int], list[int]]:
    """Index of the first of each group of equal keys, in order of appearance; and for each key its group's number."""
    number: dict[Hashable, int] = {}
    first, group_of = [], []
    for index, key in enumerate(keys):
        if key not in number:
            number[key] = len(number)
            first.append(index)
        group_of.append(number[key])
    return first, group_of
