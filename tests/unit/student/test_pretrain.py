"""What pretraining asks the student to reproduce."""

import numpy as np
import torch

from styledistill import config
from styledistill.config import Networks, Pretrain
from styledistill.student import Student
from styledistill.student.micro import Micro
from styledistill.student.pretrain import Pools, as_known, pretrain


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
    student, rows = pretrain("micro", size, Pools(pool, pool, 32), settings, networks, 1, torch.device("cpu"), tmp_path)
    assert isinstance(student.network, Micro) and rows[-1]["step"] == 2
    student.save(tmp_path / "out")
    assert Student.from_pretrained(tmp_path / "out").facts["origin"] == "pretrain"
