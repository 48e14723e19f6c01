"""StyleID, the method: what is done to latents (Chung, Hyun, Heo, "Style injection in diffusion", CVPR 2024).

Contents and styles are inverted to noise; the content's noise gets the style's statistics; on the way back chosen
self-attentions of the decoder see the style's keys and values. All latents are float32 whatever the network's dtype.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from ..config import GammaSchedule


def encode(vae: nn.Module, pictures: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] to scaled latents (N, C, h, w): the posterior's mode, never a sample."""
    return vae.encode(pictures * 2 - 1).latent_dist.mode() * vae.config.scaling_factor


def decode(vae: nn.Module, latents: Tensor) -> Tensor:
    """Scaled latents (N, C, h, w) to images (N, 3, H, W), not yet clamped to [0, 1]."""
    return vae.decode(latents / vae.config.scaling_factor).sample / 2 + 0.5


def adain(content: Tensor, style: Tensor, eps: float = 0.0) -> Tensor:
    """Give each channel of `content` the mean and standard deviation of `style`.

    content, style: latents (N, C, H, W) and (N, C, H', W'); sizes may differ. eps is added to the content's standard
    deviation (1e-4 in the authors' diffusers code, 0 in their ldm code). StyleID, section on initial latent AdaIN.
    """
    c_mean, s_mean = content.mean((2, 3), keepdim=True), style.mean((2, 3), keepdim=True)
    c_std, s_std = content.std((2, 3), keepdim=True), style.std((2, 3), keepdim=True)
    return (content - c_mean) / (c_std + eps) * s_std + s_mean


def gammas(setting: float | GammaSchedule, steps: int) -> list[float]:
    """gamma for each of the `steps` steps that the sampling does, the noisiest first."""
    if not isinstance(setting, GammaSchedule):
        return [setting] * steps
    way = [i / max(1, steps - 1) for i in range(steps)]
    if setting.shape == "cosine":
        way = [(1 - math.cos(math.pi * part)) / 2 for part in way]
    return [setting.start + (setting.end - setting.start) * part for part in way]
