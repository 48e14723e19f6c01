"""The attention processors of the teacher's UNet: they hand out queries, keys and values, and take in others.

What a forward does in the injected layers is passed down with the forward itself (`cross_attention_kwargs`), so the
processors keep no state between forwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import UserError

Part = Literal["query", "key", "value"]
Role = Literal["content", "style"]
PARTS: dict[Role, tuple[Part, ...]] = {"content": ("query",), "style": ("key", "value")}


class Enough(Exception):
    """Raised inside a forward whose remaining outputs nobody reads."""


class Exchange(Protocol):
    """What a forward of some images does in the injected layers."""

    def part(self, rows: slice) -> Exchange:
        """The same for some of the images."""
        ...

    def tokens(self, layer: int, attention: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
        """Query, key and value (N, tokens, channels) with which `layer` attends, and the temperature."""
        ...


@dataclass
class Bank:
    """Attention features of `count` images at one timestep: by (layer, part), a tensor (count, tokens, channels)."""

    count: int
    features: dict[tuple[int, Part], Tensor] = field(default_factory=dict)

    def put(self, layer: int, part: Part, rows: slice, tokens: Tensor) -> None:
        """Keep the `tokens` of the images `rows`."""
        if (layer, part) not in self.features:
            self.features[layer, part] = tokens.new_empty((self.count, *tokens.shape[1:]))
        self.features[layer, part][rows] = tokens


@dataclass(frozen=True)
class Recording:
    """Keep into `rows` of a bank the queries of contents or the keys and values of styles.

    stop_after: the layer behind which nothing is read any more; None where the network's output is wanted too.
    """

    bank: Bank
    role: Role
    rows: slice
    stop_after: int | None = None

    def part(self, rows: slice) -> Recording:
        """The same for some of the images."""
        first = self.rows.start
        return replace(self, rows=slice(first + rows.start, first + rows.stop))

    def tokens(self, layer: int, attention: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
        """The image's own tokens, of which the wanted ones are kept. Raises Enough in the layer `stop_after`."""
        last = layer == self.stop_after
        projections = {"query": attention.to_q, "key": attention.to_k, "value": attention.to_v}
        wanted = PARTS[self.role]
        made = {part: project(hidden) for part, project in projections.items() if not last or part in wanted}
        for part in wanted:
            self.bank.put(layer, part, self.rows, made[part])
        if last:
            raise Enough
        return made["query"], made["key"], made["value"], 1.0


@dataclass(frozen=True)
class Injection:
    """Attn(gamma Q_c + (1 - gamma) Q_cs, K_s, V_s) with the logits times `temperature` (StyleID, section 4).

    contents, styles: banks of one timestep. content_rows, style_rows: for each image of the batch its row in them.
    """

    contents: Bank
    styles: Bank
    content_rows: Tensor
    style_rows: Tensor
    gamma: float
    temperature: float

    def part(self, rows: slice) -> Injection:
        """The same for some of the images."""
        return replace(self, content_rows=self.content_rows[rows], style_rows=self.style_rows[rows])

    def tokens(self, layer: int, attention: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
        """The mixed query; key and value of the style, so that the image's own are not computed."""
        own = attention.to_q(hidden)
        query = torch.lerp(own, self.contents.features[layer, "query"][self.content_rows], self.gamma)
        key = self.styles.features[layer, "key"][self.style_rows]
        value = self.styles.features[layer, "value"][self.style_rows]
        return query, key, value, self.temperature


def attend(attention: nn.Module, query: Tensor, key: Tensor, value: Tensor, temperature: float = 1.0) -> Tensor:
    """softmax(temperature Q K^T / sqrt(d)) V per head, then the output projection; one fused call.

    query: (N, tokens, channels); key, value: (N, other tokens, channels).
    """
    heads = attention.heads
    split = (tokens.unflatten(-1, (heads, -1)).transpose(1, 2) for tokens in (query, key, value))
    scale = temperature * (query.shape[-1] // heads) ** -0.5
    joined = F.scaled_dot_product_attention(*split, scale=scale).transpose(1, 2).flatten(2)
    return attention.to_out[0](joined)


class SelfAttention:
    """Processor of a self-attention; `layer` is its number if it is an injected one of the decoder."""

    def __init__(self, layer: int | None = None) -> None:
        self.layer = layer

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        exchange: Exchange | None = None,
    ) -> Tensor:
        """The signature is diffusers'; hidden_states: (N, tokens, channels)."""
        if self.layer is None or exchange is None:
            tokens = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
            return attend(attn, *tokens)
        return attend(attn, *exchange.tokens(self.layer, attn, hidden_states))


class NullTextAttention:
    """Processor of a cross-attention to the empty prompt, whose keys and values are the same in every forward."""

    def __init__(self, attention: nn.Module, null_text: Tensor) -> None:
        self.key, self.value = attention.to_k(null_text), attention.to_v(null_text)

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        exchange: Exchange | None = None,
    ) -> Tensor:
        """The signature is diffusers'; hidden_states: (N, tokens, channels)."""
        count = len(hidden_states)
        return attend(attn, attn.to_q(hidden_states), self.key.expand(count, -1, -1), self.value.expand(count, -1, -1))


