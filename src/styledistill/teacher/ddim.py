"""DDIM on a grid of timesteps, in the two conventions of the authors' own implementations.

A convention is nothing but a list of steps for the inversion and one for the sampling: at which timestep the network
is asked, at which noise level the latent sits and to which level it goes. Levels are abar, the cumulated product of
1 - beta (Song et al., "Denoising diffusion implicit models", section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..core.errors import UserError

# The step count of the published images. Only there the authors' ldm code drops its first reverse step.
LDM_PUBLISHED_STEPS = 50


@dataclass(frozen=True)
class Step:
    """One forward of the network: asked at `timestep`, it moves the latent from level `source` to level `target`."""

    timestep: int
    source: float
    target: float


@dataclass(frozen=True)
class Convention:
    """Everything in which the authors' two implementations differ.

    inversion: steps from clean to noisy. sampling: steps back; each timestep is also one of the inversion.
    adain_eps: added to the content's standard deviation. decode_x0: the image is the clean latent that the last step
    predicts, and not the latent after that step (which sits at abar[0]).
    """

    inversion: tuple[Step, ...]
    sampling: tuple[Step, ...]
    adain_eps: float
    decode_x0: bool


def ldm(levels: list[float], steps: int) -> Convention:
    """run_styleid.py: the network is asked at the source of each inversion step, the last of which ends at T - 1."""
    grid, stride = _grid(levels, steps)
    ends = [min(t + stride, len(levels) - 1) for t in grid]
    inversion = [Step(t, levels[t], levels[end]) for t, end in zip(grid, ends, strict=True)]
    # The authors skip t=981 but hand in the latent of t=999; the published images depend on it. At other counts
    # their code injects nothing or fails, so there all steps are done.
    start = steps - 1 if steps == LDM_PUBLISHED_STEPS else steps
    return Convention(tuple(inversion), _sampling(levels, grid[:start], stride), adain_eps=0.0, decode_x0=False)


def diffusers(levels: list[float], steps: int) -> Convention:
    """run_styleid_diffusers.py: the network is asked at the target of each inversion step; one grid both ways."""
    grid, stride = _grid(levels, steps)
    inversion = [Step(t, levels[max(0, t - stride)], levels[t]) for t in grid]
    return Convention(tuple(inversion), _sampling(levels, grid, stride), adain_eps=1e-4, decode_x0=True)


CONVENTIONS: dict[str, Callable[[list[float], int], Convention]] = {"ldm": ldm, "diffusers": diffusers}


def _grid(levels: list[float], steps: int) -> tuple[list[int], int]:
    """Timesteps 1, 1 + T/steps, ...: "leading" spacing with offset 1, the same in both implementations."""
    stride = len(levels) // steps
    grid = [k * stride + 1 for k in range(steps)]
    if stride < 1 or grid[-1] >= len(levels):
        raise UserError(f"teacher.steps: {steps} do not fit a model of {len(levels)} timesteps; take fewer steps.")
    return grid, stride


def _sampling(levels: list[float], grid: list[int], stride: int) -> tuple[Step, ...]:
    # The cleanest step goes to abar[0] and not to 1, in both implementations.
    return tuple(Step(t, levels[t], levels[max(0, t - stride)]) for t in reversed(grid))


def advance(latent: Tensor, output: Tensor, step: Step, prediction: str) -> tuple[Tensor, Tensor]:
    """One deterministic DDIM step (eta 0), in either direction: the next latent and the predicted clean latent.

    latent, output: (N, C, h, w). prediction: what the network's output means, `epsilon` or `v_prediction`; a velocity
    is read at the level where the latent sits, as diffusers' DDIMScheduler and DDIMInverseScheduler do.
    """
    signal, noise = step.source**0.5, (1 - step.source) ** 0.5
    if prediction == "v_prediction":
        clean, epsilon = signal * latent - noise * output, signal * output + noise * latent
    else:
        clean, epsilon = (latent - noise * output) / signal, output
    return step.target**0.5 * clean + (1 - step.target) ** 0.5 * epsilon, clean
