"""Perceptual training: what it draws, and that a kill changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from styledistill.config import Networks
from styledistill.core.errors import UserError
from styledistill.embedded import train_students
from styledistill.perceptual import features
from styledistill.sources.crops import Group, crop
from styledistill.student import Student, practice
from styledistill.student.practice import PairsByChance, Practice, Recipe, moved, state_file, turned_colors

LITE = Networks(features="efficientnet_lite0")


def image(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> PairsByChance:
    monkeypatch.setattr(practice, "SAVE_STEPS", 2)
    monkeypatch.setattr(practice, "MEASURED_BATCHES", 1)
    return PairsByChance([Group([image(1)], 1.0)], [Group([image(2), image(3)], 1.0)], 0.5, seed=4)


def training(pairs: PairsByChance, states: Path, **recipe: float) -> Practice:
    how = Recipe(**{"steps": 4, "sizes": ((1.0, 2, 32),), "warm_up": 1, **recipe})
    network, lite = Student.create("tiny", 1, "micro").network, features(LITE)
    return Practice(network, lite, pairs, how, state_file(states, network, lite, pairs, how))


def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(pairs: PairsByChance, tmp_path: Path) -> None:
    whole = training(pairs, tmp_path / "whole")
    list(whole.run())
    assert next(training(pairs, tmp_path / "killed").run()) == 2  # and is left there
    again = training(pairs, tmp_path / "killed")
    assert again.step == 2
    list(again.run())
    for name, value in whole.parameters.items():
        assert torch.equal(value, again.parameters[name]) and torch.equal(whole.average[name], again.average[name])


def test_a_training_of_another_recipe_seed_or_image_has_a_state_of_its_own(
    pairs: PairsByChance, tmp_path: Path
) -> None:
    network, lite, recipe = Student.create("tiny", 1, "micro").network, features(LITE), Recipe(steps=4)
    other = [Group([image(9)], 1.0)]
    changed = [replace(pairs, seed=5), replace(pairs, contents=other), replace(pairs, styles=other)]
    paths = [state_file(tmp_path, network, lite, one, recipe).path for one in (pairs, *changed)]
    paths.append(state_file(tmp_path, network, lite, pairs, replace(recipe, clip=4.0)).path)
    assert len(set(paths)) == 5
    assert state_file(tmp_path, network, lite, pairs, Recipe(steps=4)).path == paths[0]


def test_a_damaged_state_is_told_and_begun_anew(
    pairs: PairsByChance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = training(pairs, tmp_path)
    assert next(one.run()) == 2
    saved = bytearray(one.state.path.read_bytes())
    saved[len(saved) // 2] ^= 1  # torch takes a damaged number for a number
    one.state.path.write_bytes(saved)
    assert training(pairs, tmp_path).step == 0
    assert "damaged" in capsys.readouterr().err


def test_it_trains_all_but_imagenets_features(pairs: PairsByChance, tmp_path: Path) -> None:
    one = training(pairs, tmp_path)
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    list(one.run())
    after = one.network.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in still if not name.startswith("style_encoder.features.")} == {
        "style_encoder.mean",
        "style_encoder.scale",
    }


def test_a_gradient_that_is_not_finite_names_the_step_and_saves_nothing(pairs: PairsByChance, tmp_path: Path) -> None:
    one = training(pairs, tmp_path)
    with torch.no_grad():
        one.network.out.bias[0] = float("nan")
    with pytest.raises(UserError, match=r"gradient of step 0 is not finite.*learning rate"):
        list(one.run())
    assert not one.state.path.exists()


def test_a_batch_is_a_function_of_its_step(pairs: PairsByChance) -> None:
    (content, style), (again, style_again) = pairs.batch(3, 2, 32), pairs.batch(3, 2, 32)
    assert torch.equal(content, again) and torch.equal(style, style_again)
    assert not torch.equal(content, pairs.batch(4, 2, 32)[0])
    assert content.shape == (2, 3, 32, 32) and content.min() >= 0 and content.max() <= 1


def test_groups_are_drawn_by_their_shares() -> None:
    black, white = np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)
    rng = np.random.default_rng(5)
    drawn = [crop(rng, [Group([black], 1.0), Group([white], 3.0)], 32).mean() == 255 for _ in range(400)]
    assert 0.68 < np.mean(drawn) < 0.82


def test_colors_turn_around_gray() -> None:
    gray = np.full((8, 8, 3), 128, np.uint8)
    for seed in range(8):
        turned = turned_colors(np.random.default_rng(seed), gray).astype(float)
        assert np.ptp(turned.reshape(-1, 3), axis=0).max() == 0  # one color stays one color
        assert abs(turned.mean() - 128) < 40


@pytest.mark.parametrize(("step", "down", "right"), [(0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1)])
def test_images_move_by_a_pixel(step: int, down: int, right: int) -> None:
    images: Tensor = torch.rand(1, 3, 6, 8)
    out = moved(images, step)
    assert out.shape == images.shape
    assert torch.equal(out[:, :, : 6 - down, : 8 - right], images[:, :, down:, right:])


def test_sizes_and_rates_follow_the_recipe() -> None:
    recipe = Recipe(steps=1000)
    assert [recipe.size(step) for step in (0, 699, 700, 999, 1000)] == [(4, 128)] * 2 + [(4, 160)] * 3
    assert recipe.rate(0) < recipe.rate(299) and recipe.rate(999) < 1e-4 < recipe.rate(500)


def test_weights_that_fp16_does_not_hold_are_not_exported(tmp_path: Path) -> None:
    student = Student.create("tiny", 1, "micro")
    with torch.no_grad():
        student.network.out.bias[0] = 1e5
    student.save(tmp_path / "micro")
    (tmp_path / "micro.csv").write_text("step\n")
    done = CliRunner().invoke(train_students.main, ["export", str(tmp_path), "micro", str(tmp_path / "out")])
    assert done.exit_code == 1 and "out.bias: not finite" in done.output
    assert not (tmp_path / "out").exists()
