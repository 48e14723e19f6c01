"""Memory and precision of a training: checkpoints of gradients, bfloat16, and losses that are scaled for float16."""

import pytest
import torch
from small_training import CPU, SETTINGS, run, training

from styledistill.core.errors import UserError
from styledistill.student.distances import gram
from styledistill.student.loading import MicroBatch
from styledistill.student.training import make_accelerator

pytestmark = pytest.mark.usefixtures("one_thread")


def kept_bytes(compute):
    """Bytes that a forward pass keeps for the backward pass."""
    kept = {}

    def pack(value):
        kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        result = compute()
    del result
    return sum(kept.values())


def test_gradient_checkpointing_keeps_less_and_gives_the_same_gradients(data, tmp_path):
    plain = training(data, tmp_path, {"pixel": 1.0}, clip=1e9)
    frugal = training(data, tmp_path, {"pixel": 1.0}, clip=1e9, gradient_checkpointing=True)
    pairs = torch.stack([plain.train[number] for number in range(4)])
    kept = [kept_bytes(lambda new=new: new._terms(MicroBatch(pairs))) for new in (plain, frugal)]
    assert kept[1] < 0.7 * kept[0]
    for new in (plain, frugal):
        new._advance([MicroBatch(pairs[:2]), MicroBatch(pairs[2:])], 4)
    assert frugal.network.state_dict().keys() == plain.network.state_dict().keys()
    for (name, got), want in zip(frugal.network.named_parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(got.grad, want.grad), name


def test_bfloat16_trains_on_a_cpu_and_stays_near_float32(larger, tmp_path):
    whole, half = (
        run(larger, tmp_path, settings=SETTINGS.model_copy(update={"max_epochs": 6, "dtype": dtype})).rows
        for dtype in ("float32", "bfloat16")
    )
    assert half != whole
    assert half[-1]["train_loss"] < 0.9 * half[0]["train_loss"]
    for row, exact in zip(half, whole, strict=True):
        assert row["val_loss"] == pytest.approx(exact["val_loss"], rel=0.02)


def test_float16_needs_a_gpu():
    with pytest.raises(UserError, match="float16 trains on a GPU only"):
        make_accelerator(CPU, "float16")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("per_image", [True, False])
def test_gradients_of_gram_matrices_are_those_of_the_plain_product(layout, per_image):
    random = torch.Generator().manual_seed(3)
    made = torch.rand(2, 3, 4, 5, generator=random, dtype=torch.double).to(memory_format=layout)
    pull = torch.rand(2, 3, 3, generator=random) if per_image else torch.rand(6, 6, generator=random)
    features = made.clone(memory_format=torch.preserve_format).requires_grad_(True)
    (gram(features, "hw", per_image) * pull).sum().backward()
    plain = made.clone().requires_grad_(True)
    rows = plain.flatten(2) if per_image else plain.reshape(6, 20)
    (rows @ rows.mT / (20 if per_image else 40) * pull).sum().backward()
    torch.testing.assert_close(features.grad, plain.grad)


def test_gram_matrices_are_finite_in_half_precision():
    features = torch.full((1, 2, 256, 256), 3.0, dtype=torch.float16)
    with torch.autocast("cpu", torch.float16):
        assert gram(features, "hw").tolist() == [[[9.0, 9.0], [9.0, 9.0]]]


def scaled(data, tmp_path, **changes):
    """A training whose losses are scaled as those of float16 are."""
    accelerator = make_accelerator(CPU)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**4, growth_interval=2)
    return training(data, tmp_path, {"pixel": 1.0}, accelerator=accelerator, **changes)


def test_a_scaled_training_goes_on_with_its_scale(data, tmp_path):
    new = scaled(data, tmp_path)
    for _ in range(3):
        new._advance([MicroBatch(new.train[0][None])], 1)
    new.state.save(new._snapshot())
    assert new.accelerator.scaler.get_scale() == 2.0**5
    assert scaled(data, tmp_path).accelerator.scaler.get_scale() == 2.0**5


def test_a_gradient_that_stays_infinite_ends_the_training(data, tmp_path):
    new = scaled(data, tmp_path)
    with torch.no_grad():
        new.network.tail[11].bias.fill_(float("inf"))
    with pytest.raises(UserError, match="gradient is not finite"):
        for _ in range(10):
            new._advance([MicroBatch(new.train[0][None])], 1)
    assert new.accelerator.scaler.get_scale() < 1
