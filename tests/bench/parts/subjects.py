"""What the teacher's benchmark measures: the embedded teacher, the fixture of the authors' program, SD 1.4's plan."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from safetensors.torch import load_file
from torch import Tensor, nn

from styledistill.config import Teacher as Settings
from styledistill.teacher.engine import Model
from styledistill.teacher.injection import choose_layers, decoder_layers
from styledistill.teacher.load import load_teacher

ROOT = Path(__file__).parents[3]
FIXTURES = Path(os.environ.get("STYLEDISTILL_PARITY", ROOT / "tests" / "parity" / "fixtures"))

# CompVis/stable-diffusion-v1-4, unet/config.json and vae/config.json.
SD14_UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,  # diffusers' name for the number of heads
    "norm_num_groups": 32,
    "act_fn": "silu",
}
SD14_VAE: dict[str, Any] = {
    "sample_size": 512,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 32,
    "act_fn": "silu",
}
SD14_TEXT = (1, 77, 768)
SD14_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@dataclass(frozen=True)
class Subject:
    """A model to be measured.

    stock: its UNet once more, with diffusers' own attention on the same weights. plain_vae: its VAE in the UNet's
    precision, in which the authors' program decodes. side: of its images, in pixels.
    """

    name: str
    model: Model
    stock: nn.Module
    plain_vae: nn.Module
    side: int

    @property
    def layers(self) -> list[str]:
        """Names of the injected self-attentions."""
        names = decoder_layers(self.stock)
        return [names[layer] for layer in choose_layers(self.stock, "auto")]

    @property
    def null_text(self) -> Tensor:
        """(1, tokens, channels) as the UNet takes it."""
        return self.model.null_text.to(self.model.device, self.model.dtype)

    def latents(self, count: int, seed: int) -> Tensor:
        """Noise (count, C, h, w) of the size that latents of this model have."""
        small = self.side // 2 ** (len(self.model.vae.config.block_out_channels) - 1)
        shape = (count, self.model.unet.config.in_channels, small, small)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(self.model.device)

    def bare(self, latents: Tensor, timestep: int) -> Tensor:
        """One forward of the UNet as diffusers has it, with nothing of ours."""
        asked = torch.tensor(timestep, device=latents.device)
        prompt = self.null_text.expand(len(latents), -1, -1)
        return self.stock(latents.to(self.model.dtype), asked, encoder_hidden_states=prompt).sample


def with_stock_attention(unet: nn.Module) -> nn.Module:
    """The same tensors in a second UNet that has diffusers' own attention processors."""
    stock = deepcopy(unet, {id(tensor): tensor for tensor in (*unet.parameters(), *unet.buffers())})
    stock.set_attn_processor(AttnProcessor2_0())
    return stock


def tiny_teacher() -> Subject:
    """The embedded teacher, on the CPU."""
    settings = Settings(weights=str(ROOT / "weights" / "tiny_teacher"))
    model = load_teacher(settings, torch.device("cpu")).model
    return Subject("tiny teacher", model, with_stock_attention(model.unet), model.vae, 128)


def sd14(device: torch.device, dtype: torch.dtype) -> Subject:
    """Stable Diffusion 1.4's two networks with random weights; the VAE in float32, as in the engine."""
    unet = _random(UNet2DConditionModel, SD14_UNET, device, dtype)
    vae = _random(AutoencoderKL, SD14_VAE, device, torch.float32)
    levels = DDIMScheduler(**SD14_BETAS).alphas_cumprod.tolist()
    model = Model(unet, vae, torch.randn(SD14_TEXT), levels, "epsilon", "random", _overflow)
    plain_vae = vae if dtype == torch.float32 else _random(AutoencoderKL, SD14_VAE, device, dtype)
    return Subject("SD 1.4", model, with_stock_attention(unet), plain_vae, 512)


def _random(kind: Any, config: dict[str, Any], device: torch.device, dtype: torch.dtype) -> nn.Module:
    # Not diffusers' own initialization, which takes a minute for a billion numbers.
    with torch.device("meta"):
        module = kind(**config)
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    nn.Module.to(module, dtype)  # diffusers' own warns of what a loaded model may want in float32
    module = module.to_empty(device=device).to(memory_format=layout).eval().requires_grad_(False)
    for name, weight in module.named_parameters():
        if weight.ndim > 1:
            weight.uniform_(-1, 1).mul_((3 / weight[0].numel()) ** 0.5)
        else:
            weight.fill_(float(name.endswith("weight")))  # normalizations do nothing
    return module


def _overflow() -> nn.Module:
    raise RuntimeError("the random network has overflowed: its times would be those of two runs")


@dataclass(frozen=True)
class Fixture:
    """What the authors' diffusers program was given, and what it made of it."""

    unet: nn.Module
    arrays: dict[str, Tensor]
    levels: list[float]
    config: dict[str, Any]
    counts: dict[str, dict[str, int]]


def fixture(folder: Path = FIXTURES) -> Fixture:
    """The fixture `styleid_diffusers_tiny` of tests/parity, or of the folder that STYLEDISTILL_PARITY names."""
    name = "styleid_diffusers_tiny"
    facts = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz") as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    unet = UNet2DConditionModel(**facts["unet_config"])
    unet.load_state_dict(load_file(folder / f"{name}_unet.safetensors"))
    levels = DDIMScheduler(**facts["scheduler_config"]).alphas_cumprod.tolist()
    return Fixture(unet.eval().requires_grad_(False), tensors, levels, facts["config"], facts["counts"])


def fixture_layers(first: int) -> list[str]:
    """Names of the fixture's self-attentions from decoder layer `first` to the last, 11."""
    return [f"up_blocks.{n // 3}.attentions.{n % 3}.transformer_blocks.0.attn1" for n in range(first, 12)]
