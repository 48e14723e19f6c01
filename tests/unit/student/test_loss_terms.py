"""Terms of distillation beside independent forms of them, in float64 and with loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from styledistill.config import Networks
from styledistill.config.terms import TERMS as NAMES
from styledistill.config.terms import networks_of
from styledistill.perceptual import features
from styledistill.student import distances, losses

LITE = Networks(features="efficientnet_lite0")


def maps(seed: int, height: int, width: int, count: int = 2) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = [(4, height, width), (6, height, width), (8, height // 2, width // 2), (10, height // 4, width // 4)]
    return [torch.rand(count, *shape, generator=random) * 3 for shape in shapes]


def images(seed: int, height: int = 64, width: int = 64, count: int = 2) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_every_name_has_a_function_and_every_function_a_name() -> None:
    assert set(losses.TERMS) == set(NAMES)


def test_networks_of_terms() -> None:
    assert networks_of(["pixel", "tv"], "vgg19") == []
    assert networks_of(["gram", "lpips", "texture"], "efficientnet_lite0") == ["alexnet", "efficientnet_lite0"]


def test_texture_distance_is_the_sum_of_its_moments() -> None:
    x, y = maps(1, 16, 24), maps(2, 8, 12)
    expected = np.zeros(2)
    for a, b in zip(x, y, strict=True):
        for i in range(2):
            one, other = (part[i].double().flatten(1).numpy() for part in (a, b))
            mean = np.mean((one.mean(1) - other.mean(1)) ** 2) + np.mean((one.std(1) - other.std(1)) ** 2)
            grams = [m @ m.T / m.shape[1] for m in (one, other)]
            expected[i] += mean / np.mean(other.var(1)) + 0.5 * np.mean((grams[0] - grams[1]) ** 2) / np.mean(
                grams[1] ** 2
            )
    np.testing.assert_allclose(distances.texture_distance(x, y), expected / len(x), rtol=1e-3)


def test_texture_knows_no_places_and_no_size() -> None:
    x = maps(3, 16, 16)
    shuffled = [part.flatten(2)[:, :, torch.randperm(part[0, 0].numel())].view_as(part) for part in x]
    twice = [part.repeat(1, 1, 2, 1) for part in x]
    assert distances.texture_distance(shuffled, x).max() < 1e-6
    assert distances.texture_distance(twice, x).max() < 1e-6


def test_self_similarity_is_cosines_between_places() -> None:
    (x,) = maps(4, 4, 6, 1)[:1]
    rows = x[0].double().flatten(1).T.numpy()
    rows = rows - rows.mean(0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(distances.self_similarity(x)[0], rows @ rows.T, atol=1e-5)


def test_structure_is_free_of_scale_and_offset_of_the_middle_maps() -> None:
    x = maps(5, 16, 16)
    moved = [*x[:2], 3 * x[2] + 1, x[3]]
    assert sum(distances.structure_parts(moved, x)).max() < 1e-3
    assert sum(distances.structure_parts([part.flip(3) for part in x], x)).min() > 0.1


def test_grain_is_the_energy_of_haars_details() -> None:
    calm = torch.full((1, 3, 16, 16), 0.5)
    checkerboard = calm + 0.1 * (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16))
    bands = distances._bands(checkerboard)[:, 0]  # the diagonal band holds all of it: (4 x 0.1 / 2) ** 2
    torch.testing.assert_close(bands, torch.tensor([0.0, 0.0, 0.04]), atol=1e-6, rtol=0)
    assert distances.grain_distance(checkerboard, calm) > 5
    assert distances.grain_distance(checkerboard, -checkerboard) < 1e-6


def test_grain_tells_colored_specks_from_light_and_dark() -> None:
    checkerboard = 0.1 * (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16))
    dark = 0.5 + checkerboard.expand(1, 3, 16, 16)
    # Of the same energy in the channels, and none in lightness: 0.299 x red + 0.114 x blue = 0.
    red, blue = 1.0, -0.299 / 0.114
    scale = (3 / (red**2 + blue**2)) ** 0.5
    specks = 0.5 + checkerboard * scale * torch.tensor([red, 0.0, blue])[None, :, None, None]
    settings = losses.LossSettings(torch.nn.Identity())

    def grain(output: Tensor) -> float:
        return float(losses.distillation_terms(output, dark, dark, dark, ["grain"], settings)["grain"])

    assert float(distances.grain_distance(specks, dark)) < 1e-6
    assert grain(dark) < 1e-6
    # The diagonal band of lightness: (4 x 0.1 / 2) ** 2 = 0.04 is gone, of three bands.
    assert grain(specks) == pytest.approx((math.log((0.04 + 1e-5) / 1e-5) / 2) ** 2 / 3 / 2, rel=1e-3)


def test_tone_is_one_minus_the_correlation_of_lightness() -> None:
    x, y = (torch.nn.functional.interpolate(images(seed, 8, 8), scale_factor=8.0) for seed in (13, 14))
    light = [(image.double().numpy() * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(1) for image in (x, y)]
    cells = [plane.reshape(2, 16, 4, 16, 4).mean((2, 4)).reshape(2, -1) for plane in light]
    expected = [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(*cells, strict=True)]
    np.testing.assert_allclose(distances.tone_distance(x, y, (4,)), expected, atol=1e-4)
    assert distances.tone_distance(0.3 * x + 0.1, x).max() < 1e-2
    assert distances.tone_distance(1 - x, x).min() > 1.5


def test_sliced_distance_along_an_axis_is_the_distance_of_sorted_numbers() -> None:
    x, y = torch.rand(2, 3, 50), torch.rand(2, 3, 50)
    expected = [np.abs(np.sort(a[1]) - np.sort(b[1])).mean() for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    np.testing.assert_allclose(distances.sliced_distance(x, y, torch.tensor([[0.0, 1.0, 0.0]])), expected, rtol=1e-5)


def test_patch_distance_is_that_of_patches_cut_by_hand() -> None:
    x, y = images(6, 20, 24, 1), images(7, 20, 24, 1)
    random = torch.Generator().manual_seed(5)
    directions = torch.randn(9, 75, generator=random)
    directions /= directions.norm(dim=1, keepdim=True)
    cut = [torch.nn.functional.unfold(image, 5, stride=2)[0] for image in (x, y)]
    expected = ((directions @ cut[0]).sort(1).values - (directions @ cut[1]).sort(1).values).abs().mean()
    # unfold and conv2d both count channel by channel, row by row
    torch.testing.assert_close(distances.patch_distance(x, y, 5, 9)[0], expected, rtol=1e-4, atol=1e-6)


def test_patches_do_not_ask_where_a_stroke_is() -> None:
    stripes = (torch.arange(64) // 4 % 2).float().expand(1, 3, 64, 64)
    assert distances.patch_distance(stripes.roll(8, 3), stripes) < 1e-6
    assert distances.patch_distance(stripes.transpose(2, 3), stripes) > 0.1
    assert distances.patch_distance(torch.full_like(stripes, 0.5), stripes) > 0.1


@pytest.mark.parametrize("term", sorted(set(NAMES) - {"lpips"}))
def test_each_term_has_a_finite_gradient_and_does_not_depend_on_the_batch(term: str) -> None:
    network = features(LITE)
    settings = losses.LossSettings(network)
    output, content, style, target = (images(seed) for seed in range(8, 12))
    output.requires_grad_(True)
    value = losses.distillation_terms(output, content, style, target, [term], settings)[term]
    (gradient,) = torch.autograd.grad(value, output)
    assert value > 0 and gradient.isfinite().all() and gradient.abs().sum() > 0
    parts = [
        losses.distillation_terms(
            output[i : i + 1], content[i : i + 1], style[i : i + 1], target[i : i + 1], [term], settings
        )
        for i in range(2)
    ]
    torch.testing.assert_close(sum(part[term] for part in parts) / 2, value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("term", "goal"),
    [
        ("texture", "target"),
        ("texture_style", "style"),
        ("patches", "target"),
        ("lowres", "target"),
        ("structure", "content"),
        ("colors", "style"),
    ],
)
def test_each_term_is_nothing_at_its_goal(term: str, goal: str) -> None:
    given = dict(zip(("content", "style", "target"), (images(seed) for seed in range(3)), strict=True))
    settings = losses.LossSettings(features(LITE))
    terms = losses.distillation_terms(given[goal].clone(), **given, names=[term], settings=settings)
    assert terms[term] < 1e-6


@pytest.mark.parametrize("size", [32, 40])
@pytest.mark.parametrize("term", sorted(set(NAMES) - {"lpips"}))
def test_flat_images_of_the_least_size_have_a_finite_gradient(term: str, size: int) -> None:
    """Deviations and norms of zero are where gradients become infinite."""
    settings = losses.LossSettings(features(LITE))
    for level, goal in ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):
        output = torch.full((2, 3, size, size), level).requires_grad_()
        other = torch.full((2, 3, size, size), goal)
        value = losses.distillation_terms(output, output.detach(), other, other, [term], settings)[term]
        assert value.isfinite()
        if value.requires_grad:
            assert torch.autograd.grad(value, output)[0].isfinite().all()
