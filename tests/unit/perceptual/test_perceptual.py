"""Fixed networks of losses and metrics, with seeded weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import alexnet

from styledistill.config import Networks
from styledistill.core.errors import UserError
from styledistill.core.files import sha256_file
from styledistill.perceptual import (
    alexnet_features,
    denormalize,
    feature_maps,
    features,
    inception,
    label,
    lpips,
    normalize,
    vgg19_features,
)


def images(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_normalization_is_imagenets_and_has_an_inverse() -> None:
    x = images()
    assert normalize(x)[0, 1, 2, 3] == pytest.approx(float((x[0, 1, 2, 3] - 0.456) / 0.224), rel=1e-5)
    torch.testing.assert_close(denormalize(normalize(x)), x)


def test_seeded_vgg_keeps_its_variance_through_depth() -> None:
    network = vgg19_features("seeded", 1)
    assert len(network) == 37 and not network.training and not any(p.requires_grad for p in network.parameters())
    x, scale = normalize(images()), {}
    for index, layer in enumerate(network):
        x = layer(x)
        if index in (1, 11, 20, 29):
            scale[index] = float(x.square().mean().sqrt())
    assert all(0.1 < value < 10 for value in scale.values()), scale


def test_the_network_of_losses_ends_where_they_stop_looking() -> None:
    whole, cut = vgg19_features("seeded", 1), features(Networks(features="vgg19", vgg19="seeded", seed=1))
    assert sum(p.numel() for p in cut.parameters()) == 3_505_728  # of 20,024,384
    with torch.no_grad():
        for ours, theirs in zip(feature_maps(cut, images()), feature_maps(whole, images()), strict=True):
            assert torch.equal(ours, theirs)


def test_seed_decides_and_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (alexnet_features("seeded", seed)[0].weight for seed in (1, 1, 2))
    lpips("seeded", 1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_inception_gives_2048_numbers_an_image() -> None:
    with torch.no_grad():
        rows = inception("seeded", 1)(images(2, 40))
    assert rows.shape == (2, 64 + 2048) and rows.isfinite().all()
    assert not torch.allclose(rows[0], rows[1])


def test_lpips_is_a_distance_with_a_gradient() -> None:
    network = lpips("seeded", 1)
    x, y = images(), images().flip(3).requires_grad_(True)
    assert network(x, x).abs().max() == 0
    distance = network(x, y)
    assert distance.shape == (2,) and (distance > 0).all()
    distance.sum().backward()
    assert y.grad.abs().sum() > 0


def test_a_file_of_weights_is_loaded_and_named(tmp_path: Path) -> None:
    path = tmp_path / "trunk.pth"
    with torch.device("meta"):
        shapes = alexnet(weights=None).state_dict()
    torch.save({name: torch.tensor(0.25).expand(value.shape) for name, value in shapes.items()}, path)
    assert (alexnet_features(str(path), 1)[0].weight == 0.25).all()
    assert label("alexnet", str(path), 1) == f"trunk.pth {sha256_file(path)[:8]}"
    with pytest.raises(UserError, match=r"networks\.vgg19: .*trunk\.pth does not hold the weights of vgg19") as fault:
        vgg19_features(str(path), 1)
    assert "\n" not in str(fault.value)


def test_a_missing_file_is_one_line() -> None:
    with pytest.raises(UserError, match=r"networks\.alexnet: no file nowhere\.pth"):
        alexnet_features("nowhere.pth", 1)


def test_labels_say_which_weights_and_which_are_random() -> None:
    assert label("vgg19", "seeded", 7) == "seeded-7 (random)"
    assert label("vgg19", "download", 7) == "imagenet vgg19-dcbb9e9d"
    assert label("inception", "download", 7) == "fid inception-2015-12-05-6726825d"
