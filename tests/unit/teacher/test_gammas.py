"""One teacher at several gammas: the same images and keys as one teacher each, from one inversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from styledistill import config
from styledistill.core.tensors import from_uint8, to_uint8
from styledistill.metrics.stylizers import load_teachers
from styledistill.procedural.draw import draw
from styledistill.teacher.engine import Teacher
from styledistill.teacher.load import load_teacher
from styledistill.teacher.pair_cache import PairStore

WEIGHTS = str(Path(__file__).parents[3] / "weights/tiny_teacher")
CPU = torch.device("cpu")
STEPS, GAMMAS = 3, [0.4, 0.1, 0.9]


def settings(**changes: Any) -> config.Teacher:
    return config.Teacher(**{"weights": WEIGHTS, "steps": STEPS, "features": "cache", **changes})


def block() -> tuple[torch.Tensor, torch.Tensor]:
    """Two contents with two styles each."""
    drawn = [np.asarray(draw(kind, number, 32)) for kind in ("scenes", "styles") for number in (1, 2)]
    contents, styles = from_uint8(np.stack(drawn)).chunk(2)
    return contents.repeat_interleave(2, 0), styles.repeat(2, 1, 1, 1)


def test_each_gamma_gives_the_images_and_the_key_of_a_teacher_of_its_own():
    first = load_teacher(settings(gamma=GAMMAS), CPU)
    made = []
    for gamma, engine in zip(GAMMAS, [first, *first.others()], strict=True):
        alone = load_teacher(settings(gamma=gamma), CPU)
        assert engine.key == alone.key
        made.append(engine.stylize(*block()))
        assert torch.equal(made[-1], alone.stylize(*block()))
    assert not torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_further_gammas_only_sample():
    first = load_teacher(settings(gamma=GAMMAS), CPU)
    first.stylize(*block())
    assert first.forwards == STEPS * (4 + 4)
    for engine in first.others():
        before = engine.forwards
        engine.stylize(*block())
        assert engine.forwards - before == STEPS * 4
    # Other images are inverted, and nothing of the former ones is taken for theirs.
    contents, styles = block()
    other = first.others()[0]
    again = other.stylize(contents.flip(-1), styles)
    assert not torch.equal(again, other.stylize(contents, styles))


def test_teachers_are_loaded_at_each_gamma_the_first_first():
    """And without a store; where gamma changes nothing there is one."""
    stylizers = load_teachers(settings(gamma=GAMMAS), CPU, None)
    assert [stylizer.facts["gamma"] for stylizer in stylizers] == GAMMAS
    for gamma, stylizer in zip(GAMMAS, stylizers, strict=True):
        assert torch.equal(stylizer.stylize(*block()), load_teacher(settings(gamma=gamma), CPU).stylize(*block()))
    assert [stylizer._teacher.forwards for stylizer in stylizers[1:]] == [STEPS * 4] * 2  # nothing inverted
    assert len(load_teachers(settings(), CPU, None)) == 1
    assert len(load_teachers(config.Teacher(method="images", gamma=GAMMAS), CPU, None)) == 1
    assert len(load_teachers(settings(gamma=GAMMAS, injection=False), CPU, None)) == 1


def test_one_gamma_keeps_no_inversion():
    engine: Teacher = load_teacher(settings(), CPU)
    engine.stylize(*block())
    assert not engine.others() and not engine._kept


def test_a_run_at_another_gamma_finds_its_pairs_finished_and_measured(tmp_path):
    stylizers = load_teachers(settings(gamma=GAMMAS), CPU, tmp_path, measure=True)
    images, *_ = (stylizer.stylize(*block()) for stylizer in stylizers)
    for gamma in GAMMAS:
        engine = load_teacher(settings(gamma=gamma), CPU)
        store = PairStore(tmp_path, engine.key)
        found = engine.stylize(*block(), store)
        assert engine.forwards == 0
        assert torch.equal(found, images) == (gamma == GAMMAS[0])
        assert all(store.round_trip(image) for both in block() for image in to_uint8(both))


@pytest.mark.parametrize("gamma", [[0.4], [0.4, 0.4], [0.4, 1.5]])
def test_a_list_names_different_gammas(gamma):
    with pytest.raises(ValidationError, match="gamma"):
        settings(gamma=gamma)