def decoder_layers(unet: nn.Module) -> dict[int, str]:
    """The decoder's self-attentions: number -> name of the module.

    Numbered as the output blocks of the original latent-diffusion code are: every residual block of the decoder has a
    number, counted from the coarsest, and an attention bears the number of the block that it follows. So the numbers
    of Stable Diffusion are 3..11: its coarsest resolution has three residual blocks (0, 1, 2) and no attention.
    """
    layers: dict[int, str] = {}
    first = 0
    for index, block in enumerate(unet.up_blocks):
        for place, _ in enumerate(getattr(block, "attentions", ())):
            layers[first + place] = f"up_blocks.{index}.attentions.{place}.transformer_blocks.0.attn1"
        first += len(block.resnets)
    return layers


def choose_layers(unet: nn.Module, asked: Literal["auto"] | Sequence[int]) -> list[int]:
    """The injected layers: those asked for, or all at the two finest resolutions that have attention ('auto').

    Raises UserError for a layer that does not exist.
    """
    names = decoder_layers(unet)
    if asked == "auto":
        finest = sorted({_resolution(name) for name in names.values()})[-2:]
        return [layer for layer, name in names.items() if _resolution(name) in finest]
    for layer in asked:
        if layer not in names:
            have = ", ".join(map(str, names))
            raise UserError(f"teacher.layers: there is no layer {layer}; this model's decoder attentions are {have}.")
    return sorted(set(asked))


def feature_bytes(unet: nn.Module, layers: Sequence[int], latents: Tensor, role: Role) -> int:
    """Memory of the features of `latents` (N, C, h, w) at one timestep."""
    names = decoder_layers(unet)
    total = 0
    for layer in layers:
        weight = unet.get_submodule(names[layer]).to_q.weight
        side = 2 ** (len(unet.up_blocks) - 1 - _resolution(names[layer]))
        tokens = (latents.shape[-2] // side) * (latents.shape[-1] // side)
        total += len(PARTS[role]) * len(latents) * tokens * weight.shape[0] * weight.element_size()
    return total


def _resolution(name: str) -> int:
    return int(name.split(".")[1])  # each decoder block works at one resolution


def install(unet: nn.Module, null_text: Tensor, layers: Sequence[int]) -> None:
    """Give every attention of `unet` its processor. null_text: (1, tokens, channels) of the empty prompt."""
    numbers = {name: layer for layer, name in decoder_layers(unet).items() if layer in layers}
    processors: dict[str, Any] = {}
    for name in unet.attn_processors:
        module = name.removesuffix(".processor")
        if module.endswith("attn2"):
            processors[name] = NullTextAttention(unet.get_submodule(module), null_text)
        else:
            processors[name] = SelfAttention(numbers.get(module))
    unet.set_attn_processor(processors)
