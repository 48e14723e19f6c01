"""Training: what decides the result, and what does not."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_training import CPU, SETTINGS, image, run, small_student, training

from styledistill.config import Distill, Networks
from styledistill.core.tensors import from_uint8
from styledistill.perceptual import IMAGENET_STD, denormalize, normalize
from styledistill.student.architectures import ARCHITECTURES
from styledistill.student.distill import distill
from styledistill.student.epochs import epoch_order, mirrored, with_identities
from styledistill.student.loading import MicroBatch
from styledistill.student.losses import distillation_terms
from styledistill.student.model import Student
from styledistill.student.schedules import Plateau, rate_factor
from styledistill.student.sttr import SIZES, STTR
from styledistill.student.training import NETWORK_MODULES, StateFile, parameter_groups, pieces, share_of, write_history

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_gradient_is_that_of_the_weighted_sum(data, tmp_path, vgg):
    weights = {"pixel": 0.7, "gram": 0.3, "tv": 0.1}
    new = training(data, tmp_path, weights, vgg, clip=1e9)
    reference = small_student().network.eval()
    pairs = torch.stack([new.train[number] for number in range(4)])
    new._advance([MicroBatch(pairs[:2]), MicroBatch(pairs[2:])], 4)

    content, style, target = pairs.unbind(1)
    images = denormalize(reference(normalize(content), normalize(style)))
    terms = distillation_terms(images, content, style, target, weights, new.loss)
    sum(weight * terms[name] for name, weight in weights.items()).backward()
    for (name, got), want in zip(new.network.named_parameters(), reference.parameters(), strict=True):
        scale = want.grad.abs().max() + 1e-8
        assert (got.grad - want.grad).abs().max() / scale < 1e-3, name
    assert new.sums["share_pixel"] + new.sums["share_gram"] + new.sums["share_tv"] == pytest.approx(1)


def test_matched_terms_pull_as_their_weights_say(data, tmp_path, vgg):
    new = training(data, tmp_path, {"pixel": 0.5, "gram": 0.5}, vgg, learning_rate=0, learning_rate_backbone=0)
    for number in range(0, 8, 4):
        new._advance([MicroBatch(torch.stack([new.train[n] for n in range(number, number + 4)]))], 4)
    assert new.sums["share_gram"] / 2 == pytest.approx(0.5, abs=0.1)
    assert new.gram_constant > 10


def test_the_constant_is_the_same_for_every_loss(data, tmp_path, vgg):
    constants = {
        training(data, tmp_path / str(pixel), {"pixel": pixel, "gram": 1 - pixel}, vgg).gram_constant
        for pixel in (0.5, 0.7)
    }
    assert len(constants) == 1


def test_the_split_of_a_batch_changes_nothing(data, tmp_path):
    whole = run(data, tmp_path, settings=SETTINGS.model_copy(update={"micro_batch": None, "max_epochs": 1}))
    parts = run(data, tmp_path, settings=SETTINGS.model_copy(update={"micro_batch": 1, "max_epochs": 1}))
    assert whole.rows[0]["val_loss"] == pytest.approx(parts.rows[0]["val_loss"], rel=1e-4)


def test_distillation_learns_keeps_the_best_and_leaves_statistics_alone(data, tmp_path):
    done = run(data, tmp_path, settings=SETTINGS.model_copy(update={"max_epochs": 8}))
    losses = [row["val_loss"] for row in done.rows]
    assert done.rows[-1]["train_loss"] < 0.9 * done.rows[0]["train_loss"]
    assert done.student.facts["epoch"] == 1 + losses.index(min(losses))
    start = Student.from_pretrained(data / "start").network.state_dict()
    statistics = [name for name in start if "running" in name]
    assert statistics
    assert all(torch.equal(start[name], done.last[name]) for name in statistics)
    moved = [name for name, value in start.items() if not torch.equal(value, done.last[name])]
    assert any(name.startswith("backbone_style") for name in moved)
    assert "tail.0.net.0.weight" in moved, "the affine part of the tail's batch norm trains"


def test_a_loss_of_pixels_needs_no_network(data, tmp_path):
    nowhere = Networks(vgg19="/nowhere/vgg.pth", alexnet="/nowhere/alex.pth", inception="/nowhere/fid.pth")
    settings = SETTINGS.model_copy(update={"max_epochs": 1})
    manifests = (data / "train.json", data / "val.json")
    distill(data / "start", manifests, {"pixel_l1": 1.0, "tv": 0.1}, settings, nowhere, 3, CPU, tmp_path)


def test_an_epoch_visits_every_pair_once_in_an_order_of_its_own():
    assert sorted(epoch_order(1, 1, 50)) == list(range(50))
    assert epoch_order(1, 1, 50) == epoch_order(1, 1, 50)
    assert epoch_order(1, 1, 50) != epoch_order(1, 2, 50) != epoch_order(2, 2, 50)


def test_mirroring_takes_the_three_images_of_a_pair_together():
    pairs = from_uint8(np.stack([image(number) for number in range(48)])).unflatten(0, (16, 3))
    turned = mirrored(pairs, list(range(16)), 1, 1)
    whole = [torch.equal(new, old.flip(-1)) for new, old in zip(turned, pairs, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(turned, pairs, strict=True)]
    assert all(one != other for one, other in zip(whole, same, strict=True))
    assert 3 < sum(whole) < 13
    # It hangs on the pair, not on its place in a batch.
    assert torch.equal(mirrored(pairs[[5]], [5], 1, 1)[0], turned[5])


def test_identities_have_their_style_as_content_and_target():
    pairs = from_uint8(np.stack([image(number) for number in range(48)])).unflatten(0, (16, 3))
    shown = with_identities(pairs, list(range(16)), 0.5, 1, 1)
    identities = [torch.equal(new, old[1].expand_as(old)) for new, old in zip(shown, pairs, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(shown, pairs, strict=True)]
    assert all(one != other for one, other in zip(identities, same, strict=True))
    assert 3 < sum(identities) < 13
    # It hangs on the pair, not on its place in a batch, nor on which are mirrored.
    assert torch.equal(with_identities(pairs[[5]], [5], 0.5, 1, 1)[0], shown[5])
    assert identities != [bool(np.random.default_rng([1, 1, number]).integers(2)) for number in range(16)]
    assert torch.equal(with_identities(pairs, list(range(16)), 0.0, 1, 1), pairs)


def test_identities_of_a_training_change_what_it_learns(data, tmp_path):
    outcomes = [
        run(data, tmp_path / str(share), settings=SETTINGS.model_copy(update={"max_epochs": 1, "identity": share}))
        for share in (0.0, 0.5)
    ]
    assert outcomes[0].rows[0]["train_loss"] != outcomes[1].rows[0]["train_loss"]


def plateau(losses, patience, stop_after):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    rule = Plateau(optimizer, Distill(factor=0.5, patience=patience, stop_after=stop_after))
    stops = []
    for loss in losses:
        rule.after_epoch(loss)
        stops.append(rule.stopped)
    return stops.index(True) + 1 if True in stops else None, optimizer.param_groups[0]["lr"]


def test_training_stops_after_a_reduction_that_brought_no_new_best():
    # Best in epoch 2, reduced after the third epoch without a new best (5), stopped 4 epochs later (9).
    assert plateau([2, 1, 1, 1, 1, 1, 1, 1, 1, 1], patience=2, stop_after=4) == (9, 0.25)
    # A new best in epoch 7 clears the count: reduced again in 10, stopped in 14.
    assert plateau([2, 1, 1, 1, 1, 1, 0.5, *[1] * 8], patience=2, stop_after=4)[0] == 14
    # Always better: no reduction, no stop.
    assert plateau([1 / n for n in range(1, 20)], patience=2, stop_after=4) == (None, 1.0)


def test_the_rate_warms_up_and_cools_down():
    factors = [rate_factor(step, 100) for step in range(100)]
    assert factors[:2] == [0.5, 1.0]
    assert factors[1:] == sorted(factors[1:], reverse=True)
    assert factors[-1] < 0.001


def test_a_cosine_lowers_both_rates_in_every_step_and_has_no_early_end(data, tmp_path):
    changes = {"schedule": "cosine", "learning_rate_backbone": 1e-4, "max_epochs": 6}
    rows = run(data, tmp_path, settings=SETTINGS.model_copy(update=changes)).rows
    lasts = [rate_factor(3 * epoch - 1, 18) for epoch in range(1, 7)]  # three batches of up to four of the ten pairs
    assert [row["rate"] for row in rows] == pytest.approx([1e-3 * factor for factor in lasts])
    assert [row["rate_backbone"] for row in rows] == pytest.approx([1e-4 * factor for factor in lasts])
    assert lasts == sorted(lasts, reverse=True)
    assert lasts[-1] < 0.01


def test_a_cosine_reads_no_rule_of_the_plateau():
    assert Distill(schedule="cosine", patience=2).schedule == "cosine"  # the default, as in a stored configuration
    with pytest.raises(ValidationError, match="patience: the schedule cosine does not read it"):
        Distill(schedule="cosine", patience=3)


def test_the_backbones_have_their_own_rate_and_the_authors_parameters_train():
    with torch.device("meta"):
        groups = parameter_groups(STTR(SIZES["full"]), 1e-4, 1e-5)
    counts = {group["lr"]: sum(parameter.numel() for parameter in group["params"]) for group in groups}
    assert counts == {1e-4: 45_197_827 - 24_444_928, 1e-5: 24_444_928}


def test_processes_share_a_batch_without_gap_or_overlap():
    class Rank:
        num_processes = 3

        def __init__(self, process_index):
            self.process_index = process_index

    shares = [share_of(list(range(8)), Rank(index)) for index in range(3)]
    assert sorted(number for share in shares for number in share) == list(range(8))
    assert pieces(shares[0], 2) == [[0, 3], [6]]


def test_equal_histories_are_equal_bytes(tmp_path):
    rows = [{"epoch": 1, "loss": 1 / 3}, {"epoch": 2, "loss": 2.0}]
    write_history(tmp_path / "history.csv", rows)
    assert (tmp_path / "history.csv").read_text() == "epoch,loss\n1,0.3333333\n2,2\n"


class Shown:
    """What a tracker was given."""

    def __init__(self):
        self.rows, self.grids = [], {}

    def row(self, row):
        self.rows.append(row)

    def images(self, epoch, grid):
        self.grids[epoch] = grid


def test_a_tracker_hears_the_rows_again_when_a_training_goes_on(data, tmp_path):
    first, again = Shown(), Shown()
    for epochs, tracker in ((1, first), (2, again)):
        state = tmp_path / "state"
        settings = SETTINGS.model_copy(update={"max_epochs": epochs})
        assert run(data, state, settings=settings, tracker=tracker).rows == tracker.rows
    assert [row["epoch"] for row in again.rows] == [1, 2]


def test_a_tracker_is_shown_validation_pairs_and_changes_no_bit_of_the_result(data, tmp_path):
    tracker = Shown()
    shown = run(data, tmp_path / "shown", tracker=tracker)
    alone = run(data, tmp_path / "alone")
    assert shown.rows == alone.rows
    assert all(torch.equal(weight, alone.last[name]) for name, weight in shown.last.items())
    assert sorted(tracker.grids) == [row["epoch"] for row in shown.rows]
    for grid in tracker.grids.values():
        assert grid.shape == (4 * 32, 4 * 32, 3)
        assert (grid[:32, :32] == image(100)).all() and (grid[32:64, 32:64] == image(1101)).all()
    teacher, student = (np.stack([grid[:, a:b] for grid in tracker.grids.values()]) for a, b in ((64, 96), (96, 128)))
    errors = np.square((student / 255.0 - teacher / 255.0) / IMAGENET_STD).mean((1, 2, 3)).tolist()
    assert errors == pytest.approx([row["val_pixel"] for row in shown.rows], rel=0.02)


def test_what_does_not_decide_the_result_does_not_change_its_key(data, tmp_path):
    for change in ({}, {"workers": 1}, {"gradient_checkpointing": True}, {"tracker": "wandb"}):
        run(data, tmp_path, settings=SETTINGS.model_copy(update={"max_epochs": 1, **change}))
    assert len(list(tmp_path.glob("*/state.pt"))) == 1


def test_only_the_main_process_writes_the_state(tmp_path):
    state = StateFile(tmp_path, {"seed": 1}, writes=False)
    state.save({"step": 7})
    assert not list(tmp_path.iterdir())
    StateFile(tmp_path, {"seed": 1}).save({"step": 8})
    assert state.load() == {"step": 8}


def test_the_state_belongs_to_what_decides_the_result(tmp_path):
    state = StateFile(tmp_path, {"seed": 1})
    state.save({"step": 7})
    assert StateFile(tmp_path, {"seed": 1}).load() == {"step": 7}
    assert StateFile(tmp_path, {"seed": 2}).load() is None


def test_the_key_says_what_decides(tmp_path):
    state = StateFile(tmp_path, {"seed": 1})
    assert json.loads((state.folder / "key.json").read_text()) == {"seed": 1}


def test_a_damaged_state_counts_as_none(tmp_path, capsys):
    """torch takes a flipped bit of a tensor for a number."""
    state = StateFile(tmp_path, {"seed": 1})
    state.save({"weight": torch.arange(1000.0)})
    assert torch.equal(state.load()["weight"], torch.arange(1000.0))
    data = bytearray(state.path.read_bytes())
    data[len(data) // 2] ^= 1
    state.path.write_bytes(data)
    assert state.load() is None
    assert "damaged" in capsys.readouterr().err
    state.path.write_bytes(data[:20])
    assert state.load() is None


def test_every_architecture_is_in_the_key_of_an_unfinished_training():
    modules = {kind.network.__module__ for kind in ARCHITECTURES.values()}
    assert modules <= set(NETWORK_MODULES) and len(modules) == len(ARCHITECTURES)
