"""What methods on a latent diffusion model share: pairs go through it many at a time, in the order of their block."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .. import config
from ..core.errors import UserError
from ..core.tensors import from_uint8, to_uint8
from . import styleid
from .asked import AnyTeacher, Asked
from .batching import Batching, Pair, groups, whole_batches

# Pixels per forward of the VAE, whose activations stand at full resolution: 4 images of 512 x 512, about 5 GB.
VAE_PIXELS = 1 << 20


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


# Latents (N, C, h, w) of stylized images, of pairs of places in what a group has prepared; it gives all N at once.
Sampler = Callable[[Sequence[Pair]], Tensor]


class DiffusionTeacher(AnyTeacher):
    """A method on a latent diffusion model."""

    # What to do about an image that is not finite even in float32.
    advice = ""

    def __init__(self, model: Model, settings: config.Teacher) -> None:
        self.model, self.settings = model, settings
        self.forwards = 0  # images that went through the UNet, for benchmarks
        self._batching = Batching(model.vae, settings.batch)

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """What it is made of."""
        return self.model.unet, self.model.vae

    def _make(self, asked: Asked) -> None:
        """Raises UserError for sizes that do not fit the latent grid and for an image not finite even in float32."""
        self._check_sizes(asked)
        broken: list[Pair] = []
        for group in groups(asked.pairs):
            for pair, image in self._missing_of(group, asked):
                if bool(image.isfinite().all()):
                    asked.put(pair, to_uint8(image[None])[0])
                else:
                    broken.append(pair)
        if broken:
            self._make_in_float32(broken, asked)

    def _check_sizes(self, asked: Asked) -> None:
        grid = _vae_factor(self.model.vae) * 2 ** (len(self.model.unet.config.block_out_channels) - 1)
        for role, images in (("content", asked.contents), ("style", asked.styles)):
            height, width = images.shape[1:3]
            if not height or not width or height % grid or width % grid:
                raise UserError(
                    f"teacher: a {role} image of {width} x {height} pixels does not fit the latent grid; "
                    f"both sides must be multiples of {grid}."
                )

    def _missing_of(self, group: list[Pair], asked: Asked) -> Iterator[tuple[Pair, Tensor]]:
        """The not yet finished pairs of a group with their images (3, H, W), chunk by chunk."""
        missing = asked.missing(group)
        if not missing:
            return
        # Bits depend on the size of a forward. So that a resumed job makes the bytes of an undisturbed one, the order
        # of the whole group decides who shares a forward, whatever of it is finished already.
        c_ids = whole_batches([c for c, _ in group], {c for c, _ in missing}, self.settings.batch)
        s_ids = whole_batches([s for _, s in group], {s for _, s in missing}, self.settings.batch)
        sample, at_once = self._prepared(asked, c_ids, s_ids, missing)
        size = min(self._batching.unet, len(group))
        chunk = len(missing) if at_once else size
        for first in range(0, len(missing), chunk):
            part = missing[first : first + chunk]
            filled = part + part[-1:] * (-len(part) % size if self._fixed_size else 0)
            latents = sample([(c_ids.index(c), s_ids.index(s)) for c, s in filled])
            yield from zip(part, self.decode(latents[: len(part)]).cpu(), strict=True)

    @abstractmethod
    def _prepared(self, asked: Asked, c_ids: list[int], s_ids: list[int], missing: list[Pair]) -> tuple[Sampler, bool]:
        """What samples pairs of these contents and styles, and whether all missing ones should be sampled at once."""

    @property
    def _fixed_size(self) -> bool:
        return self.model.device.type == "cpu"  # on a GPU the batch follows the memory, and no bits are promised

    def _make_in_float32(self, pairs: list[Pair], asked: Asked) -> None:
        """Half precision has overflowed: the same pairs once more in float32."""
        names = [asked.label(pair) for pair in pairs]
        if self.model.dtype == torch.float32:
            raise UserError(f"teacher: the image of pair {names[0]} is not finite in float32. {self.advice}")
        contents, styles = asked.contents[[c for c, _ in pairs]], asked.styles[[s for _, s in pairs]]
        again = self._exact().stylize(from_uint8(contents), from_uint8(styles), names=names)
        for pair, image in zip(pairs, to_uint8(again), strict=True):
            asked.put(pair, image)

    @abstractmethod
    def _exact(self) -> AnyTeacher:
        """The same in float32."""

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


def add_weights(digest: hashlib._Hash, module: nn.Module) -> None:
    """Every tensor of a module, by name, into a hash."""
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())


def _vae_factor(vae: Any) -> int:
    return 2 ** (len(vae.config.block_out_channels) - 1)
