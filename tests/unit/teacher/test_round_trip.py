"""The round-trip error of the inversion: exact where the network is asked at each step, cheap and telling where not."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from styledistill import config
from styledistill.core.files import canonical_json
from styledistill.core.images import save_png
from styledistill.core.tensors import from_uint8, to_uint8
from styledistill.procedural.draw import draw
from styledistill.teacher import round_trip
from styledistill.teacher.engine import Teacher
from styledistill.teacher.load import load_teacher
from styledistill.teacher.pair_cache import PairStore
from styledistill.teacher.round_trip import RoundTrips

ROOT = Path(__file__).parents[3]
WEIGHTS = str(ROOT / "weights/tiny_teacher")
CPU = torch.device("cpu")


def teacher(**changes: Any) -> Teacher:
    return load_teacher(config.Teacher(**{"weights": WEIGHTS, "steps": 10, **changes}), CPU)


def images(count: int, size: int = 32) -> torch.Tensor:
    drawn = [draw(("scenes", "styles", "faces")[k % 3], 50 + k, size) for k in range(count)]
    return from_uint8(np.stack([np.asarray(image) for image in drawn]))


def in_full(engine: Teacher, inverted: Any) -> torch.Tensor:
    """The same error with a forward for each step, by the engine's own sampling."""
    own = [(row, row) for row in range(len(inverted.levels[0]))]
    return (engine.sample(inverted, inverted, own) - inverted.levels[0]).square().mean((1, 2, 3)).sqrt()


@pytest.mark.parametrize("convention", ["ldm", "diffusers"])
def test_asked_at_each_step_it_is_the_sampling_without_injection(convention, monkeypatch):
    engine = teacher(steps=4, convention=convention, injection=False, adain=False)
    inverted = engine.invert(engine.encode(images(2)), "content")
    full = in_full(engine, inverted)
    assert not torch.allclose(engine.round_trip(inverted), full, rtol=0.01)
    monkeypatch.setattr(round_trip, "STRIDE", 1)
    assert torch.allclose(engine.round_trip(replace(inverted, error=None)), full, rtol=1e-3)


def test_few_forwards_tell_which_images_come_back_worse():
    engine = teacher(injection=False, adain=False)
    inverted = engine.invert(engine.encode(images(24)), "content")
    before = engine.forwards
    cheap = engine.round_trip(inverted)
    assert engine.forwards - before == 2 * 24
    assert spearmanr(cheap, in_full(engine, inverted)).statistic > 0.6


def test_groups_cover_all_steps_and_are_a_tenth_of_them():
    for steps in (1, 2, 3, 10, 49, 50, 100):
        groups = round_trip.groups(steps)
        assert [k for first, last in groups for k in range(first, last)] == list(range(steps))
    assert [len(round_trip.groups(steps)) for steps in (1, 2, 10, 50, 100)] == [1, 2, 2, 5, 10]


def test_nothing_is_measured_unless_asked_and_images_are_the_same(tmp_path):
    contents, styles = images(2), images(3)[1:]
    engine = teacher(steps=3)
    plain = engine.stylize(contents, styles)
    unasked, engine.forwards = engine.forwards, 0
    measured = RoundTrips(PairStore(tmp_path, engine.key))
    assert torch.equal(engine.stylize(contents, styles, measured=measured), plain)
    assert engine.forwards == unasked + 4 * len(round_trip.groups(3))
    found = [measured.of(image) for image in to_uint8(torch.cat([contents, styles]))]
    assert all(0 < error < 5 for error in found)
    assert len(set(found)) == 3  # one image is a content and a style


def test_errors_outlive_the_job_as_pairs_do(tmp_path):
    engine = teacher(steps=2)
    store = PairStore(tmp_path, engine.key)
    first = RoundTrips(store)
    engine.stylize(images(1), images(2)[1:], store, measured=first)
    engine.forwards = 0
    again = RoundTrips(store)
    engine.stylize(images(1), images(2)[1:], store, measured=again)
    assert engine.forwards == 0
    image = to_uint8(images(1))[0]
    assert again.of(image) == first.of(image) > 0
    next(store.folder.rglob("*.round_trip.txt")).write_text("", "utf-8")
    assert math.isnan(RoundTrips().of(image))


def test_a_block_keeps_its_errors(tmp_path):
    for name, image in zip(("c00", "s00", "s01"), to_uint8(images(3)), strict=True):
        save_png(image, tmp_path / f"images/{name}.png")
    settings = config.Teacher(weights=WEIGHTS, steps=2).model_dump(mode="json")
    words = ["--images", "images", "--shape", "1", "2", "--teacher", canonical_json(settings), "--store", "store"]
    command = [sys.executable, str(ROOT / "src/steps/teach.py"), *words, "--device", "cpu", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/inversion.csv").open() as file:
        errors = {row["image"]: float(row["round_trip"]) for row in csv.DictReader(file)}
    assert list(errors) == ["c00", "s00", "s01"]
    assert all(0 < error < 5 for error in errors.values())
