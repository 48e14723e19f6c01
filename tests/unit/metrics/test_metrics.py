"""Facts about the measures: what identity, order, size and scale do to them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from smooth import images

from styledistill import perceptual
from styledistill.core.images import save_png
from styledistill.core.tensors import load_images, to_uint8
from styledistill.metrics import image_measures
from styledistill.metrics.cfsd import cfsd
from styledistill.metrics.fid import activations, artfid, frechet_distance

SRC = Path(__file__).parents[3] / "src"


def features(count, seed=0, side=12):
    return 20 * torch.rand(count, 64, side, side, generator=torch.Generator().manual_seed(seed))


# --- CFSD ---------------------------------------------------------------------------------------------------------


def plain_cfsd(stylized, content):
    """The formula, written with whole maps in float64."""
    maps = []
    for one in (content, stylized):
        patches = one.flatten(2).transpose(1, 2).double() / one.shape[1]
        maps.append((patches @ patches.transpose(1, 2)).softmax(2))
    p, q = maps
    return (p * (p / q).log()).sum((1, 2))


def test_cfsd_of_identical_features_is_zero():
    assert cfsd(features(2), features(2)).abs().max() == 0


@pytest.mark.parametrize("rows", [1, 50, 144, 1000])
def test_cfsd_does_not_depend_on_the_chunks(rows):
    stylized, content = features(2, seed=1), features(2, seed=2)
    torch.testing.assert_close(cfsd(stylized, content, rows).double(), plain_cfsd(stylized, content), rtol=1e-4, atol=0)


def test_cfsd_resolves_nearly_flat_rows():
    stylized, content = features(1, seed=1) / 10, features(1, seed=2) / 10
    expected = plain_cfsd(stylized, content)
    assert expected < 1e-3
    torch.testing.assert_close(cfsd(stylized, content).double(), expected, rtol=1e-2, atol=0)


@pytest.mark.parametrize("strength", [20, 100])
def test_cfsd_of_strong_features_does_not_overflow(strength):
    # Some p / q are then beyond float32's largest number, and some p are 0.
    stylized, content = strength * features(1, seed=1), strength * features(1, seed=2)
    maps = [one.flatten(2).double() / one.shape[1] for one in (content, stylized)]
    log_p, log_q = ((one.transpose(1, 2) @ one).log_softmax(2) for one in maps)
    assert (log_p - log_q).abs().max() > 90
    expected = torch.nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True)
    torch.testing.assert_close(cfsd(stylized, content)[0].double(), expected, rtol=1e-4, atol=0)


def test_cfsd_shares_one_content():
    stylized, content = features(3, seed=1), features(1, seed=2)
    torch.testing.assert_close(cfsd(stylized, content), cfsd(stylized, content.expand(3, -1, -1, -1)))


def test_cfsd_is_not_symmetric():
    a, b = features(1, seed=1), 2 * features(1, seed=2)
    assert abs(cfsd(a, b) - cfsd(b, a)) > 1e-3


_PEAK = """
import torch
from styledistill.metrics.cfsd import cfsd
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1000
features = torch.rand(2, 1, 256, 128, 128)
cfsd(*features[..., :8, :8])
before = peak()
cfsd(*features)
print(peak() - before)
"""


@pytest.mark.slow
def test_cfsd_at_512_pixels_holds_no_whole_map():
    done = subprocess.run([sys.executable, "-c", _PEAK], cwd=SRC, capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 300  # MB; whole maps take 5,400


def test_cfsd_refuses_features_of_other_sizes():
    with pytest.raises(ValueError, match="do not fit"):
        cfsd(features(1, side=12), features(1, side=10))


# --- FID ----------------------------------------------------------------------------------------------------------


def samples(count, dims, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dims)) * rng.uniform(0.5, 2, dims) + seed


@pytest.mark.parametrize("count", [5, 40])
def test_frechet_distance_of_a_set_to_itself_is_zero(count):
    x = samples(count, 16)
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_a_shift_is_its_square():
    x = samples(40, 16)
    assert frechet_distance(x, x + 0.5) == pytest.approx(16 * 0.25)


def test_frechet_distance_of_a_scaling_is_known():
    x = samples(40, 16)
    x -= x.mean(0)
    # (1 - 2)^2 tr S for S and 4 S
    assert frechet_distance(x, 2 * x) == pytest.approx(np.cov(x, rowvar=False).trace())


def test_frechet_distance_needs_two_samples():
    assert frechet_distance(samples(1, 4), samples(9, 4)) is None
    assert artfid(0.5, None) is None


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of small images, as pytorch-fid takes them."""
    root = tmp_path_factory.mktemp("folders")
    found = []
    for seed, name in enumerate(("one", "other")):
        for index, array in enumerate(to_uint8(images(4, seed=seed))):
            save_png(array, root / name / f"{index}.png")
        found.append(sorted((root / name).iterdir()))
    return found


