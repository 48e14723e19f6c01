"""CFSD and the Frechet distance against the authors' programs (fixtures `metrics`); Frechet against pytorch-fid too."""

import json
import math
import zlib

import numpy as np
import pytest
import torch
from torchvision.models import vgg19

from styledistill.metrics.cfsd import cfsd
from styledistill.metrics.fid import artfid, frechet_distance
from styledistill.perceptual import normalize

RELU3_1 = 11


@pytest.fixture(scope="module")
def reference(fixtures):
    return json.loads((fixtures / "metrics.json").read_text()), np.load(fixtures / "metrics.npz")


def filled(key, shape, gain):
    """Rule fill-v1 of the fixtures for weights and biases."""
    raw = np.random.Philox(zlib.crc32(key.encode())).random_raw(math.prod(shape))
    z = (2 * ((raw >> 11) * 2.0**-53) - 1) * math.sqrt(3)
    scale = gain / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.02
    return torch.from_numpy((z.reshape(shape) * scale).astype(np.float32))


def filled_vgg(gain):
    with torch.device("meta"):
        layers = vgg19().features[: RELU3_1 + 1]
    weights = {name: filled(f"features.{name}", p.shape, gain) for name, p in layers.named_parameters()}
    layers.load_state_dict(weights, assign=True)
    return layers.requires_grad_(False)


@pytest.fixture(scope="module")
def vgg():
    return filled_vgg(2.5)


def features(vgg, array):
    return vgg(normalize(torch.from_numpy(array)))


def test_features_equal_the_stored_ones(vgg, reference):
    _, arrays = reference
    found = features(vgg, arrays["cfsd_stylized_64"]).numpy()
    np.testing.assert_allclose(found, arrays["cfsd_feat_stylized_64_gain2.500"], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.parametrize("swapped", [False, True])
def test_cfsd_equals_the_authors(vgg, reference, size, swapped):
    facts, arrays = reference
    images = [features(vgg, arrays[f"cfsd_{role}_{size}"]) for role in ("stylized", "content")]
    name = "PatchSimi(content, stylized)" if swapped else "PatchSimi(stylized, content)"
    expected = facts["cfsd"]["gain 2.500000"][str(size)][name]
    found = cfsd(*(reversed(images) if swapped else images))
    assert found.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("size", [64, 96])
def test_cfsd_resolves_a_flat_softmax_as_float64_does(reference, size):
    facts, arrays = reference
    flat = filled_vgg(math.sqrt(2))
    stylized, content = (features(flat, arrays[f"cfsd_{role}_{size}"]) for role in ("stylized", "content"))
    expected = facts["cfsd"]["gain 1.414214"][str(size)]["same_in_float64_from_float32_features"]
    assert cfsd(stylized, content).item() == pytest.approx(expected, rel=1e-2)


def test_cfsd_of_a_batch_averages_to_the_authors_batch_value(vgg, reference):
    facts, arrays = reference
    content, stylized = (features(vgg, arrays[f"cfsd_{role}_64"]) for role in ("content", "stylized"))
    expected = facts["cfsd"]["gain 2.500000"]["batch of 2: (stylized,content), (content,content)"]
    both = torch.cat([stylized, content])
    assert cfsd(both, torch.cat([content, content])).mean().item() == pytest.approx(expected, rel=1e-4)
    assert cfsd(both, content).mean().item() == pytest.approx(expected, rel=1e-4)


CASES = {
    "full_rank 64x32": ("fid_x", "fid_y"),
    "rank_deficient 10 samples x 32 dims (both)": ("fid_x10", "fid_y10"),
    "mixed 10 vs 64": ("fid_x10", "fid_y"),
}


@pytest.mark.parametrize("case", CASES)
def test_frechet_distance_equals_the_authors(reference, case):
    facts, arrays = reference
    x, y = (arrays[name].astype(np.float64) for name in CASES[case])
    expected = facts["frechet"][case]["art_fid.compute_frechet_distance"]
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_frechet_distance_equals_pytorch_fid(reference, case):
    from pytorch_fid.fid_score import calculate_frechet_distance

    _, arrays = reference
    x, y = (arrays[name].astype(np.float64) for name in CASES[case])
    theirs = calculate_frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert frechet_distance(x, y) == pytest.approx(theirs, rel=1e-7)


def test_artfid_equals_the_authors():
    assert artfid(0.4321, 17.25) == pytest.approx(26.135825)
