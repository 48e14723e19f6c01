"""The engine: many pairs at once, so that nothing but the network costs.

Contents and styles are inverted once each. Then all pairs of a chunk advance together through the timesteps
("lockstep"): at each timestep the contents' queries and the styles' keys and values are there for all pairs, either
recomputed from the kept latents and dropped again, or kept from the inversion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import config
from ..core.fingerprint import fingerprint_modules
from ..core.tensors import from_uint8
from . import ddim, styleid
from .asked import Asked
from .batching import Pair, free_bytes
from .diffusion import DiffusionTeacher, Model, Sampler
from .injection import Bank, Enough, Exchange, Injection, Recording, Role, choose_layers, feature_bytes, install
from .round_trip import sampled_back

# The part of the free memory that kept features of all timesteps may take before `auto` recomputes them instead.
CACHE_SHARE = 0.4
# What decides the numbers; the engine, which only orders the work, is no part of a finished pair's key.
METHOD = [f"styledistill.teacher.{name}" for name in ("ddim", "injection", "styleid")]


@dataclass
class Inverted:
    """Inverted images of one role.

    levels[k]: the latents (N, C, h, w) that entered inversion step k; levels[-1]: the last ones. banks: the features by
    timestep, where they are kept. outputs[k]: what the network said at inversion step k. error: of the round trip, once
    it was measured.
    """

    role: Role
    levels: list[Tensor]
    banks: dict[int, Bank] = field(default_factory=dict)
    outputs: list[Tensor] = field(default_factory=list)
    error: Tensor | None = None


Block = tuple[Inverted, Inverted, bool]  # contents and styles, and whether their features are kept


class Teacher(DiffusionTeacher):
    """StyleID on a latent diffusion model."""

    advice = "Leave its content or style out of its source, or check teacher.weights."

    def __init__(self, model: Model, settings: config.Teacher) -> None:
        """Of several gammas it is the teacher at the first; `others` are those at the further ones."""
        self._further_gammas, settings = settings.further_gammas, settings.at_first_gamma
        super().__init__(model, settings)
        self._kept: dict[Any, Block] = {}  # what was inverted last, where another gamma will ask for it
        self.convention = ddim.CONVENTIONS[settings.convention](model.levels, settings.steps)
        self.layers = choose_layers(model.unet, settings.layers) if settings.injection else []
        self.gammas = styleid.gammas(settings.gamma, len(self.convention.sampling))
        self._step_of = {step.timestep: k for k, step in enumerate(self.convention.inversion)}
        self._prompt = model.null_text.to(model.device, model.dtype)
        with torch.no_grad():
            install(model.unet, self._prompt, self.layers)
        self._unet = torch.compile(model.unet) if settings.compile else model.unet

    @property
    def key(self) -> dict[str, Any]:
        """What a finished pair depends on besides its two images.

        Batch size, kept or recomputed features and compilation are left out: they reorder sums, which may move an
        image by one level, and a store that forgot all pairs when a GPU had to halve its batch would be of no use.
        """
        asked = self.settings.model_dump(mode="json")
        method = {name: asked[name] for name in ("convention", "steps", "gamma", "temperature", "adain", "dtype")}
        code = fingerprint_modules(METHOD)
        return {**method, "layers": self.layers, "weights": self.model.weights, "code": code}

    def others(self) -> list[Teacher]:
        """The teacher at the further gammas. They share the last inversions: the same images are only sampled again."""
        teachers = []
        for gamma in self._further_gammas:
            teacher = copy(self)
            teacher.settings = self.settings.at(gamma)
            teacher.gammas = styleid.gammas(gamma, len(self.convention.sampling))
            teachers.append(teacher)
        return teachers

    def _prepared(self, asked: Asked, c_ids: list[int], s_ids: list[int], missing: list[Pair]) -> tuple[Sampler, bool]:
        contents, styles, cached = self._inverted(asked.contents[c_ids], asked.styles[s_ids])
        if asked.measured is not None:
            asked.measured.put(asked.styles[s_ids], self.round_trip(styles))
            asked.measured.put(asked.contents[c_ids], self.round_trip(contents))
        # Without kept features all go at once, or they would be computed anew for every few pairs.
        return partial(self.sample, contents, styles), not cached

    def _inverted(self, contents: np.ndarray, styles: np.ndarray) -> Block:
        """Both inverted, and whether with their features; once where other gammas ask for the same."""
        asked = contents.shape, contents.tobytes(), styles.shape, styles.tobytes()
        if asked in self._kept:
            return self._kept[asked]
        self._kept.clear()  # before more memory is taken
        latents = self.encode(from_uint8(contents)), self.encode(from_uint8(styles))
        cached = self._plan_memory(*latents)
        block = self.invert(latents[0], "content", cached), self.invert(latents[1], "style", cached), cached
        if self._further_gammas:
            self._kept[asked] = block
        return block

    def _exact(self) -> Teacher:
        return Teacher(replace(self.model, unet=self.model.exact_unet()), self.settings)

    # --- latents ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def invert(self, latents: Tensor, role: Role, keep_features: bool = False) -> Inverted:
        """DDIM inversion of clean latents (N, C, h, w), float32."""
        inverted = Inverted(role, [latents])
        sampled = {step.timestep for step in self.convention.sampling} if keep_features and self.layers else set()
        for step in self.convention.inversion:
            recording = None
            if step.timestep in sampled:
                bank = inverted.banks[step.timestep] = Bank(len(latents))
                recording = Recording(bank, role, slice(0, len(latents)))
            output = self._predict(inverted.levels[-1], step.timestep, recording)
            inverted.outputs.append(output)
            inverted.levels.append(ddim.advance(inverted.levels[-1], output, step, self.model.prediction)[0])
        return inverted

    @torch.no_grad()
    def round_trip(self, inverted: Inverted) -> Tensor:
        """How far images come back from their inversion when they are sampled without injection: (N,).

        Root mean square of the difference of latents, in units of scaled latents, whose standard deviation is about 1.
        Estimated with a tenth of the forwards (`round_trip.sampled_back`).
        """
        if inverted.error is None:
            steps, ask = self.convention.sampling, lambda latents, timestep: self._predict(latents, timestep, None)
            outputs = [inverted.outputs[self._step_of[step.timestep]] for step in steps]
            ends = sampled_back(inverted.levels[-1], outputs, steps, self.model.prediction, ask)
            inverted.error = (ends[self.convention.decode_x0] - inverted.levels[0]).square().mean((1, 2, 3)).sqrt()
        return inverted.error

    @torch.no_grad()
    def sample(
        self,
        contents: Inverted,
        styles: Inverted,
        pairs: Sequence[Pair],
        watch: Callable[[Tensor, Tensor], None] | None = None,
        through: Callable[[Exchange], Exchange] = lambda injection: injection,
    ) -> Tensor:
        """Stylized latents (len(pairs), C, h, w), ready to be decoded; pairs name rows of `contents` and `styles`.

        watch is shown every step's latents and predicted clean latents; through may replace every step's injection.
        """
        rows = torch.tensor(pairs, device=self.model.device).unbind(1)
        latents = self.start(contents, styles, pairs)
        for step, gamma in zip(self.convention.sampling, self.gammas, strict=True):
            output = self._predict_injected(latents, step.timestep, gamma, contents, styles, rows, through)
            latents, clean = ddim.advance(latents, output, step, self.model.prediction)
            if watch is not None:
                watch(latents, clean)
        return clean if self.convention.decode_x0 else latents

    @torch.no_grad()
    def start(self, contents: Inverted, styles: Inverted, pairs: Sequence[Pair]) -> Tensor:
        """The latents (len(pairs), C, h, w) at which the sampling of the pairs starts."""
        content = contents.levels[-1][[c for c, _ in pairs]]
        style = styles.levels[-1][[s for _, s in pairs]]
        return styleid.adain(content, style, self.convention.adain_eps) if self.settings.adain else content

    def _predict_injected(
        self,
        latents: Tensor,
        timestep: int,
        gamma: float,
        contents: Inverted,
        styles: Inverted,
        rows: Sequence[Tensor],
        through: Callable[[Exchange], Exchange],
    ) -> Tensor:
        if not self.layers:
            return self._predict(latents, timestep, None)
        banks = self._bank(contents, timestep), self._bank(styles, timestep)
        return self._predict(latents, timestep, through(Injection(*banks, *rows, gamma, self.settings.temperature)))

    def _bank(self, inverted: Inverted, timestep: int) -> Bank:
        """Features of the images at a timestep: from the latents for which the inversion asked the network there."""
        if timestep in inverted.banks:
            return inverted.banks[timestep]
        latents = inverted.levels[self._step_of[timestep]]
        bank = Bank(len(latents))
        # A compiled forward cannot be left in its middle.
        last = None if self.settings.compile else self.layers[-1]
        recording = Recording(bank, inverted.role, slice(0, len(latents)), last)
        for _ in self._batching.each(len(latents), lambda at: self._forward(latents[at], timestep, recording.part(at))):
            pass
        return bank

    # --- forwards -----------------------------------------------------------------------------------------------

    def _predict(self, latents: Tensor, timestep: int, exchange: Exchange | None) -> Tensor:
        def run(rows: slice) -> Tensor:
            return self._forward(latents[rows], timestep, exchange.part(rows) if exchange else None)

        return torch.cat(list(self._batching.each(len(latents), run)))

    def _forward(self, latents: Tensor, timestep: int, exchange: Exchange | None) -> Tensor:
        """The network's output, float32; the latents themselves where the forward ended early."""
        prompt = self._prompt.expand(len(latents), -1, -1)
        asked = torch.tensor(timestep, device=latents.device)
        self.forwards += len(latents)
        try:
            output = self._unet(
                latents.to(self.model.dtype),
                asked,
                encoder_hidden_states=prompt,
                cross_attention_kwargs={"exchange": exchange},
                return_dict=False,
            )
        except Enough:
            return latents
        return output[0].float()

    def _plan_memory(self, contents: Tensor, styles: Tensor) -> bool:
        """Whether features are kept; on a GPU also the batch: what its memory holds, measured with one image."""
        device = self.model.device
        kept = feature_bytes(self.model.unet, self.layers, contents, "content")
        kept += feature_bytes(self.model.unet, self.layers, styles, "style")
        kept *= len(self.convention.sampling)
        asked = self.settings.features
        cached = asked == "cache" or (asked == "auto" and kept < CACHE_SHARE * free_bytes(device))
        timestep = self.convention.inversion[0].timestep
        self._batching.fit(device, lambda: self._forward(contents[:1], timestep, None), kept * cached)
        return cached
