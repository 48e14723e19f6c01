"""InST: learning a style's prompt. The network stays as it is and must tell the noise in the style image under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .inst import noised
from .inst_prompt import StylePrompt

# What the network says of latents (N, C, h, w) at timesteps (N,) under a prompt (1, tokens, channels).
Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Noising:
    """abar of each training timestep, and what the network's output means: `epsilon` or `v_prediction`."""

    levels: Tensor
    prediction: str

    def loss(self, denoise: Denoise, prompt: Tensor, latents: Tensor, timesteps: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error of the network's output under the prompt. The paper's equation 3.

        latents, noise: (N, C, h, w); timesteps: (N,).
        """
        level = self.levels[timesteps].view(-1, 1, 1, 1)
        target = noise if self.prediction == "epsilon" else level.sqrt() * noise - (1 - level).sqrt() * latents
        return F.mse_loss(denoise(noised(latents, noise, level), timesteps, prompt), target)


def optimizer_of(prompt: StylePrompt, learning_rate: float) -> torch.optim.Optimizer:
    """The authors' AdamW, with torch's own settings."""
    return torch.optim.AdamW(prompt.source.parameters(), lr=learning_rate)


def step(
    prompt: StylePrompt, optimizer: torch.optim.Optimizer, denoise: Denoise, latents: Tensor, noising: Noising
) -> float:
    """One step of learning on latents (N, C, h, w) of the style; the loss before it.

    Draws from torch's generator in the authors' order: timesteps, dropout, noise.
    """
    timesteps = torch.randint(0, len(noising.levels), (len(latents),)).to(latents.device)
    embedded = prompt()
    noise = torch.randn(latents.shape).to(latents.device)
    loss = noising.loss(denoise, embedded, latents, timesteps, noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def steps(
    first: int,
    last: int,
    seed: int,
    prompt: StylePrompt,
    optimizer: torch.optim.Optimizer,
    denoise: Denoise,
    views: Tensor,
    noising: Noising,
) -> Iterator[tuple[int, float]]:
    """Steps `first` to `last` - 1 of learning; yields the number of steps done and the loss of each.

    views: latents of the style image and of its mirror image, (2, C, h, w), of which each step takes one at random. A
    step draws its own random numbers, whatever has been drawn before, so a learning that was cut off goes on alike.
    """
    prompt.train()
    devices = [views.device] if views.device.type == "cuda" else []
    for number in range(first, last):
        with torch.random.fork_rng(devices), torch.enable_grad():
            torch.manual_seed(seed + number)
            chosen = int(torch.randint(0, len(views), ()))
            loss = step(prompt, optimizer, denoise, views[chosen : chosen + 1], noising)
        yield number + 1, loss
    prompt.eval()
