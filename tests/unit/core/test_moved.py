"""An import of an old name says where the module went."""

import importlib
import importlib.util

import pytest

from styledistill.core.moved import MOVED


@pytest.mark.parametrize("old", sorted(set(MOVED) - {"styledistill.plan"}))
def test_the_new_place_is_there_and_the_old_is_not(old):
    with pytest.raises(ModuleNotFoundError, match="has moved"):
        importlib.import_module(old)
    for new in MOVED[old].split(" and "):
        assert importlib.util.find_spec(new) is not None


def test_every_way_to_import_says_it():
    with pytest.raises(ModuleNotFoundError, match=r"styledistill\.splits"):
        from styledistill.plan import windows  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=r"styledistill\.run\.watchdog now"):
        from styledistill.core import lifeline  # noqa: F401


def test_what_never_was_is_missed_as_ever():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'styledistill\.nothing'"):
        importlib.import_module("styledistill.nothing")