@pytest.mark.parametrize(("dimensions", "columns"), [(64, slice(64)), (2048, slice(64, None))])
def test_fid_of_two_folders_equals_pytorch_fid_itself(folders, monkeypatch, dimensions, columns):
    from pytorch_fid import fid_score, inception

    # Their network from their constructor, given the weights of ours in place of the file that it would download.
    weights = perceptual._loaded("inception", perceptual._fid_inception, "seeded", 1).state_dict()
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: weights)
    network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[dimensions]]).eval()
    statistics = [
        fid_score.calculate_activation_statistics(files, network, 4, dimensions, num_workers=0) for files in folders
    ]
    theirs = fid_score.calculate_frechet_distance(*statistics[0], *statistics[1])
    ours = perceptual.inception("seeded", 1)
    one, other = (activations(load_images(files), ours)[:, columns] for files in folders)
    assert frechet_distance(one, other) == pytest.approx(theirs, rel=1e-4)


def test_artfids_network_takes_images_as_they_are():
    from torchvision.models import inception_v3

    theirs = inception_v3(weights=None, aux_logits=False, init_weights=False).eval()
    theirs.fc = torch.nn.Identity()
    ours = perceptual.art_inception("seeded", 1)
    seeded = perceptual._loaded("art_inception", perceptual._art_inception, "seeded", 1)
    theirs.load_state_dict(seeded.state_dict())
    x = images(2, size=80)
    with torch.no_grad():
        torch.testing.assert_close(ours(x)[:, perceptual.FIRST_BLOCK :], theirs(x), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(ours(x), perceptual.inception("seeded", 1)(x), rtol=0.1)


def test_artfids_file_may_hold_heads_but_must_hold_the_network(tmp_path):
    from styledistill.core.errors import UserError

    weights = perceptual._loaded("art_inception", perceptual._art_inception, "seeded", 1).state_dict()
    heads = {"fc1.weight": torch.zeros(3, 2048), "AuxLogits2.fc.bias": torch.zeros(3)}
    torch.save(weights | heads, tmp_path / "whole.pth")
    x = images(1, size=80)
    with torch.no_grad():
        found = perceptual.art_inception(str(tmp_path / "whole.pth"), 1)(x)
        torch.testing.assert_close(found, perceptual.art_inception("seeded", 1)(x))
    torch.save({key: value for key, value in weights.items() if "Mixed_7c" not in key}, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"networks\.art_inception: .*part\.pth"):
        perceptual.art_inception(str(tmp_path / "part.pth"), 1)


# --- LPIPS --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lpips():
    return perceptual.lpips("seeded", 1)


def test_lpips_of_identical_images_is_zero(lpips):
    assert lpips(images(2), images(2)).abs().max() == 0


def test_lpips_is_symmetric_and_sees_a_difference(lpips):
    x, y = images(2, seed=1), images(2, seed=2)
    assert lpips(x, y).shape == (2,)
    assert lpips(x, y).min() > 1e-3
    torch.testing.assert_close(lpips(x, y), lpips(y, x))


@pytest.mark.parametrize(("trunk", "kind"), [("alexnet", "alex"), ("vgg16", "vgg")])
def test_lpips_equals_the_package_called_directly_with_the_same_trunk(trunk, kind):
    import lpips as package

    theirs = package.LPIPS(net=kind, pnet_rand=True, verbose=False)
    features = {"alexnet": perceptual.alexnet_features, "vgg16": perceptual.vgg16_features}[trunk]
    for name, layer in features("seeded", 1).named_children():
        for trunk_slice in theirs.net.children():
            if name in trunk_slice._modules:
                trunk_slice._modules[name] = layer
    x, y = images(2, seed=1), images(2, seed=2)
    found = perceptual.lpips("seeded", 1, trunk)(x, y)
    torch.testing.assert_close(found, theirs(2 * x - 1, 2 * y - 1).flatten())


def test_lpips_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    perceptual.lpips("seeded", 1)
    assert torch.rand(1) == expected


def test_seeded_lpips_is_the_same_in_another_process(lpips):
    code = (
        "import torch; torch.manual_seed(99); from styledistill.perceptual import lpips;"
        "x = torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64); print(lpips('seeded', 1)(x, x.flip(3)).item())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3] / "src"
    )
    x = torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    assert float(done.stdout) == pytest.approx(lpips(x, x.flip(3)).item(), rel=1e-5)


def test_another_seed_measures_otherwise(lpips):
    x, y = images(1, seed=1), images(1, seed=2)
    assert abs(perceptual.lpips("seeded", 2)(x, y) - lpips(x, y)) > 1e-5


# --- measures without networks ------------------------------------------------------------------------------------


def test_equal_images_have_no_error_and_infinite_psnr():
    error = image_measures.mse(images(2), images(2))
    assert error.tolist() == [0, 0]
    assert torch.isinf(image_measures.psnr(error)).all()


def test_a_tenth_everywhere_is_20_db():
    error = image_measures.mse(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.6))
    assert image_measures.psnr(error).item() == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (40, 57)])
