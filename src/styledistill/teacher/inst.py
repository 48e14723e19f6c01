"""InST, the method: what is done to latents (Zhang et al., "Inversion-based style transfer", CVPR 2023).

A style is a prompt that was learned from its one image (`inst_prompt`, `inst_learning`). The content is noised halfway,
the noise that the network sees in it takes the place of the noise that was put in (stochastic inversion, the paper's
section 3.3), and DDIM goes back from there under the style's prompt. All latents are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UserError
from . import ddim

# Of the noise that is put in: the same for every pair, as in the authors' notebook, which seeds anew for each image.
SEED = 42
# Added to variances, so that a flat image can be divided by its deviation.
ADAIN_EPS = 1e-5

# What the network says of latents (N, C, h, w) at a timestep.
Predict = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Plan:
    """The way: noise of `timestep`, whose abar is `level`; then the DDIM steps `back`, the noisiest first."""

    timestep: int
    level: float
    back: tuple[ddim.Step, ...]


def plan(levels: list[float], steps: int, strength: float) -> Plan:
    """How far contents are noised, and the steps back. levels: abar of each training timestep.

    As the authors count: noise of timestep int(strength x T), and the int(strength x steps) cleanest of `steps` DDIM
    steps, which begin a little below that timestep. Raises UserError where no step is left.
    """
    grid = ddim.diffusers(levels, steps).sampling
    count, timestep = int(strength * steps), int(strength * len(levels))
    if not count or timestep >= len(levels):
        raise UserError(
            f"teacher.inst.strength: {strength} of {steps} steps leaves nothing to do. Take more steps, or a strength "
            "between 0 and 1."
        )
    return Plan(timestep, levels[timestep], grid[len(grid) - count :])


def start(content: Tensor, style: Tensor) -> Tensor:
    """The content's latents with each channel's mean and deviation of the style; (N, C, h, w), (N, C, h', w')."""
    (c_mean, c_std), (s_mean, s_std) = _statistics(content), _statistics(style)
    return (content - c_mean) / c_std * s_std + s_mean


def _statistics(latents: Tensor) -> tuple[Tensor, Tensor]:
    deviation = (latents.var((2, 3), keepdim=True) + ADAIN_EPS).sqrt()
    return latents.mean((2, 3), keepdim=True), deviation


def seeded_noise(latents: Tensor) -> Tensor:
    """Normal noise like `latents` (N, C, h, w), the same for each of the N, whichever device they are on."""
    noise = torch.randn((1, *latents.shape[1:]), generator=torch.Generator().manual_seed(SEED))
    return noise.to(latents.device).expand_as(latents)


def noised(latents: Tensor, noise: Tensor, level: Tensor | float) -> Tensor:
    """`latents` with so much noise that abar is `level`; a level per image as (N, 1, 1, 1)."""
    level = torch.as_tensor(level, device=latents.device, dtype=latents.dtype)
    return level.sqrt() * latents + (1 - level).sqrt() * noise


def predicted_noise(latents: Tensor, output: Tensor, level: float, prediction: str) -> Tensor:
    """The noise in `latents` by the network's output, which means `epsilon` or `v_prediction`."""
    return output if prediction == "epsilon" else level**0.5 * output + (1 - level) ** 0.5 * latents


def invert(latents: Tensor, noise: Tensor, way: Plan, predict: Predict, prediction: str) -> Tensor:
    """Stochastic inversion: noise `latents`, ask for the noise once, and put that in instead."""
    noisy = noised(latents, noise, way.level)
    found = predicted_noise(noisy, predict(noisy, way.timestep), way.level, prediction)
    return noised(latents, found, way.level)


def sample(latents: Tensor, way: Plan, predict: Predict, prediction: str) -> Tensor:
    """DDIM back from inverted latents (N, C, h, w); the result sits at abar[0], as the authors decode it."""
    for step in way.back:
        latents, _ = ddim.advance(latents, predict(latents, step.timestep), step, prediction)
    return latents


def guided(plain: Tensor, prompted: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance from outputs under the empty prompt and under the style's."""
    return plain + guidance * (prompted - plain)
