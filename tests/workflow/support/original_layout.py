"""The layout in which the .ckpt of Stable Diffusion 1 holds a pipeline, made from that of diffusers."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

# Names of diffusers -> names of the original latent-diffusion code, tried in this order on each tensor's name.
UNET_NAMES = [
    (r"time_embedding\.linear_(\d)", lambda m: f"time_embed.{2 * int(m[1]) - 2}"),
    (r"^conv_in", lambda m: "input_blocks.0.0"),
    (r"^conv_norm_out", lambda m: "out.0"),
    (r"^conv_out", lambda m: "out.2"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", lambda m: f"input_blocks.{3 * int(m[1]) + int(m[2]) + 1}.0"),
    (r"down_blocks\.(\d)\.attentions\.(\d)", lambda m: f"input_blocks.{3 * int(m[1]) + int(m[2]) + 1}.1"),
    (r"down_blocks\.(\d)\.downsamplers\.0\.conv", lambda m: f"input_blocks.{3 * int(m[1]) + 3}.0.op"),
    (r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"output_blocks.{3 * int(m[1]) + int(m[2])}.0"),
    (r"up_blocks\.(\d)\.attentions\.(\d)", lambda m: f"output_blocks.{3 * int(m[1]) + int(m[2])}.1"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"output_blocks.{3 * int(m[1]) + 2}.{1 if m[1] == '0' else 2}"),
    (r"mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}"),
    (r"mid_block\.attentions\.0", lambda m: "middle_block.1"),
]
RESNET_NAMES = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
VAE_NAMES = [
    (r"down_blocks\.(\d)\.resnets", lambda m: f"down.{m[1]}.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", lambda m: f"down.{m[1]}.downsample"),
    (r"up_blocks\.(\d)\.resnets", lambda m: f"up.{3 - int(m[1])}.block"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample"),
    (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
    (r"mid_block\.attentions\.0", lambda m: "mid.attn_1"),
    (r"conv_shortcut", lambda m: "nin_shortcut"),
    (r"conv_norm_out", lambda m: "norm_out"),
    (r"group_norm", lambda m: "norm"),
    (r"to_out\.0", lambda m: "proj_out"),
    (r"to_([qkv])\.", lambda m: f"{m[1]}."),
]


def original_unet(name: str) -> str:
    resnet = "resnets" in name
    for pattern, new in UNET_NAMES:
        name = re.sub(pattern, new, name)
    for ours, theirs in RESNET_NAMES.items() if resnet else ():
        name = name.replace(ours, theirs)
    return f"model.diffusion_model.{name}"


def original_vae(name: str) -> str:
    for pattern, new in VAE_NAMES:
        name = re.sub(pattern, new, name)
    return f"first_stage_model.{name}"


def original_layout(folder: Path) -> dict[str, Tensor]:
    """The whole pipeline as one dictionary, the way the .ckpt of Stable Diffusion 1 is laid out."""
    unet = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    text = load_file(folder / "text_encoder" / "model.safetensors")
    tensors = {original_unet(name): value for name, value in unet.items()}
    for name, value in vae.items():
        linear = "mid_block.attentions" in name and "group_norm" not in name and value.ndim == 2
        tensors[original_vae(name)] = value[..., None, None] if linear else value  # the original has 1 x 1 convolutions
    prefix = "" if any(name.startswith("text_model.") for name in text) else "text_model."
    tensors |= {f"cond_stage_model.transformer.{prefix}{name}": value for name, value in text.items()}
    return {name: value.clone().contiguous() for name, value in tensors.items()}
