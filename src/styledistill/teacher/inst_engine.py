"""InST as a teacher: each style's prompt is learned once, then its pairs go many at a time through the network."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container, Iterator, Sequence
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
from .batching import Batching, Pair, whole_batches
from .engine import Model, Teacher
from .inst_cache import StyleCache
from .inst_prompt import Encoders, new_prompt, prompt_of
from .pair_cache import PairStore

# What decides the numbers of a learned style, and of a pair.
LEARNING = [f"styledistill.teacher.{name}" for name in ("inst_learning", "inst_prompt")]
METHOD = [f"styledistill.teacher.{name}" for name in ("ddim", "inst", "styleid")]
# Of the first step of learning; its successors take the numbers behind it.
SEED = 23
# Seconds of learning after which its state is kept.
SAVE_EVERY = 60.0


class InstTeacher(Teacher):
    """InST on a latent diffusion model; satisfies the Stylizer protocol."""

    def __init__(self, model: Model, settings: config.Teacher, encoders: Encoders) -> None:
        """Raises UserError where strength and steps leave nothing to do."""
        self.model, self.settings, self.encoders = model, settings, encoders
        self.way = inst.plan(model.levels, settings.steps, settings.inst.strength)
        self.forwards = 0  # images that went through the UNet, learning included
        self._batching = Batching(model.vae, settings.batch)
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

    def stylize(
        self,
        contents: Tensor,
        styles: Tensor,
        store: PairStore | None = None,
        on_done: Callable[[int], None] | None = None,
        names: Sequence[str] | None = None,
    ) -> Tensor:
        """As `Teacher.stylize`. Learned styles are kept beside the folder of `store`, for this store and others."""
        self._cache = StyleCache(store.folder.parent, self.style_key) if store else None
        return super().stylize(contents, styles, store, on_done, names)

    def _missing_of(
        self,
        group: list[Pair],
        done: Container[Pair],
        content_images: np.ndarray,
        style_images: np.ndarray,
        measured: None = None,  # its noise is drawn anew, so no inversion has an error
    ) -> Iterator[tuple[Pair, Tensor]]:
        missing = [pair for pair in group if pair not in done]
        if not missing:
            return
        # As in StyleID: who shares a forward depends on the whole group, not on what is finished of it.
        c_ids = whole_batches([c for c, _ in group], {c for c, _ in missing}, self.settings.batch)
        s_ids = whole_batches([s for _, s in group], {s for _, s in missing}, self.settings.batch)
        needed = {s for _, s in missing}
        prompts = {s: self.prompt(style_images[s]) for s in s_ids if s in needed}
        contents = self.encode(from_uint8(content_images[c_ids]))
        styles = self.encode(from_uint8(style_images[s_ids]))
        self._batching.fit(self.model.device, lambda: self._forward(contents[:1], 1, self._null), 0)
        size = min(self._batching.unet, len(group))
        for first in range(0, len(missing), size):
            part = missing[first : first + size]
            filled = part + part[-1:] * (-len(part) % size if self._fixed_size else 0)
            latents = self.sample_pairs(
                contents[[c_ids.index(c) for c, _ in filled]],
                styles[[s_ids.index(s) for _, s in filled]],
                torch.cat([prompts[s] for _, s in filled]),
            )
            yield from zip(part, self.decode(latents[: len(part)]).cpu(), strict=True)

    def _in_float32(self, contents: Tensor, styles: Tensor, names: list[str]) -> Tensor:
        if self.model.dtype == torch.float32:
            raise UserError(
                f"teacher: the image of pair {names[0]} is not finite in float32. Lower teacher.inst.guidance, or "
                "leave its content or style out of its source."
            )
        exact = InstTeacher(replace(self.model, unet=self.model.exact_unet()), self.settings, self.encoders)
        exact._embeddings = self._embeddings
        return exact.stylize(contents, styles, names=names)

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
        for name, tensor in sorted(module.state_dict().items()) if module is not None else ():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
