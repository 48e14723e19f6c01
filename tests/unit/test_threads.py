"""How many threads compute changes no image by more than one level."""

from pathlib import Path

import numpy as np
import pytest
import torch

from styledistill.config import Teacher
from styledistill.core.tensors import to_uint8
from styledistill.metrics.stylizers import Wanted, load_stylizer

WEIGHTS = Path(__file__).parents[2] / "weights"
TEACHER = Teacher(weights=str(WEIGHTS / "tiny_teacher"), convention="diffusers", steps=4, gamma=0.4)
CPU = torch.device("cpu")


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["teacher", "pretrained"])
@torch.no_grad()
def test_one_and_two_threads_give_the_same_images(threads, name):
    numbers = torch.Generator().manual_seed(1)
    contents, styles = (
        torch.nn.functional.interpolate(torch.rand(4, 3, 8, 8, generator=numbers), 64) for _ in range(2)
    )
    images = []
    for count in (1, 2):
        threads(count)
        stylizer = load_stylizer(Wanted(name, CPU, WEIGHTS / "tiny_student", TEACHER))
        images.append(to_uint8(stylizer.stylize(contents, styles)).astype(int))
    assert np.abs(images[0] - images[1]).max() <= 1
    assert images[0].std() > 5