def test_ssim_equals_scikit_image(size):
    from skimage.metrics import structural_similarity

    x = images(2, seed=1)[:, :, : size[0], : size[1]]
    y = (x + 0.1 * torch.rand(x.shape, generator=torch.Generator().manual_seed(3))).clamp(0, 1)
    published = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = [
        structural_similarity(*(z[i].numpy().astype(float) for z in (x, y)), channel_axis=0, **published)
        for i in range(2)
    ]
    assert image_measures.ssim(x, y).tolist() == pytest.approx(expected, rel=1e-6)
    assert 0.2 < min(expected) < max(expected) < 0.95


def test_ssim_of_equal_images_is_one():
    assert image_measures.ssim(images(2), images(2)).tolist() == [1, 1]


def test_artifacts_are_what_exceeds_the_teacher_and_blur_elsewhere_does_not_hide_them():
    noise = torch.rand(1, 3, 34, 34, generator=torch.Generator().manual_seed(0))
    calm = torch.full_like(noise, 0.5)
    assert image_measures.artifact_energy(noise, noise).item() == 0
    assert image_measures.artifact_energy(calm, noise).item() == 0
    whole = image_measures.artifact_energy(noise, calm)
    torch.testing.assert_close(whole, image_measures.laplacian_energy(noise))
    left, right = noise.clone(), noise.clone()
    left[..., 17:], right[..., :17] = 0.5, 0.5
    assert image_measures.artifact_energy(left, right).item() > 0.3 * whole.item()


def test_saturation_and_brightness_of_pure_colors():
    red, gray, black = torch.zeros(3, 3, 4, 4).unbind(0)
    red[0], gray[:] = 1, 0.4
    colors = torch.stack([red, gray, black])
    assert image_measures.saturation(colors).tolist() == pytest.approx([1, 0, 0])
    assert image_measures.brightness(colors).tolist() == pytest.approx([0.299, 0.4, 0], abs=1e-6)


def test_laplacian_energy_is_zero_on_ramps_and_falls_with_blur():
    ramp = torch.linspace(0, 1, 16).expand(1, 3, 16, 16)
    assert image_measures.laplacian_energy(ramp).item() == pytest.approx(0, abs=1e-12)
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(noise, 3, 1, 1)
    assert image_measures.laplacian_energy(blurred) < 0.2 * image_measures.laplacian_energy(noise)


def test_laplacian_energy_of_one_white_pixel():
    dot = torch.zeros(1, 3, 5, 5)
    dot[..., 2, 2] = 1
    assert image_measures.laplacian_energy(dot).item() == pytest.approx((16 + 4) / 9, rel=1e-5)


def test_gram_distance_is_relative_and_zero_for_equal_features():
    grams = [image_measures.gram(features(2, seed=1))]
    assert image_measures.gram_distance(grams, grams).tolist() == [0, 0]
    assert image_measures.gram_distance([3 * grams[0]], grams).tolist() == pytest.approx([2, 2])


def test_gram_does_not_depend_on_size():
    x = features(1)
    torch.testing.assert_close(image_measures.gram(x.repeat(1, 1, 2, 3)), image_measures.gram(x))
