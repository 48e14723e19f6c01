"""Loss terms of distillation and STTR's own criterion.

Terms and criteria take images (B, 3, H, W) in [0, 1], which an output may leave, and normalize them. The distances
that they are made of stand in `distances`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Distill, Networks
from ..config.terms import TERMS as NETWORK_OF
from ..config.terms import networks_of
from ..core.colors import color_distance, luma
from ..perceptual import feature_maps, lpips, normalize
from ..perceptual import features as load_features
from .distances import (
    grain_distance,
    gram_distance,
    patch_distance,
    statistics_distance,
    structure_parts,
    texture_distance,
    tone_distance,
    total_variation,
)


def sttr_criterion(output: Tensor, content: Tensor, style: Tensor, network: nn.Module) -> dict[str, Tensor]:
    """STTR's unsupervised objective, unweighted: {"content": squared error of relu4_1, "style": AdaIN style loss}.

    network: of features; STTR's is VGG19.
    """
    features = feature_maps(network, output)
    with torch.no_grad():
        of_content, of_style = feature_maps(network, content), feature_maps(network, style)
    return {"content": F.mse_loss(features[-1], of_content[-1]), "style": statistics_distance(features, of_style)}


# --- terms of distillation --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LossSettings:
    """Networks and conventions that terms use."""

    features: nn.Module  # `perceptual.features(...)`
    lpips: nn.Module | None = None  # `perceptual.lpips(...)`; only for the term of that name
    gram_normalize: Literal["hw", "chw"] = "chw"
    gram_constant: float = 1.0  # `matched`: chw times what `matched_constant` measured
    gram_per_image: bool = True


def loss_settings(names: Iterable[str], settings: Distill, networks: Networks, device: torch.device) -> LossSettings:
    """What the named terms need, loaded. Raises UserError where a network has not been downloaded."""
    needed = networks_of(names, networks.features)
    network, distance = nn.Identity(), None
    if networks.features in needed:
        network = load_features(networks).to(device, memory_format=torch.channels_last)
    if "alexnet" in needed:
        distance = lpips(networks.alexnet, networks.seed).to(device)
    divisor = "hw" if settings.gram_normalize == "hw" else "chw"
    return LossSettings(network, distance, divisor, gram_per_image=settings.gram_per_image)


@dataclass(frozen=True, eq=False)
class Comparison:
    """One batch of outputs beside what they are compared with. Features are computed once, when a term asks."""

    output: Tensor
    content: Tensor
    style: Tensor
    target: Tensor
    settings: LossSettings

    @cached_property
    def output_features(self) -> list[Tensor]:
        """Feature maps of the output images."""
        return feature_maps(self.settings.features, self.output)

    @cached_property
    def target_features(self) -> list[Tensor]:
        """Feature maps of the target images."""
        return self._fixed(self.target)

    @cached_property
    def content_features(self) -> list[Tensor]:
        """Feature maps of the content images."""
        return self._fixed(self.content)

    @cached_property
    def style_features(self) -> list[Tensor]:
        """Feature maps of the style images."""
        return self._fixed(self.style)

    @torch.no_grad()
    def _fixed(self, images: Tensor) -> list[Tensor]:
        return feature_maps(self.settings.features, images)


TERMS: dict[str, Callable[[Comparison], Tensor]] = {}


def term(name: str) -> Callable[[Callable[[Comparison], Tensor]], Callable[[Comparison], Tensor]]:
    """Make a function of a batch the loss term `name`, a line of `config/terms.py`."""

    def register(function: Callable[[Comparison], Tensor]) -> Callable[[Comparison], Tensor]:
        if name not in NETWORK_OF:
            raise KeyError(f"{name}: no such term in config/terms.py")
        TERMS[name] = function
        return function

    return register


@term("pixel")
def pixel(batch: Comparison) -> Tensor:
    """Mean squared error to the teacher's image (the preprint's L1)."""
    return F.mse_loss(normalize(batch.output), normalize(batch.target))


@term("pixel_l1")
def pixel_l1(batch: Comparison) -> Tensor:
    """Mean absolute error to the teacher's image."""
    return F.l1_loss(normalize(batch.output), normalize(batch.target))


@term("gram")
def gram_to_target(batch: Comparison) -> Tensor:
    """Distance of Gram matrices to the teacher's image (second term of the preprint's L2 and L3)."""
    how = batch.settings
    distance = gram_distance(batch.output_features, batch.target_features, how.gram_normalize, how.gram_per_image)
    return how.gram_constant * distance


