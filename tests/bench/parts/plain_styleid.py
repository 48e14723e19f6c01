"""StyleID written plainly, from its description: what the engine is measured against.

One pair at a time. The network keeps its own attention. Forward hooks on the decoder's self-attentions compute it once
more to read query, key and value, and once again to inject others; every intermediate latent is decoded. So works the
authors' diffusers program (`run_styleid_diffusers.py`), whose conventions these are: tests/parity compares with its
outputs and counts. Nothing here is shared with the engine.

Chung, Hyun, Heo, "Style injection in diffusion", CVPR 2024, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

# Per layer and timestep: query, key and value, each (heads, tokens, channels / heads).
Features = dict[tuple[str, int], tuple[Tensor, Tensor, Tensor]]
Given = tuple[Tensor, ...]
Hook = Callable[[str, nn.Module, Given, Tensor], Tensor | None]


@dataclass
class PlainStyleID:
    """StyleID of one pair of latents, for a network that predicts the noise.

    unet: diffusers module with its own attention processors. null_text: (1, tokens, channels). levels: abar of each
    training timestep. layers: names of the self-attentions that are injected. decode: is shown every intermediate
    latent (1, C, h, w), those of the style's inversion first, then the content's, then each predicted clean latent.
    """

    unet: nn.Module
    null_text: Tensor
    levels: list[float]
    layers: Sequence[str]
    steps: int
    gamma: float
    temperature: float
    decode: Callable[[Tensor], object]

    @torch.no_grad()
    def stylize(self, content: Tensor, style: Tensor) -> Tensor:
        """The stylized clean latent (1, C, h, w); content, style: clean latents (1, C, h, w), float32."""
        style_noise, style_features = self._invert(style)
        content_noise, content_features = self._invert(content)
        return self._sample(_adain(content_noise, style_noise), content_features, style_features)

    def _invert(self, latent: Tensor) -> tuple[Tensor, Features]:
        features: Features = {}
        for timestep in self._timesteps:
            with self._hooked(partial(_read, features, timestep)):
                noise = self._predict(latent, timestep)
            # The network is asked at the level where the step ends.
            source, target = self._level_before(timestep), self.levels[timestep]
            clean = (latent - (1 - source) ** 0.5 * noise) / source**0.5
            latent = target**0.5 * clean + (1 - target) ** 0.5 * noise
            self.decode(latent)
        return latent, features

    def _sample(self, latent: Tensor, contents: Features, styles: Features) -> Tensor:
        clean = latent
        for timestep in reversed(self._timesteps):
            inject = partial(_inject, contents, styles, timestep, self.gamma, self.temperature)
            with self._hooked(inject):
                noise = self._predict(latent, timestep)
            source, target = self.levels[timestep], self._level_before(timestep)
            clean = (latent - (1 - source) ** 0.5 * noise) / source**0.5
            latent = target**0.5 * clean + (1 - target) ** 0.5 * noise
            self.decode(clean)
        return clean

    @property
    def _timesteps(self) -> list[int]:
        return [step * self._stride + 1 for step in range(self.steps)]

    @property
    def _stride(self) -> int:
        return len(self.levels) // self.steps

    def _level_before(self, timestep: int) -> float:
        return self.levels[max(0, timestep - self._stride)]

    def _predict(self, latent: Tensor, timestep: int) -> Tensor:
        asked = torch.tensor(timestep, device=latent.device)
        dtype = self.null_text.dtype
        return self.unet(latent.to(dtype), asked, encoder_hidden_states=self.null_text).sample.float()

    @contextmanager
    def _hooked(self, hook: Hook) -> Iterator[None]:
        handles = [self.unet.get_submodule(name).register_forward_hook(partial(hook, name)) for name in self.layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _read(features: Features, timestep: int, name: str, module: nn.Module, given: Given, _: Tensor) -> None:
    features[name, timestep] = attention_again(module, given[0])[:3]


def _inject(
    contents: Features,
    styles: Features,
    timestep: int,
    gamma: float,
    temperature: float,
    name: str,
    module: nn.Module,
    given: Given,
    _: Tensor,
) -> Tensor:
    own = attention_again(module, given[0])[0]
    query = gamma * contents[name, timestep][0] + (1 - gamma) * own
    _, key, value = styles[name, timestep]
    return attention_again(module, given[0], (query, key, value), temperature)[3]


def attention_again(
    attention: nn.Module, hidden: Tensor, others: tuple[Tensor, Tensor, Tensor] | None = None, temperature: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, key, value (heads, tokens, channels / heads) and output (1, tokens, channels) of a self-attention.

    hidden: (1, tokens, channels). others: query, key and value in place of the layer's own.
    """
    if others is None:
        made = (project(hidden) for project in (attention.to_q, attention.to_k, attention.to_v))
        query, key, value = (attention.head_to_batch_dim(tokens) for tokens in made)
    else:
        query, key, value = others
    weights = attention.get_attention_scores(temperature * query, key)
    joined = attention.batch_to_head_dim(torch.bmm(weights, value))
    return query, key, value, attention.to_out[0](joined)


def _adain(content: Tensor, style: Tensor) -> Tensor:
    normal = (content - content.mean((2, 3), keepdim=True)) / (content.std((2, 3), keepdim=True) + 1e-4)
    return normal * style.std((2, 3), keepdim=True) + style.mean((2, 3), keepdim=True)
