"""The engine: many pairs at once, so that nothing but the network costs.

Contents and styles are inverted once each. Then all pairs of a chunk advance together through the timesteps
("lockstep"): at each timestep the contents' queries and the styles' keys and values are there for all pairs, either
recomputed from the kept latents and dropped again, or kept from the inversion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import config
from ..core.distinct import distinct
from ..core.errors import UserError
from ..core.fingerprint import fingerprint_modules
from ..core.tensors import from_uint8, to_uint8
from . import ddim, styleid
from .batching import Batching, Pair, free_bytes, groups, whole_batches
from .injection import Bank, Enough, Exchange, Injection, Recording, Role, choose_layers, feature_bytes, install
from .pair_cache import PairStore
from .round_trip import RoundTrips, sampled_back

# The part of the free memory that kept features of all timesteps may take before `auto` recomputes them instead.
CACHE_SHARE = 0.4
# Pixels per forward of the VAE, whose activations stand at full resolution: 4 images of 512 x 512, about 5 GB.
VAE_PIXELS = 1 << 20
# What decides the numbers; the engine, which only orders the work, is no part of a finished pair's key.
METHOD = [f"styledistill.teacher.{name}" for name in ("ddim", "injection", "styleid")]


@dataclass(frozen=True)
class Model:
    """A latent diffusion model as the teacher needs it.

    unet, vae: diffusers modules on one device, the VAE in float32. null_text: (1, tokens, channels), the empty prompt.
    levels: abar of each training timestep. prediction: `epsilon` or `v_prediction`. weights: hash of what was loaded.
    exact_unet: loads the UNet once more, in float32.
    """

    unet: nn.Module
    vae: nn.Module
    null_text: Tensor
    levels: list[float]
    prediction: str
    weights: str
    exact_unet: Callable[[], nn.Module]

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the UNet; the VAE is always in float32."""
        return next(self.unet.parameters()).dtype


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


