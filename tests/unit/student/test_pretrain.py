"""What pretraining asks the student to reproduce, and that it goes on where it was stopped."""

import os
import signal

import numpy as np
import pytest
import torch
from small_training import CPU, SMALL, equal, image, small_student

from styledistill import config
from styledistill.config import Networks, Pretrain
from styledistill.student.micro import Micro
from styledistill.student.model import Student
from styledistill.student.pretrain import Pools, Pretraining, as_known, pretrain
from styledistill.student.sttr import STTR, freeze_batch_norm, thaw_batch_norm
from styledistill.student.training import Interrupted, StateFile, make_accelerator

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_known_image_is_content_style_and_result():
    targets = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for images in as_known(targets, 0):
        assert torch.equal(images, targets)


def test_a_recolored_content_must_find_its_colors_in_the_style():
    generator = torch.Generator().manual_seed(2)
    targets = torch.rand(3, 3, 8, 8, generator=generator) * 0.2 + torch.tensor([0.2, 0.4, 0.6])[:, None, None, None]
    known = as_known(targets, 2)
    assert torch.equal(known.targets, targets)
    assert torch.equal(known.contents[2], targets[2]) and torch.equal(known.styles[2], targets[2])
    for number in (0, 1):  # the content's own structure, the next image's mean and deviation
        content, target, other = known.contents[number], targets[number], targets[number + 1]
        torch.testing.assert_close(content.mean((1, 2)), other.mean((1, 2)))
        torch.testing.assert_close(content.std((1, 2)), other.std((1, 2)))
        for channel in range(3):
            together = torch.stack([content[channel].flatten(), target[channel].flatten()])
            assert torch.corrcoef(together)[0, 1] > 0.999
        # The target's colors, but no pixel where the result needs it.
        assert torch.equal(known.styles[number], target.flip(1, 2))


def test_micro_pretrains_from_the_default_size(tmp_path):
    pool = np.random.default_rng(1).integers(256, size=(4, 32, 32, 3), dtype=np.uint8)
    settings = Pretrain(steps=2, batch=2, identity_batch=2, identity_weight=1.0)
    networks = Networks(features="efficientnet_lite0")
    size = config.Student(architecture="micro", start="pretrain").size
    student, rows = pretrain("micro", size, Pools(pool, pool, 32), settings, networks, 1, CPU, tmp_path)
    assert isinstance(student.network, Micro) and rows[-1]["step"] == 2
    student.save(tmp_path / "out")
    assert Student.from_pretrained(tmp_path / "out").facts["origin"] == "pretrain"


class LeavesAfterThree(Pools):
    """Pools whose third batch brings the cluster's warning."""

    def batch(self, seed, step, count, size):
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().batch(seed, step, count, size)


def test_a_pretraining_goes_on_where_it_was_stopped(tmp_path, vgg):
    pool = np.stack([image(number, 64) for number in range(6)])
    how = Pretrain(
        steps=5,
        batch=2,
        learning_rate=1e-3,
        learning_rate_backbone=1e-3,
        identity_weight=1,
        identity_batch=2,
        half_size=0.4,
    )

    def training(pools, folder):
        network = small_student().network
        thaw_batch_norm(network)
        accelerator = make_accelerator(CPU)
        return Pretraining(network, vgg, pools, how, 5, accelerator, StateFile(tmp_path / folder, {}))

    whole = training(Pools(pool, pool, 64), "whole")
    rows = whole.run()
    with pytest.raises(Interrupted) as left:
        training(LeavesAfterThree(pool, pool, 64), "stopped").run()
    assert left.value.code == 143
    resumed = training(Pools(pool, pool, 64), "stopped")
    assert resumed.step == 3
    assert resumed.run() == rows
    assert equal(resumed.network.state_dict(), whole.network.state_dict())
    freeze_batch_norm(resumed.network)
    assert resumed.network.state_dict().keys() == STTR(SMALL).state_dict().keys()


def test_without_pairs_a_pretraining_learns_to_reproduce(tmp_path):
    pool = np.stack([image(number, 64) for number in range(6)])
    how = Pretrain(
        steps=80,
        batch=0,
        identity_batch=4,
        identity_weight=1,
        learning_rate=3e-3,
        learning_rate_backbone=3e-3,
        clip=1,
        half_size=1,
    )
    network = small_student().network
    thaw_batch_norm(network)
    never = torch.nn.Module()  # no pair is stylized, so VGG19 is not asked
    rows = Pretraining(
        network, never, Pools(pool, pool, 64), how, 5, make_accelerator(CPU), StateFile(tmp_path, {})
    ).run()
    assert [(row["content"], row["style"]) for row in rows] == [(0, 0)] * 4
    assert rows[3]["identity"] < 0.8 * rows[0]["identity"]
