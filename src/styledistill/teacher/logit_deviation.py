"""How spread the logits of the injected attentions are, over the timesteps, with and without injection.

A content's queries fit a style's keys worse than their own: the logits lie closer together and the attention blurs.
StyleID (section 4.3) counters that with a temperature, chosen as the ratio of the two deviations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .engine import Pair, Teacher
from .injection import Exchange

Found = dict[int, list[Tensor]]  # by layer, a deviation per image


@dataclass(frozen=True)
class Watched:
    """An exchange whose logits' deviations are written down."""

    inner: Exchange
    found: Found

    def part(self, rows: slice) -> Watched:
        """The same for some of the images."""
        return Watched(self.inner.part(rows), self.found)

    def tokens(self, layer: int, attention: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
        """What the inner exchange says."""
        query, key, value, temperature = self.inner.tokens(layer, attention, hidden)
        self.found[layer].append(logit_deviation(query, key, attention.heads).mean(1).cpu())
        return query, key, value, temperature


class SelfAttended:
    """No exchange: every image attends to itself."""

    def part(self, rows: slice) -> SelfAttended:
        """The same for some of the images."""
        return self

    def tokens(self, layer: int, attention: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
        """The image's own query, key and value."""
        return attention.to_q(hidden), attention.to_k(hidden), attention.to_v(hidden), 1.0


def logit_deviation(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """Standard deviation (N, heads) over all logits q k / sqrt(d) of query and key (N, tokens, channels).

    From sums over tokens, so that no map of tokens x tokens is held: sum (q k)^2 = <Q^T Q, K^T K>. No temperature.
    """
    q, k = (tokens.double().unflatten(-1, (heads, -1)).transpose(1, 2) for tokens in (query, key))
    count = q.shape[2] * k.shape[2]
    mean = (q.sum(2) * k.sum(2)).sum(-1) / count
    square = (q.transpose(2, 3) @ q * (k.transpose(2, 3) @ k)).sum((2, 3)) / count
    return ((square - mean**2).clamp_min(0) / q.shape[-1]).sqrt()


@torch.no_grad()
def attention_deviation(teacher: Teacher, contents: Tensor, styles: Tensor) -> list[dict[str, float | int | str]]:
    """One row per sampling step, layer and kind (`injected`, `own`): the mean deviation over all pairs.

    contents (N, 3, H, W), styles (M, 3, H, W) in [0, 1]; every content with every style. Both kinds start from the same
    latents; set the teacher's temperature to 1 to see what the injection alone does.
    """
    pairs = [(c, s) for c in range(len(contents)) for s in range(len(styles))]
    inverted = [
        teacher.invert(teacher.encode(images), role) for images, role in ((contents, "content"), (styles, "style"))
    ]
    return [
        {"timestep": step.timestep, "layer": layer, "kind": kind, "deviation": torch.cat(values).mean().item()}
        for kind in ("injected", "own")
        for step, found in zip(teacher.convention.sampling, _sampled(teacher, *inverted, pairs, kind), strict=True)
        for layer, values in sorted(found.items())
    ]


def _sampled(teacher: Teacher, contents, styles, pairs: Sequence[Pair], kind: str) -> list[Found]:
    steps: list[Found] = []

    def through(injection: Exchange) -> Exchange:
        steps.append(defaultdict(list))
        return Watched(injection if kind == "injected" else SelfAttended(), steps[-1])

    teacher.sample(contents, styles, pairs, through=through)
    return steps
