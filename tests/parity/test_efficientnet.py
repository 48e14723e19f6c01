"""EfficientNet-Lite0's features equal those of the package that publishes its weights (fixture efficientnet_lite0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fill import seeded_image

from styledistill.perceptual import efficientnet_lite0
from styledistill.perceptual.efficientnet import CHANNELS

SIZES = {"even": (64, 96), "odd": (71, 50)}


@pytest.mark.parametrize("name", SIZES)
def test_every_depth(fixtures: Path, name: str) -> None:
    features = efficientnet_lite0("package", 0)(seeded_image(f"efficientnet/{name}", *SIZES[name]))
    assert tuple(feature.shape[1] for feature in features) == CHANNELS
    with np.load(fixtures / "efficientnet_lite0.npz") as arrays:
        for depth, feature in enumerate(features):
            theirs = torch.from_numpy(arrays[f"{name}_{depth}"])
            assert (feature[:, ::7] - theirs).norm() < 1e-5 * theirs.norm()


def test_fewer_depths_are_the_same_features() -> None:
    image = seeded_image("efficientnet/even", 64, 96)
    few, all_of_them = efficientnet_lite0("package", 0, 3)(image), efficientnet_lite0("package", 0)(image)
    assert len(few) == 3
    for one, other in zip(few, all_of_them, strict=False):
        assert torch.equal(one, other)
