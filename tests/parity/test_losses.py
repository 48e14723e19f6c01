"""Losses equal those computed with the authors' classes: fixtures sttr_criterion and losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fill import fill
from torch import Tensor, nn
from torchvision.models import vgg19

from styledistill.perceptual import denormalize, vgg_slices
from styledistill.student.distances import gram, gram_distance, statistics_distance, total_variation
from styledistill.student.losses import LossSettings, distillation_terms, matched_constant, sttr_criterion

BATCHES = ("batch1", "batch2")
GRAMS = {"per_sample": True, "sttr_folded": False}


@pytest.fixture(scope="module")
def vgg() -> nn.Module:
    with torch.device("meta"):
        network = vgg19(weights=None).features[:21]
    network.to_empty(device="cpu")
    return fill(network, gain=2**0.5, prefix="features.").eval().requires_grad_(False)


def load(fixtures: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with np.load(fixtures / f"{name}.npz") as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in arrays}
    return tensors, json.loads((fixtures / f"{name}.json").read_text())["values"]


def first(images: Tensor, batch: str) -> Tensor:
    return images[: int(batch[-1])].clone()


def relative(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


# --- STTR's criterion ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
def test_sttr_criterion(fixtures: Path, vgg: nn.Module, batch: str) -> None:
    arrays, values = load(fixtures, "sttr_criterion")
    output, content, style = (first(arrays[f"image_{name}"], batch) for name in ("output", "content", "style"))
    output.requires_grad_(True)
    terms = sttr_criterion(denormalize(output), denormalize(content), denormalize(style), vgg)
    total = terms["content"] + 10 * terms["style"]
    (gradient,) = torch.autograd.grad(total, output)
    terms, total = {name: term.detach() for name, term in terms.items()}, total.detach()
    assert float(terms["content"]) == pytest.approx(values[batch]["loss_content"], rel=1e-5)
    assert float(terms["style"]) == pytest.approx(values[batch]["loss_style"], rel=1e-5)
    assert float(total) == pytest.approx(values[batch]["total"], rel=1e-5)
    assert relative(gradient, arrays[f"grad_total_{batch}"]) < 1e-5


@pytest.mark.parametrize("batch", BATCHES)
def test_each_slice_of_the_style_loss(fixtures: Path, vgg: nn.Module, batch: str) -> None:
    arrays, values = load(fixtures, "sttr_criterion")
    output, style = (vgg_slices(vgg, first(arrays[f"image_{name}"], batch)) for name in ("output", "style"))
    for x, y, parts in zip(output, style, values[batch]["style_per_slice_[mean_mse, std_mse]"], strict=True):
        assert float(statistics_distance([x], [y])) == pytest.approx(sum(parts), rel=1e-5)


@pytest.mark.parametrize("batch", BATCHES)
def test_total_variation_is_a_sum(fixtures: Path, batch: str) -> None:
    arrays, values = load(fixtures, "sttr_criterion")
    ours = total_variation(first(arrays["image_output"], batch))
    assert float(ours) == pytest.approx(values[batch]["loss_tv"], rel=1e-5)


def test_registered_terms_are_the_criterions(fixtures: Path, vgg: nn.Module) -> None:
    arrays, values = load(fixtures, "sttr_criterion")
    output, content, style = (denormalize(arrays[f"image_{name}"]) for name in ("output", "content", "style"))
    terms = distillation_terms(output, content, style, style, ("adain", "content", "tv"), LossSettings(vgg))
    wanted = values["batch2"]
    assert float(terms["adain"]) == pytest.approx(wanted["loss_style"], rel=1e-5)
    assert float(terms["content"]) == pytest.approx(wanted["loss_content"], rel=1e-5)
    assert float(terms["tv"]) == pytest.approx(wanted["loss_tv"] / output.numel(), rel=1e-5)


# --- losses of the preprint ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("kind", GRAMS)
def test_l1_l2_l3(fixtures: Path, vgg: nn.Module, batch: str, kind: str) -> None:
    arrays, values = load(fixtures, "losses")
    wanted = values[batch][kind]
    prediction, target = (first(arrays[f"image_{name}"], batch) for name in ("prediction", "target"))
    prediction.requires_grad_(True)
    settings = LossSettings(vgg, gram_per_image=GRAMS[kind])
    shown = denormalize(prediction), denormalize(target)
    terms = distillation_terms(shown[0], shown[1], shown[1], shown[1], ("pixel", "gram"), settings)
    (gram_gradient,) = torch.autograd.grad(terms["gram"], prediction, retain_graph=True)
    l3 = 0.7 * terms["pixel"] + 0.3 * terms["gram"]
    (gradient,) = torch.autograd.grad(l3, prediction)
    terms, l3 = {name: term.detach() for name, term in terms.items()}, l3.detach()
    assert float(terms["pixel"]) == pytest.approx(wanted["L1_mean"], rel=1e-5)
    assert float(terms["gram"]) == pytest.approx(wanted["gram_mse_total"], rel=1e-5)
    assert float(0.5 * terms["pixel"] + 0.5 * terms["gram"]) == pytest.approx(wanted["L2_mean"], rel=1e-5)
    assert float(l3) == pytest.approx(wanted["L3_mean"], rel=1e-5)
    assert relative(gram_gradient, arrays[f"grad_gram_mse_{batch}_{kind}"]) < 1e-4
    assert relative(gradient, arrays[f"grad_L3_mean_{batch}_{kind}"]) < 1e-5


@pytest.mark.parametrize("kind", GRAMS)
def test_gram_matrices(fixtures: Path, vgg: nn.Module, kind: str) -> None:
    arrays, values = load(fixtures, "losses")
    slices = vgg_slices(vgg, arrays["image_prediction"])
    matrices = [gram(features, per_image=GRAMS[kind]) for features in slices]
    assert [list(matrix.shape) for matrix in matrices] == values["batch2"][kind]["gram_shape"]
    assert relative(matrices[0], arrays[f"gram_slice1_{kind}_prediction"]) < 1e-5


def test_each_slice_of_the_gram_loss(fixtures: Path, vgg: nn.Module) -> None:
    arrays, values = load(fixtures, "losses")
    slices = (vgg_slices(vgg, arrays[f"image_{name}"]) for name in ("prediction", "target"))
    for x, y, wanted in zip(*slices, values["batch2"]["per_sample"]["gram_mse_per_slice"], strict=True):
        assert float(gram_distance([x], [y])) == pytest.approx(wanted, rel=1e-5)


# --- conventions --------------------------------------------------------------------------------------------------


def test_gram_per_image_of_a_batch_is_that_of_its_images_and_folded_is_not() -> None:
    features = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    singles = torch.cat([gram(one[None]) for one in features])
    torch.testing.assert_close(gram(features), singles)
    torch.testing.assert_close(gram(features, per_image=False)[:4, :4], singles[0] / 3)
    assert gram(features, per_image=False)[:4, 4:].abs().max() > 0


@pytest.mark.parametrize("per_image", (True, False))
def test_hw_is_chw_times_the_channels(per_image: bool) -> None:
    features = torch.rand(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gram(features, "hw", per_image), 4 * gram(features, "chw", per_image))


def test_matched_constant_makes_both_gradients_equal(fixtures: Path, vgg: nn.Module) -> None:
    arrays, _ = load(fixtures, "losses")
    output, target = (denormalize(arrays[f"image_{name}"]) for name in ("prediction", "target"))
    constant = matched_constant([(output, output, target)], lambda content, style: content.clone(), vgg)
    shown = output.clone().requires_grad_(True)
    settings = LossSettings(vgg, gram_constant=constant)
    terms = distillation_terms(shown, output, output, target, ("pixel", "gram"), settings)
    pixel, gram_pull = (torch.autograd.grad(terms[name], shown, retain_graph=True)[0] for name in ("pixel", "gram"))
    assert constant > 100  # divided by C H W alone the Gram term is next to nothing
    assert float(gram_pull.norm()) == pytest.approx(float(pixel.norm()), rel=1e-4)


def test_matched_constant_weighs_all_batches(fixtures: Path, vgg: nn.Module) -> None:
    arrays, _ = load(fixtures, "losses")
    output, target = (denormalize(arrays[f"image_{name}"]) for name in ("prediction", "target"))
    batches = [(output[:1], output[:1], target[:1]), (output[1:], output[1:], target[1:])]
    constants = [matched_constant(some, lambda content, style: content.clone(), vgg) for some in ([b] for b in batches)]
    both = matched_constant(batches, lambda content, style: content.clone(), vgg)
    assert min(constants) < both < max(constants)


def test_pixel_l1_is_the_mean_absolute_error_in_normalized_space(fixtures: Path, vgg: nn.Module) -> None:
    arrays, _ = load(fixtures, "losses")
    prediction, target = arrays["image_prediction"], arrays["image_target"]
    shown = denormalize(prediction), denormalize(target)
    terms = distillation_terms(shown[0], shown[1], shown[1], shown[1], ("pixel_l1",), LossSettings(vgg))
    assert float(terms["pixel_l1"]) == pytest.approx(float(F.l1_loss(prediction, target)), rel=1e-5)
