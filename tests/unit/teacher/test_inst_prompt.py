"""Which prompt InST learns, by what stands beside the UNet; tiny parts of Stable Diffusion, no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.tensors import to_uint8
from styledistill.teacher.inst_engine import InstTeacher
from styledistill.teacher.load import load_teacher

ROOT = Path(__file__).parents[3]
WORDS = ("<|startoftext|>", "<|endoftext|>", "*", "*</w>")
WIDTH = 8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Stable Diffusion with text and without CLIP's image encoder, as its folders are."""
    torch.manual_seed(3)
    (tmp_path / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(WORDS)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    text = CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=7, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=4, block_out_channels=(4, 8), down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=1, attention_head_dim=2,
        cross_attention_dim=WIDTH, norm_num_groups=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(4, 4), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4,
    )  # fmt: skip
    tokenizer = CLIPTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), model_max_length=7)
    pipeline = StableDiffusionPipeline(
        vae,
        CLIPTextModel(text),
        tokenizer,
        unet,
        DDIMScheduler(steps_offset=1, clip_sample=False),
        None,
        None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def add_image_encoder(folder: Path, width: int) -> None:
    vision = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8,
        projection_dim=width,
    )  # fmt: skip
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")


def load(weights: Path) -> InstTeacher:
    settings = config.Teacher(weights=str(weights), method="inst", steps=4, inst={"steps": 3, "learning_rate": 0.1})
    found = load_teacher(settings, torch.device("cpu"))
    assert isinstance(found, InstTeacher)
    return found


def check(teacher: InstTeacher, kind: str) -> None:
    """Two styles give two prompts of the empty prompt's shape, which differ behind the start token only."""
    assert teacher.key["prompt"] == kind
    styles = to_uint8(torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(1)))
    one, other = (teacher.prompt(style) for style in styles)
    null = teacher.model.null_text
    assert one.shape == null.shape and not torch.equal(one, other) and not one.requires_grad
    if null.shape[1] > 1:
        assert torch.allclose(one[:, 0], null[:, 0], atol=1e-6) and not torch.allclose(one[:, 1], null[:, 1])


def test_a_word_where_there_is_text(folder):
    check(load(folder), "word")


def test_an_attention_where_clip_sees_the_style(folder):
    add_image_encoder(folder, WIDTH)
    check(load(folder), "attention")


def test_encoders_are_in_the_key(folder):
    word = load(folder).style_key
    add_image_encoder(folder, WIDTH)
    seen = load(folder).style_key
    add_image_encoder(folder, WIDTH)  # with other weights
    assert len({str(word), str(seen), str(load(folder).style_key)}) == 3


def test_encoders_of_two_widths_are_refused(folder):
    add_image_encoder(folder, 4)
    with pytest.raises(UserError, match="an image encoder of width 4 and a text encoder of width 8"):
        load(folder)


def test_a_token_where_there_is_neither():
    """The embedded teacher."""
    check(load(ROOT / "weights/tiny_teacher"), "token")
