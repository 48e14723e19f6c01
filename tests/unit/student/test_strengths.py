"""Gamma as a student's strength: what is taught at several gammas is drawn at several strengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from styledistill.config import Distill, Networks
from styledistill.core.errors import UserError
from styledistill.core.files import read_json
from styledistill.core.images import encode_png
from styledistill.core.tensors import from_uint8
from styledistill.metrics.stylizers import AtStrength, Wanted, load_stylizer
from styledistill.perceptual import denormalize, normalize
from styledistill.shards.read import PairDataset
from styledistill.shards.write import Pair, write_manifest, write_shard
from styledistill.share.model_card import model_card
from styledistill.student import training
from styledistill.student.distill import Distillation, Distilled, distill
from styledistill.student.epochs import drawn_gammas
from styledistill.student.model import Student
from styledistill.student.strengths import strengths_of

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
GAMMAS = [0.8, 0.2]
COUNT = {"train": 8, "val": 4}


def content_of(seed: int) -> np.ndarray:
    """Dark and coarse, where styles are bright and fine: by codes alone a student must tell both apart."""
    return np.uint8(np.random.default_rng(seed).integers(0, 128, (4, 4, 3)).repeat(4, 0).repeat(4, 1))


def style_of(seed: int) -> np.ndarray:
    color = np.random.default_rng(seed).integers(160, 240, 3)
    return np.uint8(color + np.random.default_rng(seed).integers(-15, 15, (16, 16, 3)))


def written(folder: Path, gammas: list[float], student: Student) -> Path:
    """A start and pairs whose target is the content at gamma 1, the style's mean at 0, and between them a mixture."""
    facts = {"gammas": gammas} if gammas[1:] else {}
    for split, count in COUNT.items():
        pairs = []
        for number in range(count):
            content, style = content_of(number), style_of(number)
            flat = style.mean((0, 1))
            targets = [encode_png(np.uint8(gamma * content + (1 - gamma) * flat)) for gamma in gammas]
            images = encode_png(content), encode_png(style), targets[0]
            pairs.append(Pair(f"{split}_{number}", *images, {}, facts, tuple(targets[1:])))
        write_shard(folder / split / "0000.tar", pairs)
        write_manifest(folder / f"{split}.json", split, count, [folder / split / "0000.tar"])
    student.save(folder / "start")
    return folder


def taught(data: Path, state: Path, epochs: int, val: Path | None = None, **changes: object) -> Distilled:
    settings = Distill(batch=4, max_epochs=epochs, patience=epochs, learning_rate=2e-3, **changes)
    manifests = (data / "train.json", val or data / "val.json")
    networks = Networks(vgg19="seeded", alexnet="seeded", inception="seeded")
    return distill(data / "start", manifests, {"pixel": 1.0}, settings, networks, 3, CPU, state)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("gammas"), GAMMAS, Student.create("tiny", 1, "micro"))


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Distilled:
    return taught(data, tmp_path_factory.mktemp("state"), 24)


def test_strength_falls_as_gamma_rises_from_1_and_never_loses_the_style() -> None:
    assert strengths_of([0.4, 0.2, 0.8]) == [0.9, 1.0, 0.7]
    assert strengths_of([0.0, 1.0]) == [1.0, 0.5]
    assert strengths_of([]) == []


def test_each_strength_draws_what_was_taught_at_its_gamma(data: Path, done: Distilled) -> None:
    pairs = PairDataset(data / "train.json")
    errors = np.empty((2, 2))  # of a strength, to the targets at a gamma
    for row, strength in enumerate(strengths_of(GAMMAS)):
        for column in range(2):
            content, style, target = torch.stack([pairs[n, column] for n in range(len(pairs))]).unbind(1)
            errors[row, column] = float((done.student.stylize(content, style, strength) - target).square().mean())
    assert errors[0, 0] < 0.5 * errors[1, 0] and errors[1, 1] < 0.5 * errors[0, 1], errors


