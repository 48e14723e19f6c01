"""Loss terms of distillation and STTR's own criterion.

Measures take features or ImageNet-normalised pictures. Terms and criteria take pictures (B, 3, H, W) in [0, 1], which
an output may leave, and normalise them. Squared and absolute errors are means over all numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..perceptual import normalize

# VGG19's `features` are cut behind relu1_1, relu2_1, relu3_1 and relu4_1 (STTR's VGGEncoder; the preprint's F_1..F_4).
SLICES = (2, 7, 12, 21)


def vgg_slices(vgg: nn.Module, pictures: Tensor) -> list[Tensor]:
    """relu1_1, relu2_1, relu3_1, relu4_1 of ImageNet-normalised pictures (B, 3, H, W)."""
    features, x = [], pictures
    for start, end in zip((0, *SLICES[:-1]), SLICES, strict=True):
        x = vgg[start:end](x)
        features.append(x)
    return features


# --- measures ---------------------------------------------------------------------------------------------------


def gram(features: Tensor, normalization: Literal["hw", "chw"] = "chw", per_picture: bool = True) -> Tensor:
    """Gram matrices of features (B, C, H, W), divided by H W or by C H W: (B, C, C).

    per_picture=False is STTR's `gram_matrix`: the batch is folded into the rows, (B C, B C), divided by B too; it then
    also holds products of features of different pictures.
    """
    count, channels, height, width = features.shape
    rows = features.flatten(2) if per_picture else features.reshape(1, count * channels, height * width)
    size = height * width * (channels if normalization == "chw" else 1) * (1 if per_picture else count)
    # Never in half precision, whatever the training's dtype: a float16 sum over 512 x 512 places is infinite.
    with torch.autocast(features.device.type, enabled=False):
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        matrices = rows @ rows.transpose(1, 2) / size
    return matrices if per_picture else matrices[0]


def gram_distance(
    x: Sequence[Tensor],
    y: Sequence[Tensor],
    normalization: Literal["hw", "chw"] = "chw",
    per_picture: bool = True,
) -> Tensor:
    """Sum over slices of the mean squared error of Gram matrices (the preprint's second term)."""
    pairs = zip(x, y, strict=True)
    return sum(F.mse_loss(gram(a, normalization, per_picture), gram(b, normalization, per_picture)) for a, b in pairs)


def statistics_distance(x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
    """Sum over slices of the squared errors of channel means and standard deviations (AdaIN style loss, as in STTR)."""
    total = x[0].new_zeros(())
    for a, b in zip(x, y, strict=True):
        a_std, a_mean = torch.std_mean(a, dim=(2, 3))
        b_std, b_mean = torch.std_mean(b, dim=(2, 3))
        # STTR adds 1e-6 to each deviation, which the difference takes away again.
        total = total + F.mse_loss(a_mean, b_mean) + F.mse_loss(a_std, b_std)
    return total


def total_variation(pictures: Tensor) -> Tensor:
    """Sum of squared differences of neighbours, down and across (STTR's `loss_tv`)."""
    return pictures.diff(dim=2).square().sum() + pictures.diff(dim=3).square().sum()


def sttr_criterion(output: Tensor, content: Tensor, style: Tensor, vgg: nn.Module) -> dict[str, Tensor]:
    """STTR's unsupervised objective, unweighted: {"content": squared error of relu4_1, "style": AdaIN style loss}."""
    features = vgg_slices(vgg, normalize(output))
    with torch.no_grad():
        of_content, of_style = vgg_slices(vgg, normalize(content)), vgg_slices(vgg, normalize(style))
    return {"content": F.mse_loss(features[-1], of_content[-1]), "style": statistics_distance(features, of_style)}


# --- terms of distillation --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LossSettings:
    """Networks and conventions that terms use."""

    vgg: nn.Module
    lpips: nn.Module | None = None  # `perceptual.lpips(...)`; only for the term of that name
    gram_normalize: Literal["hw", "chw"] = "chw"
    gram_constant: float = 1.0  # `matched`: chw times what `matched_constant` measured
    gram_per_picture: bool = True


@dataclass(frozen=True, eq=False)
class Comparison:
    """One batch of outputs beside what they are compared with. VGG19 features are computed once, when a term asks."""

    output: Tensor
    content: Tensor
    style: Tensor
    target: Tensor
    settings: LossSettings

    @cached_property
    def output_features(self) -> list[Tensor]:
        """VGG19 slices of the output pictures."""
        return vgg_slices(self.settings.vgg, normalize(self.output))

    @cached_property
    def target_features(self) -> list[Tensor]:
        """VGG19 slices of the target pictures."""
        return self._fixed(self.target)

    @cached_property
    def content_features(self) -> list[Tensor]:
        """VGG19 slices of the content pictures."""
        return self._fixed(self.content)

    @cached_property
    def style_features(self) -> list[Tensor]:
        """VGG19 slices of the style pictures."""
        return self._fixed(self.style)

    @torch.no_grad()
    def _fixed(self, pictures: Tensor) -> list[Tensor]:
        return vgg_slices(self.settings.vgg, normalize(pictures))


def pixel(batch: Comparison) -> Tensor:
    """Mean squared error to the teacher's picture (the preprint's L1)."""
    return F.mse_loss(normalize(batch.output), normalize(batch.target))


def pixel_l1(batch: Comparison) -> Tensor:
    """Mean absolute error to the teacher's picture."""
    return F.l1_loss(normalize(batch.output), normalize(batch.target))


def gram_to_target(batch: Comparison) -> Tensor:
    """Distance of Gram matrices to the teacher's picture (second term of the preprint's L2 and L3)."""
    how = batch.settings
    distance = gram_distance(batch.output_features, batch.target_features, how.gram_normalize, how.gram_per_picture)
    return how.gram_constant * distance


def adain(batch: Comparison) -> Tensor:
    """Distance of feature statistics to the style (STTR's style loss)."""
    return statistics_distance(batch.output_features, batch.style_features)


def content_to_content(batch: Comparison) -> Tensor:
    """Squared error of relu4_1 to the content's (STTR's content loss)."""
    return F.mse_loss(batch.output_features[-1], batch.content_features[-1])


def lpips_to_target(batch: Comparison) -> Tensor:
    """LPIPS to the teacher's picture, mean over the batch."""
    if batch.settings.lpips is None:
        raise ValueError("the term lpips needs LossSettings.lpips")
    return batch.settings.lpips(batch.output, batch.target).mean()


def tv(batch: Comparison) -> Tensor:
    """Total variation of the output per number of it, so that its weight does not depend on the picture's size."""
    return total_variation(normalize(batch.output)) / batch.output.numel()


TERMS: dict[str, Callable[[Comparison], Tensor]] = {
    "pixel": pixel,
    "pixel_l1": pixel_l1,
    "gram": gram_to_target,
    "adain": adain,
    "content": content_to_content,
    "lpips": lpips_to_target,
    "tv": tv,
}


def distillation_terms(
    output: Tensor, content: Tensor, style: Tensor, target: Tensor, names: Iterable[str], settings: LossSettings
) -> dict[str, Tensor]:
    """The named terms, unweighted scalars, of outputs for (content, style) whose teacher's pictures are `target`."""
    batch = Comparison(output, content, style, target, settings)
    return {name: TERMS[name](batch) for name in names}


# --- balance of terms -------------------------------------------------------------------------------------------


def matched_constant(
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    predict: Callable[[Tensor, Tensor], Tensor],
    vgg: nn.Module,
    per_picture: bool = True,
) -> float:
    """What the Gram term (chw) must be multiplied by to pull at the output as strongly as the pixel term.

    Mean norm of the pixel term's gradient at the output over that of the Gram term's. batches: (content, style,
    target) of training pairs, of the size that the training uses. predict: the start model, (content, style) to
    outputs. The configuration calls it `gram_normalize: matched`.
    """
    settings = LossSettings(vgg, gram_per_picture=per_picture)
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