class Teacher:
    """StyleID on a latent diffusion model; satisfies the Stylizer protocol."""

    def __init__(self, model: Model, settings: config.Teacher) -> None:
        """Of several gammas it is the teacher at the first; `others` are those at the rest."""
        settings, self._more_gammas = settings.distilled, settings.gammas[1:]
        self.model, self.settings = model, settings
        self._kept: dict[Any, Block] = {}  # what was inverted last, where another gamma will ask for it
        self.convention = ddim.CONVENTIONS[settings.convention](model.levels, settings.steps)
        self.layers = choose_layers(model.unet, settings.layers) if settings.injection else []
        self.gammas = styleid.gammas(settings.gamma, len(self.convention.sampling))
        self._batching = Batching(model.vae, settings.batch)
        self.forwards = 0  # images that went through the UNet, for benchmarks
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
        """The teacher at the other gammas. They share the last inversions: the same images are only sampled again."""
        teachers = []
        for gamma in self._more_gammas:
            teacher = copy(self)
            teacher.settings = self.settings.at(gamma)
            teacher.gammas = styleid.gammas(gamma, len(self.convention.sampling))
            teachers.append(teacher)
        return teachers

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """What it is made of."""
        return self.model.unet, self.model.vae

    # --- images -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def stylize(
        self,
        contents: Tensor,
        styles: Tensor,
        store: PairStore | None = None,
        on_done: Callable[[int], None] | None = None,
        names: Sequence[str] | None = None,
        measured: RoundTrips | None = None,
    ) -> Tensor:
        """The images of the pairs (contents[i], styles[i]).

        contents (N, 3, H, W), styles (N, 3, H', W') in [0, 1]; rounded to 8 bits before anything is computed, as the
        returned (N, 3, H, W) are. Equal images are inverted once, equal pairs computed once, and pairs in `store` not
        at all; new ones go there as soon as their chunk is done. on_done is told how many more of the N are done.
        names: of the N pairs, for messages. measured: takes the round-trip errors of the images that are inverted.
        Raises UserError for sizes that do not fit the latent grid and for an image that is not finite even in float32.
        """
        self._check_sizes(contents, styles)
        content_images, content_of = _distinct(to_uint8(contents))
        style_images, style_of = _distinct(to_uint8(styles))
        pairs = list(zip(content_of, style_of, strict=True))
        uses = Counter(pairs)
        done: dict[Pair, Tensor] = {}
        broken: list[Pair] = []

        def finish(pair: Pair, image: np.ndarray, store: PairStore | None) -> None:
            if store is not None:
                store.put(content_images[pair[0]], style_images[pair[1]], image)
            done[pair] = from_uint8(image)[0]
            if on_done is not None:
                on_done(uses[pair])

        for pair in uses if store is not None else ():
            found = store.get(content_images[pair[0]], style_images[pair[1]])
            if found is not None:
                finish(pair, found, None)
        for group in groups(list(uses)):
            for pair, image in self._missing_of(group, done.keys(), content_images, style_images, measured):
                if bool(image.isfinite().all()):
                    finish(pair, to_uint8(image[None])[0], store)
                else:
                    broken.append(pair)
        if broken:
            rows = [pairs.index(pair) for pair in broken]
            labels = [names[row] if names else f"number {row}" for row in rows]
            again = self._in_float32(contents[rows], styles[rows], labels)
            for pair, image in zip(broken, to_uint8(again), strict=True):
                finish(pair, image, store)
        return torch.stack([done[pair] for pair in pairs])

    def _check_sizes(self, contents: Tensor, styles: Tensor) -> None:
        grid = _vae_factor(self.model.vae) * 2 ** (len(self.model.unet.config.block_out_channels) - 1)
        for role, images in (("content", contents), ("style", styles)):
            height, width = images.shape[-2:]
            if not height or not width or height % grid or width % grid:
                raise UserError(
                    f"teacher: a {role} image of {width} x {height} pixels does not fit the latent grid; "
                    f"both sides must be multiples of {grid}."
                )

    def _missing_of(
        self,
        group: list[Pair],
        done: Container[Pair],
        content_images: np.ndarray,
        style_images: np.ndarray,
        measured: RoundTrips | None,
    ) -> Iterator[tuple[Pair, Tensor]]:
        """The not yet finished pairs of a group with their images (3, H, W), chunk by chunk."""
        missing = [pair for pair in group if pair not in done]
        if not missing:
            return
        # Bits depend on the size of a forward. So that a resumed job makes the bytes of an undisturbed one, the order
        # of the whole group decides who shares a forward, whatever of it is finished already.
        c_ids = whole_batches([c for c, _ in group], {c for c, _ in missing}, self.settings.batch)
        s_ids = whole_batches([s for _, s in group], {s for _, s in missing}, self.settings.batch)
        contents, styles, cached = self._inverted(content_images[c_ids], style_images[s_ids])
        if measured is not None:
            measured.put(style_images[s_ids], self.round_trip(styles))
            measured.put(content_images[c_ids], self.round_trip(contents))
        size = min(self._batching.unet, len(group))
        # Without kept features a chunk is the whole group, or they would be computed anew for every few pairs.
        chunk = size if cached else len(missing)
        for first in range(0, len(missing), chunk):
            part = missing[first : first + chunk]
            filled = part + part[-1:] * (-len(part) % size if self._fixed_size else 0)
            latents = self.sample(contents, styles, [(c_ids.index(c), s_ids.index(s)) for c, s in filled])
            yield from zip(part, self.decode(latents[: len(part)]).cpu(), strict=True)

    def _inverted(self, contents: np.ndarray, styles: np.ndarray) -> Block:
        """Both inverted, and whether with their features; once where other gammas ask for the same."""
        asked = contents.shape, contents.tobytes(), styles.shape, styles.tobytes()
        if asked in self._kept:
            return self._kept[asked]
        self._kept.clear()  # before more memory is taken
        latents = self.encode(from_uint8(contents)), self.encode(from_uint8(styles))
        cached = self._plan_memory(*latents)
        block = self.invert(latents[0], "content", cached), self.invert(latents[1], "style", cached), cached
        if self._more_gammas:
            self._kept[asked] = block
        return block

    @property
    def _fixed_size(self) -> bool:
        return self.model.device.type == "cpu"  # on a GPU the batch follows the memory, and no bits are promised

    def _in_float32(self, contents: Tensor, styles: Tensor, names: list[str]) -> Tensor:
        """Half precision has overflowed: the same pairs once more in float32."""
        if self.model.dtype == torch.float32:
            raise UserError(
                f"teacher: the image of pair {names[0]} is not finite in float32. Leave its content or style out of "
                "its source, or check teacher.weights."
            )
        exact = replace(self.model, unet=self.model.exact_unet())
        return Teacher(exact, self.settings).stylize(contents, styles, names=names)

    # --- latents ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [0, 1] to latents (N, C, h, w), float32, on the model's device."""
        return self._through_vae(styleid.encode, images, images.shape[-2:].numel())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (N, C, h, w) to images (N, 3, H, W), not clamped."""
        return self._through_vae(styleid.decode, latents, latents.shape[-2:].numel() * _vae_factor(self.model.vae) ** 2)

    def _through_vae(self, convert: Callable[[nn.Module, Tensor], Tensor], values: Tensor, pixels: int) -> Tensor:
        def run(rows: slice) -> Tensor:
            return convert(self.model.vae, values[rows].to(self.model.device))

        return torch.cat(list(self._batching.each(len(values), run, "vae", limit=max(1, VAE_PIXELS // pixels))))

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


def _vae_factor(vae: nn.Module) -> int:
    return 2 ** (len(vae.config.block_out_channels) - 1)


def _distinct(images: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The distinct ones of (N, H, W, 3) in order of appearance, and for each of the N its place among them."""
    first, place = distinct(image.tobytes() for image in images)
    return images[first], place
