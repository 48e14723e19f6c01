"""InST against the authors' own program, run on tiny seeded weights in float32 (`make_inst.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from fill import fill, filled, unit
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from styledistill.teacher import inst, inst_learning
from styledistill.teacher.inst_prompt import (
    Encoders,
    StyleAttention,
    StylePrompt,
    encode_prompt,
    image_features,
    prompt_of,
)

TOLERANCE = 1e-4  # norm of the difference over norm of the reference
UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D",) * 2,
    "up_block_types": ("CrossAttnUpBlock2D",) * 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 4,
    "norm_num_groups": 32,
}
LEVELS = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod
GUIDANCE = 10.0  # in the authors' notebook


def distance(ours: Tensor, reference: Tensor) -> float:
    assert ours.shape == reference.shape
    return ((ours - reference).norm() / reference.norm()).item()


@pytest.fixture(scope="module")
def arrays(fixtures: Path) -> dict[str, Tensor]:
    with np.load(fixtures / "inst_tiny.npz") as found:
        return {name: torch.from_numpy(found[name]) for name in found.files}


@pytest.fixture(scope="module")
def facts(fixtures: Path) -> dict[str, Any]:
    return json.loads((fixtures / "inst_tiny.json").read_text())


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    unet = fill(UNet2DConditionModel(**UNET), prefix="inst/unet/").eval().requires_grad_(False)
    unet.set_attn_processor(AttnProcessor2_0())
    return unet


def by_clips_rule(module: nn.Module, part: str) -> nn.Module:
    """Weights under the names that they had when CLIP's parts bore prefixes."""
    for name, value in module.named_parameters():
        prefix = "" if name.startswith((part, "visual_projection")) else f"{part}."
        value.data = filled(f"inst/clip/{prefix}{name}", tuple(value.shape))
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoders(facts: dict[str, Any]) -> Encoders:
    text = by_clips_rule(CLIPTextModel(CLIPTextConfig(**facts["text_config"])), "text_model")
    image = by_clips_rule(CLIPVisionModelWithProjection(CLIPVisionConfig(**facts["vision_config"])), "vision_model")
    words = facts["vocabulary"]
    tokens = [words["<|startoftext|>"], words["*</w>"]] + [words["<|endoftext|>"]] * 75
    return Encoders(text, torch.tensor([tokens]), image)


def attention() -> StyleAttention:
    return fill(StyleAttention(768), prefix="inst/attention/")


def latents() -> tuple[Tensor, Tensor]:
    content, style = (torch.from_numpy(unit(f"inst/{name}", (1, 4, 8, 8))).float() for name in ("content", "style"))
    return content, style * 1.3 + 0.4


# --- the prompt ---------------------------------------------------------------------------------------------------


def test_the_authors_clip_saw_black(facts):
    """Their conversion of [-1, 1] to bytes leaves nothing of an image; ours shows it as it is (docs/teachers.md)."""
    assert facts["values_that_clip_sees"] == [0]


def test_image_features(arrays, encoders):
    black = np.zeros((32, 32, 3), np.uint8)
    assert distance(image_features(encoders.image, black)[0], arrays["features"]) < TOLERANCE
    assert distance(image_features(encoders.image, black + 90)[0], arrays["features"]) > 0.1


@torch.no_grad()
def test_attention_module(arrays):
    module, features = attention(), arrays["features"][None]
    assert distance(module.eval()(features), arrays["embedding"]) < TOLERANCE
    torch.manual_seed(5)
    assert distance(module.train()(features), arrays["embedding_dropout"]) < TOLERANCE


@torch.no_grad()
def test_the_word_in_the_prompt(arrays, encoders, facts):
    prompt = prompt_of(arrays["embedding"].flatten(), encoders, torch.zeros(1, 77, 768))
    assert distance(prompt[..., :8], arrays["prompt_first_channels"]) < TOLERANCE
    assert distance(empty_prompt(encoders, facts)[..., :8], arrays["empty_prompt_first_channels"]) < TOLERANCE
    # The hook has gone with the call: the word is embedded as ever.
    plain = encoders.text(encoders.tokens)[0]
    own = encoders.text.get_input_embeddings()(encoders.tokens)[0, 1]
    assert torch.equal(encode_prompt(encoders.text, encoders.tokens, own), plain)
    assert not torch.equal(prompt, plain)


def empty_prompt(encoders: Encoders, facts: dict[str, Any]) -> Tensor:
    words = facts["vocabulary"]
    tokens = torch.tensor([[words["<|startoftext|>"]] + [words["<|endoftext|>"]] * 76])
    return encoders.text(tokens)[0]


# --- learning -----------------------------------------------------------------------------------------------------


def test_steps_of_learning(arrays, facts, unet, encoders):
    """Losses of four steps under the same random numbers, and the embedding behind them."""
    module = attention()
    prompt = StylePrompt(module, arrays["features"][None], encoders, torch.zeros(1, 77, 768)).train()
    optimizer = inst_learning.optimizer_of(prompt, facts["learning"]["rate"])
    noising = inst_learning.Noising(LEVELS, "epsilon")

    def denoise(noisy: Tensor, timesteps: Tensor, embedded: Tensor) -> Tensor:
        return unet(noisy, timesteps, embedded).sample

    losses = []
    for number in range(4):
        torch.manual_seed(1000 + number)
        losses.append(inst_learning.step(prompt, optimizer, denoise, latents()[1], noising))
    assert distance(torch.tensor(losses), arrays["losses"]) < TOLERANCE
    # Four steps without the optimizer's weight decay would end 9e-6 away; ours end 2e-6 away.
    assert distance(prompt.eval().embedding, arrays["learned_embedding"].flatten()) < TOLERANCE / 20
    assert distance(arrays["embedding"], arrays["learned_embedding"]) > 0.1


# --- sampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["default", "weak", "no_adain"])
@torch.no_grad()
def test_stochastic_inversion_and_sampling(arrays, facts, unet, encoders, case):
    settings = facts["cases"][case]
    learned = prompt_of(arrays["learned_embedding"].flatten(), encoders, torch.zeros(1, 77, 768))
    prompts = torch.cat([empty_prompt(encoders, facts), learned])
    way = inst.plan(LEVELS.tolist(), settings["ddim_steps"], settings["strength"])
    content, style = latents()
    start = content if case == "no_adain" else inst.start(content, style)
    assert distance(start, arrays[f"{case}_start"]) < TOLERANCE

    def prompted(at: Tensor, timestep: int) -> Tensor:
        return unet(at, timestep, prompts[1:]).sample

    def guided(at: Tensor, timestep: int) -> Tensor:
        return inst.guided(*unet(at.repeat(2, 1, 1, 1), timestep, prompts).sample.split(1), GUIDANCE)

    noise = inst.seeded_noise(start)
    noisy = inst.noised(start, noise, way.level)
    assert distance(prompted(noisy, way.timestep), arrays[f"{case}_predicted_noise"]) < TOLERANCE
    inverted = inst.invert(start, noise, way, prompted, "epsilon")
    assert distance(inverted, arrays[f"{case}_inverted"]) < TOLERANCE
    final = inst.sample(inverted, way, guided, "epsilon")
    assert distance(final, arrays[f"{case}_final"]) < TOLERANCE
