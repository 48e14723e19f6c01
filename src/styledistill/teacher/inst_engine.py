"""InST as a teacher: each style's prompt is learned once, then its pairs go many at a time through the network."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn

from .. import config
from ..core.errors import UserError
from ..core.fingerprint import fingerprint_modules
from ..core.progress import Meter
from ..core.tensors import from_uint8
from . import inst, inst_learning
from .asked import Asked
from .batching import Pair
from .diffusion import DiffusionTeacher, Model, Sampler, add_weights
from .inst_cache import StyleCache
from .inst_prompt import Encoders, new_prompt, prompt_of

# What decides the numbers of a learned style, and of a pair.
LEARNING = [f"styledistill.teacher.{name}" for name in ("inst_learning", "inst_prompt")]
METHOD = [f"styledistill.teacher.{name}" for name in ("ddim", "inst", "styleid")]
# Of the first step of learning; its successors take the numbers behind it.
SEED = 23
# Seconds of learning after which its state is kept.
SAVE_EVERY = 60.0


class InstTeacher(DiffusionTeacher):
    """InST on a latent diffusion model; its forwards count those of learning too.

    Learned styles are kept beside the folder of the store of pairs, for this store and others.
    """

    advice = "Lower teacher.inst.guidance, or leave its content or style out of its source."

    def __init__(self, model: Model, settings: config.Teacher, encoders: Encoders) -> None:
        """Raises UserError where strength and steps leave nothing to do."""
        super().__init__(model, settings)
        self.encoders = encoders
        self.way = inst.plan(model.levels, settings.steps, settings.inst.strength)
        self._null = model.null_text.to(model.device)
        self._embeddings: dict[bytes, Tensor] = {}  # those of this process, by shape and bytes of the style image
        self._cache: StyleCache | None = None
        model.unet.set_attn_processor(AttnProcessor2_0())
        self._unet = torch.compile(model.unet) if settings.compile else model.unet

    @property
    def key(self) -> dict[str, Any]:
        """What a finished pair depends on besides its two images; `prompt` is the kind of prompt that is learned."""
        asked = self.settings.model_dump(mode="json")
        return {
            **self.style_key,
            **{name: asked[name] for name in ("steps", "adain", "dtype")},
            **{name: asked["inst"][name] for name in ("strength", "guidance")},
            "code": fingerprint_modules(METHOD + LEARNING),
        }

    @cached_property
    def style_key(self) -> dict[str, Any]:
        """What a learned style depends on besides its image."""
        return {
            "method": "inst",
            "prompt": self.encoders.kind,
            "learning_steps": self.settings.inst.steps,
            "learning_rate": self.settings.inst.learning_rate,
            "weights": self.model.weights,
            "encoders": _fingerprint(self.encoders),
            "code": fingerprint_modules(LEARNING),
        }

    def _make(self, asked: Asked) -> None:
        self._cache = StyleCache(asked.store.folder.parent, self.style_key) if asked.store else None
        super()._make(asked)

    def _prepared(self, asked: Asked, c_ids: list[int], s_ids: list[int], missing: list[Pair]) -> tuple[Sampler, bool]:
        needed = {s for _, s in missing}
        prompts = {place: self.prompt(asked.styles[s]) for place, s in enumerate(s_ids) if s in needed}
        contents = self.encode(from_uint8(asked.contents[c_ids]))
        styles = self.encode(from_uint8(asked.styles[s_ids]))
        self._batching.fit(self.model.device, lambda: self._forward(contents[:1], 1, self._null), 0)

        def sample(places: Sequence[Pair]) -> Tensor:
            some = [c for c, _ in places], [s for _, s in places]
            return self.sample_pairs(contents[some[0]], styles[some[1]], torch.cat([prompts[s] for s in some[1]]))

        return sample, False

    def _exact(self) -> InstTeacher:
        exact = InstTeacher(replace(self.model, unet=self.model.exact_unet()), self.settings, self.encoders)
        exact._embeddings = self._embeddings
        return exact

    @torch.no_grad()
    def sample_pairs(self, contents: Tensor, styles: Tensor, prompts: Tensor) -> Tensor:
        """Stylized latents from those of contents and styles, (N, C, h, w), and prompts (N, tokens, channels)."""

        def prompted(latents: Tensor, timestep: int) -> Tensor:
            return self._batched(latents, timestep, prompts)

        def guided(latents: Tensor, timestep: int) -> Tensor:
            if self.settings.inst.guidance == 1:
                return prompted(latents, timestep)
            plain = self._batched(latents, timestep, self._null.expand_as(prompts))
            return inst.guided(plain, prompted(latents, timestep), self.settings.inst.guidance)

        start = inst.start(contents, styles) if self.settings.adain else contents
        inverted = inst.invert(start, inst.seeded_noise(start), self.way, prompted, self.model.prediction)
        return inst.sample(inverted, self.way, guided, self.model.prediction)

    def _batched(self, latents: Tensor, timestep: int, prompts: Tensor) -> Tensor:
        def run(rows: slice) -> Tensor:
            return self._forward(latents[rows], timestep, prompts[rows])

        return torch.cat(list(self._batching.each(len(latents), run)))

    def _forward(self, latents: Tensor, timestep: int, prompts: Tensor) -> Tensor:
        self.forwards += len(latents)
        asked = torch.tensor(timestep, device=latents.device)
        dtype = self.model.dtype
        return self._unet(latents.to(dtype), asked, prompts.to(dtype), return_dict=False)[0].float()

    # --- styles ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def prompt(self, style: np.ndarray) -> Tensor:
        """The prompt embedding (1, tokens, channels) of a style image, uint8 (H, W, 3): found, or learned and kept."""
        name = repr(style.shape).encode() + style.tobytes()
        if name not in self._embeddings:
            found = self._cache.get(style) if self._cache else None
            self._embeddings[name] = (self._learn(style) if found is None else found).to(self.model.device)
        return prompt_of(self._embeddings[name], self.encoders, self._null)

    def _learn(self, style: np.ndarray) -> Tensor:
        """The embedding (channels,) of a style image. Raises UserError where the learning goes astray."""
        wanted = self.settings.inst
        both = from_uint8(np.ascontiguousarray(np.stack([style, style[:, ::-1]])))
        views = self.encode(both)
        noising = inst_learning.Noising(torch.tensor(self.model.levels, device=views.device), self.model.prediction)
        with torch.random.fork_rng([views.device] if views.device.type == "cuda" else []):
            torch.manual_seed(SEED)
            prompt = new_prompt(style, self.encoders, self._null)
        optimizer = inst_learning.optimizer_of(prompt, wanted.learning_rate)
        first = 0
        if state := self._cache.state(style) if self._cache else None:
            prompt.source.load_state_dict(state["source"])
            optimizer.load_state_dict(state["optimizer"])
            first = state["done"]
        meter = Meter(unit="step", total=wanted.steps, label="style")
        meter.advance(first)
        saved = time.monotonic()
        for done, loss in inst_learning.steps(
            first, wanted.steps, SEED + 1, prompt, optimizer, self._learning_forward, views, noising
        ):
            meter.advance(note=f"loss {loss:.4f}")
            if self._cache and time.monotonic() - saved >= SAVE_EVERY and done < wanted.steps:
                state = {"source": prompt.source.state_dict(), "optimizer": optimizer.state_dict(), "done": done}
                self._cache.keep_state(style, state)
                saved = time.monotonic()
        meter.close()
        embedding = prompt.embedding.detach()
        if not embedding.isfinite().all():
            raise UserError("teacher: the prompt of a style is not finite after its learning; lower learning_rate.")
        if self._cache:
            self._cache.put(style, embedding)
        return embedding

    def _learning_forward(self, latents: Tensor, timesteps: Tensor, prompt: Tensor) -> Tensor:
        self.forwards += len(latents)
        return self._exact_unet(latents, timesteps, prompt, return_dict=False)[0]

    @cached_property
    def _exact_unet(self) -> nn.Module:
        """In float32, in which gradients of a prompt do not vanish."""
        if self.model.dtype == torch.float32:
            return self.model.unet
        unet = self.model.exact_unet()
        unet.set_attn_processor(AttnProcessor2_0())
        return unet


def _fingerprint(encoders: Encoders) -> str | None:
    """sha256 over the weights of the encoders; None where there are none."""
    if encoders.text is None:
        return None
    digest = hashlib.sha256()
    for module in (encoders.text, encoders.image):
        if module is not None:
            add_weights(digest, module)
    return digest.hexdigest()
