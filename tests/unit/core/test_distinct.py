"""Equal things among many."""

from styledistill.core.distinct import distinct


def test_groups_are_numbered_by_their_first() -> None:
    assert distinct("abcab") == ([0, 1, 2], [0, 1, 2, 0, 1])
    assert distinct("") == ([], [])
