"""ST-LPIPS on photographs: what a perceptual distance must do; and what is said of weights that are not there."""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data
from skimage.transform import resize

from styledistill.core.errors import UserError
from styledistill.metrics.st_lpips import NETWORK, ShiftTolerantLpips, st_lpips
from styledistill.perceptual import label, weights_file

SIDE, BORDER = 96, 8
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")


@pytest.fixture(scope="module")
def network() -> ShiftTolerantLpips:
    return st_lpips("package", 1)


@pytest.fixture(scope="module", params=PHOTOGRAPHS)
def photograph(request: pytest.FixtureRequest) -> np.ndarray:
    """(SIDE + 2 BORDER)² x 3 in [0, 1]."""
    image = getattr(data, request.param)()
    side = min(image.shape[:2])
    return resize(image[:side, -side:], (SIDE + 2 * BORDER, SIDE + 2 * BORDER), anti_aliasing=True)


def inner(image: np.ndarray, right: int = 0) -> np.ndarray:
    return image[BORDER:-BORDER, BORDER + right : BORDER + right + SIDE]


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return inner(ndimage.gaussian_filter(image, (sigma, sigma, 0)))


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    return inner(image) + sigma * np.random.default_rng(0).standard_normal((SIDE, SIDE, 3))


def tensor(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images).clip(0, 1).transpose(0, 3, 1, 2)).float()


def distances(network: ShiftTolerantLpips, photograph: np.ndarray, *images: np.ndarray) -> list[float]:
    """Of each image to the photograph's inner part."""
    return network.distance(network.features(tensor(*images)), network.features(tensor(inner(photograph)))).tolist()


@pytest.mark.parametrize(
    ("distort", "strengths"),
    [(noisy, (0, 0.02, 0.05, 0.1, 0.2)), (blurred, (0, 0.7, 1.5, 3, 6)), (inner, (0, 1, 2, 4, 8))],
    ids=["noise", "blur", "shift"],
)
def test_more_distortion_is_farther(network, photograph, distort, strengths):
    found = distances(network, photograph, *(distort(photograph, strength) for strength in strengths))
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(found) > 0).all(), found


def test_it_orders_as_people_do_and_as_squared_errors_do_not(network, photograph):
    """A shift by a pixel is hardly seen, blur is; less contrast disturbs less than noise of the same squared error."""
    shifted, blur = inner(photograph, 1), blurred(photograph, 2)
    faded = inner(photograph).mean() + 0.7 * (inner(photograph) - inner(photograph).mean())
    error = np.sqrt(np.mean((faded - inner(photograph)) ** 2))
    close, far, fading, noise = distances(network, photograph, shifted, blur, faded, noisy(photograph, error))
    assert close < far / 2
    assert fading < noise / 2


def test_it_is_symmetric_and_0_for_equal_images(network, photograph):
    x, y = tensor(inner(photograph)), tensor(blurred(photograph, 1))
    assert network(x, x).item() == 0
    assert network(x, y).item() == pytest.approx(network(y, x).item(), rel=1e-6) and network(x, y).item() > 0


def test_many_images_against_one_are_each_against_it(network):
    x, y = torch.rand(2, 3, 40, 33, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 3, 40, 33)
    both = network.distance(network.features(x), network.features(y))
    assert both.tolist() == pytest.approx([network(one[None], y).item() for one in x], rel=1e-5)


def test_labels_name_the_weights():
    assert label(NETWORK, "package", 1) == "bapps alex_shift_tolerant"
    assert label(NETWORK, "seeded", 3) == "seeded-3 (random)"


def test_seeded_weights_are_a_distance_too_and_the_seed_decides():
    x, y = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).unbind()
    one, same, other = (st_lpips("seeded", seed)(x, y).item() for seed in (1, 1, 2))
    assert one == same != other and one > 0
    assert st_lpips("seeded", 1)(x, x).item() == 0


def published() -> OrderedDict[str, torch.Tensor]:
    return torch.load(weights_file(NETWORK, "package"), map_location="cpu", weights_only=True)


def without(name: str) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict((key, value) for key, value in published().items() if key != name)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (lambda: without("net.slice3.9.bias"), "net.slice3.9.bias"),
        (lambda: published() | {"lin1.model.1.weight": torch.ones(1, 64, 1, 1)}, "192"),
        (lambda: published() | {"net.slice1.0.weight": torch.ones(64, 3, 3, 3)}, ""),
        (lambda: published() | {"lin2.model.1.weight": -torch.ones(1, 384, 1, 1)}, "lin2 has negative weights"),
        (lambda: published() | {"lin2.model.1.weight": torch.full((1, 384, 1, 1), torch.nan)}, "lin2"),
        (lambda: [1, 2], ""),
    ],
    ids=["incomplete", "other head", "other kernel", "negative head", "head of NaN", "no weights at all"],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, state, said):
    torch.save(state(), tmp_path / "mine.pth")
    refused(tmp_path / "mine.pth", said)


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_a_file_that_was_cut_is_refused_in_one_line(tmp_path: Path, share: float):
    whole = weights_file(NETWORK, "package").read_bytes()
    (tmp_path / "mine.pth").write_bytes(whole[: int(share * len(whole))])
    refused(tmp_path / "mine.pth", "")


def refused(path: Path, said: str) -> None:
    with pytest.raises(UserError) as fault:
        st_lpips(str(path), 1)
    line = str(fault.value)
    assert line.startswith(f"networks.{NETWORK}: {path} does not hold the weights of {NETWORK} (") and said in line
    assert line.endswith("Give the file alex_shift_tolerant.pth, 'package' or 'seeded'.") and "\n" not in line


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UserError, match=r"shift_tolerant_alexnet: package stlpips-pytorch is not installed. Install"):
        st_lpips("package", 1)


def test_the_packages_code_is_not_run(network):
    """It imports packages that it does not declare."""
    assert "stlpips_pytorch" not in sys.modules