@term("adain")
def adain(batch: Comparison) -> Tensor:
    """Distance of feature statistics to the style (STTR's style loss)."""
    return statistics_distance(batch.output_features, batch.style_features)


@term("content")
def content_to_content(batch: Comparison) -> Tensor:
    """Squared error of the deepest feature map to the content's (VGG19's relu4_1: STTR's content loss)."""
    return F.mse_loss(batch.output_features[-1], batch.content_features[-1])


@term("lpips")
def lpips_to_target(batch: Comparison) -> Tensor:
    """LPIPS to the teacher's image, mean over the batch."""
    if batch.settings.lpips is None:
        raise ValueError("the term lpips needs LossSettings.lpips")
    return batch.settings.lpips(batch.output, batch.target).mean()


@term("tv")
def tv(batch: Comparison) -> Tensor:
    """Total variation of the output per number of it, so that its weight does not depend on the image's size."""
    return total_variation(normalize(batch.output)) / batch.output.numel()


@term("lowres")
def lowres(batch: Comparison) -> Tensor:
    """Squared error of images reduced four times: where the teacher puts its colors, not where its strokes lie."""
    return F.mse_loss(F.avg_pool2d(normalize(batch.output), 4), F.avg_pool2d(normalize(batch.target), 4))


@term("patches")
def patches(batch: Comparison) -> Tensor:
    """Distance of the patches' distribution to that of the teacher's image."""
    return patch_distance(batch.output, batch.target).mean()


@term("texture")
def texture(batch: Comparison) -> Tensor:
    """Relative distance of feature statistics to the teacher's image."""
    return texture_distance(batch.output_features, batch.target_features).mean()


@term("texture_style")
def texture_style(batch: Comparison) -> Tensor:
    """Relative distance of feature statistics to the style."""
    return texture_distance(batch.output_features, batch.style_features).mean()


@term("structure")
def structure(batch: Comparison) -> Tensor:
    """Distance of what is where to the content's, strokes and colors left free."""
    middle, places = structure_parts(batch.output_features, batch.content_features)
    return (middle + places).mean()


@term("tone")
def tone(batch: Comparison) -> Tensor:
    """Loss of the content's light and dark at coarse scales."""
    return tone_distance(batch.output, batch.content).mean()


@term("grain")
def grain(batch: Comparison) -> Tensor:
    """Distance of the energy in the finest detail to the teacher's image, in the channels and in lightness.

    In the channels alone, colored specks would stand for strokes of light and dark.
    """
    light, light_of_target = luma(batch.output)[:, None], luma(batch.target)[:, None]
    return (grain_distance(batch.output, batch.target) + grain_distance(light, light_of_target)).mean() / 2


@term("colors")
def colors(batch: Comparison) -> Tensor:
    """Distance of the pixels' colors to the style's, as the metric of color measures it."""
    return color_distance(batch.output, batch.style).mean()


def distillation_terms(
    output: Tensor, content: Tensor, style: Tensor, target: Tensor, names: Iterable[str], settings: LossSettings
) -> dict[str, Tensor]:
    """The named terms, unweighted scalars, of outputs for (content, style) whose teacher's images are `target`."""
    batch = Comparison(output, content, style, target, settings)
    return {name: TERMS[name](batch) for name in names}


# --- balance of terms -------------------------------------------------------------------------------------------


def matched_constant(
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    predict: Callable[[Tensor, Tensor], Tensor],
    network: nn.Module,
    per_image: bool = True,
) -> float:
    """What the Gram term (chw) must be multiplied by to pull at the output as strongly as the pixel term.

    Mean norm of the pixel term's gradient at the output over that of the Gram term's. batches: (content, style,
    target) of training pairs, of the size that the training uses. network: of features. predict: the start model,
    (content, style) to outputs. The configuration calls it `gram_normalize: matched`.
    """
    settings = LossSettings(network, gram_per_image=per_image)
    norms = {"pixel": 0.0, "gram": 0.0}
    for content, style, target in batches:
        with torch.no_grad():
            output = predict(content, style)
        output.requires_grad_(True)
        for name, term in distillation_terms(output, content, style, target, norms, settings).items():
            norms[name] += float(_gradient_norm(term, output))
    if not norms["gram"]:
        raise ValueError("no gradient of the Gram term: outputs equal the targets, or there were no batches")
    return norms["pixel"] / norms["gram"]


def _gradient_norm(term: Tensor, output: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(term, output, retain_graph=True)
    return torch.linalg.vector_norm(gradient)
