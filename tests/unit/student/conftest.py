"""A small start with pairs, the network of the feature losses, and one thread."""

import pytest
import torch
from small_training import written

from styledistill.perceptual import vgg19_features


@pytest.fixture(scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def vgg():
    return vgg19_features("seeded", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return written(tmp_path_factory.mktemp("data"), 32)


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    return written(tmp_path_factory.mktemp("larger"), 64)