def test_the_student_says_which_strength_stands_for_which_gamma(done: Distilled, tmp_path: Path) -> None:
    done.student.save(tmp_path)
    assert read_json(tmp_path / "config.json")["strengths"] == [[0.8, 0.7], [0.2, 1.0]]
    card = model_card(tmp_path, "owner/name", None, None, [])
    assert "0.7 at gamma 0.8, 1.0 at gamma 0.2. Without, it draws at strength 1." in card


def test_a_run_scores_it_at_the_strength_of_its_first_gamma(done: Distilled, tmp_path: Path) -> None:
    done.student.save(tmp_path)
    content, style = (from_uint8(made(1)[None]) for made in (content_of, style_of))
    stylizer = load_stylizer(Wanted("mse", CPU, tmp_path))
    assert isinstance(stylizer, AtStrength)
    torch.testing.assert_close(stylizer.stylize(content, style), done.student.stylize(content, style, 0.7))


def test_pairs_at_other_gammas_validate_nothing(data: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other", [0.8, 0.4], Student.create("tiny", 1, "micro"))
    with pytest.raises(UserError, match="other gammas"):
        taught(data, tmp_path / "state", 1, val=other / "val.json")


def test_a_student_of_one_gamma_says_nothing_of_strengths(data: Path, done: Distilled, tmp_path: Path) -> None:
    """And so one that started from one of several."""
    written(tmp_path / "one", [0.2], done.student)
    again = taught(tmp_path / "one", tmp_path / "state", 1)
    assert "strengths" not in again.student.facts and "strengths" in done.student.facts
    again.student.save(tmp_path / "saved")
    assert isinstance(load_stylizer(Wanted("mse", CPU, tmp_path / "saved")), Student)


def test_a_stopped_training_goes_on_at_the_same_gammas(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = taught(data, tmp_path / "one", 2, flip=True, micro_batch=2)
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)  # after each step
    steps, advance = [], Distillation._advance

    def stopped(*arguments: Any) -> None:
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        advance(*arguments)

    monkeypatch.setattr(Distillation, "_advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        taught(data, tmp_path / "two", 2, flip=True, micro_batch=2)
    again = taught(data, tmp_path / "two", 2, flip=True, micro_batch=2)
    assert len(steps) == 5
    assert all(torch.equal(value, again.last[name]) for name, value in undisturbed.last.items())
    assert again.rows == undisturbed.rows and {"val_loss_0.8", "val_loss_0.2"} < set(again.rows[0])


def test_gammas_are_drawn_by_seed_epoch_and_pair_alone() -> None:
    numbers = list(range(600))
    drawn = drawn_gammas(numbers, 3, 1, 1)
    assert [drawn.count(number) for number in range(3)] == pytest.approx([200] * 3, abs=40)
    assert drawn_gammas(numbers[7:9], 3, 1, 1) == drawn[7:9]
    assert drawn_gammas(numbers, 3, 1, 2) != drawn != drawn_gammas(numbers, 3, 2, 1)
    flips = [int(np.random.default_rng([1, 1, number]).integers(3)) for number in numbers]
    assert drawn != flips, "not the numbers that mirror the pairs"


@pytest.mark.parametrize("architecture", ["micro", "sttr"])
def test_a_training_step_draws_as_the_student_does(architecture: str) -> None:
    """For each row at a strength of its own; at 1 as without any."""
    student = Student.create("tiny", 1, architecture)
    contents, styles = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1))

    def drawn(*strengths: float) -> Tensor:
        told = (torch.tensor(strengths),) if strengths else ()
        with torch.no_grad():
            return denormalize(student.network(normalize(contents), normalize(styles), *told)).clamp(0, 1)

    torch.testing.assert_close(drawn(1.0, 1.0), drawn())
    made = drawn(0.6, 0.9)
    first, second = (made - drawn(0.9, 0.9)).abs().amax((1, 2, 3)).tolist()
    assert first > 1e-3 and second == 0
    for row, strength in enumerate((0.6, 0.9)):
        alone = student.stylize(contents[row : row + 1], styles[row : row + 1], strength)
        torch.testing.assert_close(made[row : row + 1], alone, atol=1e-4, rtol=0)
