"""An import of an old name says where the module went."""

import importlib
import importlib.util

import pytest

from styledistill.core.moved import DEFINED, MOVED

# All modules of commit 89df96e: those of each package behind its name.
FORMER = {
    "": (
        "config core downloads evaluation fingerprint metrics occupied perceptual plan repair report shards "
        "sources student stylizers teacher verification"
    ),
    "core": "errors files images lifeline png progress record runtime tensors",
    "downloads": "addresses check content datasets fetch hub lock models needed ranges registry snapshots",
    "metrics": "alone cfsd cost fid folders picture score",
    "plan": "containers duplicates preflight protocol settled tables windows",
    "report": (
        "ablation cautions cells charts claims differences distances inline intervals layout page published "
        "records sheets summary tables"
    ),
    "shards": "card read write",
    "sources": (
        "archives buildings canvas closeups drawings drawn easel faces features fields figures formed hair "
        "heads indoors land light listing members outdoors paints palettes photographs plants pool registry "
        "scenes shapes store street styles tabletop"
    ),
    "student": "apply distill export launch losses model pairing precision pretrain sttr train",
    "teacher": "block ddim deviation injection load store styleid tiny",
}
NAMES = [f"styledistill.{package}.{name}".replace("..", ".") for package in FORMER for name in FORMER[package].split()]


@pytest.mark.parametrize("name", NAMES)
def test_every_module_of_that_commit_is_there_or_says_where_it_went(name):
    try:
        assert importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        assert "has moved" in str(error)


@pytest.mark.parametrize("package", DEFINED)
def test_a_package_says_where_its_names_went_that_a_module_had_before(package):
    for module, names in DEFINED[package].items():
        for name in names.split():
            assert hasattr(importlib.import_module(module), name)
            with pytest.raises(ModuleNotFoundError, match=rf"has moved: it is in {module} now"):
                exec(f"from {package} import {name}")


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
