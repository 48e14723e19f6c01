"""One tiny Stable Diffusion, saved in every form that a teacher may be loaded from; no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from archived import COMMIT, model_hub
from diffusers import (
    AutoencoderKL,
    DDIMInverseScheduler,
    DDIMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from original_layout import original_layout
from safetensors.torch import load_file, save_file
from serving import serving
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.files import read_json, sha256_bytes
from styledistill.teacher.engine import Teacher
from styledistill.teacher.injection import Bank, Injection, Recording
from styledistill.teacher.load import METHODS, load_teacher

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def test_every_method_of_the_configuration_has_its_teacher():
    assert list(METHODS) == list(config.METHODS)


def tokenizer(folder: Path) -> CLIPTokenizer:
    words = ["<|startoftext|>", "<|endoftext|>", "a", "a</w>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=7)


def pipeline(folder: Path) -> StableDiffusionPipeline:
    """Stable Diffusion's plan: four resolutions, two residual blocks each, layers 3..11."""
    torch.manual_seed(3)
    text = CLIPTextConfig(
        vocab_size=4,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=7,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(4, 4, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            norm_num_groups=4,
            sample_size=64,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer(folder),
        unet=UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(4, 8, 8, 8),
            attention_head_dim=2,
            cross_attention_dim=8,
            norm_num_groups=4,
        ),
        scheduler=PNDMScheduler(**SCHEDULE, skip_prk_steps=True),  # as Stable Diffusion 1.4 is saved
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diffusers")
    pipeline(tmp_path_factory.mktemp("words")).save_pretrained(folder / "tiny")
    return folder / "tiny"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def load(weights: Path | str, **changes: Any) -> Teacher:
    return load_teacher(config.Teacher(**{"weights": str(weights), "steps": 2, "batch": 1, **changes}), CPU)


def refusal(weights: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        load(weights)
    message = str(caught.value)
    assert message.startswith("teacher.weights: ")
    assert "\n" not in message
    return message


def image(teacher: Teacher) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return teacher.stylize(torch.rand(1, 3, 64, 64, generator=random), torch.rand(1, 3, 64, 64, generator=random))


# --- every form gives the same teacher --------------------------------------------------------------------------


def test_a_folder(folder):
    teacher = load(folder)
    assert teacher.layers == [6, 7, 8, 9, 10, 11]
    assert teacher.model.null_text.shape == (1, 7, 8)
    assert image(teacher).std() > 0


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_a_single_file(folder, copy, suffix):
    """Its configuration lies in the folder of the same name, so nothing is asked from the hub."""
    for weights in [*copy.rglob("*.safetensors")]:
        weights.unlink()
    file = copy.with_suffix(suffix)
    tensors = original_layout(folder)
    if suffix == ".ckpt":
        torch.save({"state_dict": tensors, "global_step": 1}, file)
    else:
        save_file(tensors, file)
    ours, expected = load(file), load(folder)
    assert ours.key == expected.key
    assert torch.equal(image(ours), image(expected))


def test_a_hub_id_that_is_cached(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--tiny"
    shutil.copytree(folder, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    for module in (constants, __import__("diffusers").pipelines.pipeline_utils):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True, raising=False)
    assert load("someone/tiny").key == load(folder).key


def teacher_weights(folder: Path, address: str, **environment: str) -> subprocess.CompletedProcess:
    """`src/steps/teacher_weights.py someone/tiny` with a cache of its own below `folder`."""
    command = [sys.executable, str(ROOT / "src/steps/teacher_weights.py"), "someone/tiny", "--out", "teacher.json"]
    inherited = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "hub"), **environment}
    return subprocess.run(command, cwd=folder, env=inherited | own, capture_output=True, text=True)


def test_a_teacher_comes_from_a_hub_once_and_then_needs_none(folder, tmp_path):
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with serving(model_hub("someone/tiny", {**files, "README.md": b"a tiny one"})) as server:
        done = teacher_weights(tmp_path, server.address)
    assert done.returncode == 0, done.stderr
    stamp = read_json(tmp_path / "teacher.json")
    assert stamp["commit"] == COMMIT
    assert stamp["files"] == {name: sha256_bytes(data) for name, data in files.items()}
    cached = tmp_path / "hub/hub/models--someone--tiny/snapshots" / COMMIT
    assert load(cached).key == load(folder).key
    assert teacher_weights(tmp_path, server.address, HF_HUB_OFFLINE="1").returncode == 0  # the server is gone
    blob = (cached / "unet/diffusion_pytorch_model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    damaged = teacher_weights(tmp_path, server.address, HF_HUB_OFFLINE="1")
    assert damaged.returncode == 1 and "diffusion_pytorch_model.safetensors: sha256 is" in damaged.stderr


def test_a_hub_without_that_teacher_is_one_line(tmp_path):
    with serving({}) as server:
        done = teacher_weights(tmp_path, server.address)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: teacher.weights: someone/tiny@main: " in done.stderr and "Is this the right name?" in done.stderr
    assert not (tmp_path / "teacher.json").exists()


def test_a_stored_null_text_replaces_the_text_encoder(folder, copy):
    expected = load(folder)
    save_file({"embedding": expected.model.null_text}, copy / "null_text.safetensors")
    shutil.rmtree(copy / "text_encoder")
    shutil.rmtree(copy / "tokenizer")
    assert torch.equal(image(load(copy)), image(expected))


def test_half_precision_files_serve_every_dtype(copy):
    unet = UNet2DConditionModel.from_pretrained(copy / "unet").half()
    shutil.rmtree(copy / "unet")
    unet.save_pretrained(copy / "unet", variant="fp16")
    assert load(copy).model.dtype == torch.float32
    half = load(copy, dtype="bfloat16")
    assert half.model.dtype == torch.bfloat16
    assert next(half.model.vae.parameters()).dtype == torch.float32
    assert image(half).isfinite().all()


def test_velocity_prediction_of_stable_diffusion_2(folder, copy):
    DDIMScheduler(**SCHEDULE, prediction_type="v_prediction").save_pretrained(copy / "scheduler")
    velocity = load(copy)
    assert velocity.model.prediction == "v_prediction"
    assert velocity.key != load(folder).key
    assert image(velocity).isfinite().all()


# --- Stable Diffusion 2 --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its plan: more heads where it is wider, linear projections, other text, velocities, another scale of the VAE."""
    torch.manual_seed(4)
    pipe = pipeline(tmp_path_factory.mktemp("words2"))
    text = CLIPTextConfig(**pipe.text_encoder.config.to_dict() | {"hidden_size": 12, "hidden_act": "gelu"})
    pipe.text_encoder = CLIPTextModel(text)
    pipe.unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(4, 8, 16, 16),
        attention_head_dim=[1, 2, 4, 4],
        cross_attention_dim=12,
        use_linear_projection=True,
        norm_num_groups=4,
    )
    pipe.vae.register_to_config(scaling_factor=0.13)
    pipe.scheduler = DDIMScheduler(**SCHEDULE, prediction_type="v_prediction", set_alpha_to_one=False)
    folder = tmp_path_factory.mktemp("diffusers2") / "tiny2"
    pipe.save_pretrained(folder)
    return folder


def test_stable_diffusion_2_is_inverted_as_diffusers_inverts_it(second):
    """With diffusers' own attention, its inverse scheduler and the text encoder's answer to the empty prompt."""
    teacher = load(second, steps=4)
    pipe = StableDiffusionPipeline.from_pretrained(second)
    random = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, 64, 64, generator=random)
    with torch.no_grad():
        latents = teacher.encode(images)
        assert torch.allclose(latents, pipe.vae.encode(images * 2 - 1).latent_dist.mode() * 0.13, atol=1e-6)
        words = pipe.tokenizer([""], padding="max_length", max_length=7, return_tensors="pt").input_ids
        prompt = pipe.text_encoder(words)[0].expand(2, -1, -1)
        scheduler = DDIMInverseScheduler(**SCHEDULE, prediction_type="v_prediction", set_alpha_to_one=False)
        scheduler.set_timesteps(4)
        wanted = latents
        for t in scheduler.timesteps:
            wanted = scheduler.step(pipe.unet(wanted, t, prompt).sample, t, wanted).prev_sample
        inverted = teacher.invert(latents, "content")
    assert torch.allclose(inverted.levels[-1], wanted, rtol=1e-4, atol=1e-5)
    assert 0 < teacher.round_trip(inverted).max() < 1


def test_stable_diffusion_2_takes_in_features_head_by_head(second):
    """An image that is given its own queries, keys and values is what it is without; another's change it."""
    teacher = load(second)
    heads = {name: module.heads for name, module in teacher.model.unet.named_modules() if name.endswith("attn1")}
    assert {count for name, count in heads.items() if name.startswith("up_blocks")} == {1, 2, 4}
    random = torch.Generator().manual_seed(2)
    latents = torch.randn(2, 4, 8, 8, generator=random)
    with torch.no_grad():
        content, style = (Bank(2), Bank(2))
        plain = teacher._forward(latents, 101, Recording(content, "content", slice(0, 2)))
        teacher._forward(latents, 101, Recording(style, "style", slice(0, 2)))
        own, other = torch.tensor([0, 1]), torch.tensor([1, 0])
        same = teacher._forward(latents, 101, Injection(content, style, own, own, 1.0, 1.0))
        changed = teacher._forward(latents, 101, Injection(content, style, own, other, 1.0, 1.0))
    assert torch.allclose(same, plain, atol=1e-6)
    assert not torch.allclose(changed, plain, atol=1e-4)


def test_stable_diffusion_2_stylizes_in_both_conventions(second):
    both = [image(load(second, convention=convention)) for convention in ("ldm", "diffusers")]
    assert all(made.isfinite().all() and made.std() > 0 for made in both)


def test_other_weights_have_another_key(folder, copy):
    file = copy / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["decoder.conv_out.bias"] += 1e-3
    save_file(tensors, file, metadata={"format": "pt"})
    assert load(copy).key != load(folder).key


# --- bad input --------------------------------------------------------------------------------------------------


def test_a_missing_folder(tmp_path):
    assert refusal(tmp_path / "sd14") == (
        f"teacher.weights: no model in {tmp_path / 'sd14'} (looked for model_index.json or unet/config.json). "
        "Set teacher.weights to a diffusers folder, a hub id or a .safetensors/.ckpt file."
    )


def test_a_relative_folder_is_not_taken_for_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    assert "no model in weights/sd14" in refusal("weights/sd14")


def test_a_missing_file(tmp_path):
    assert "there is no file" in refusal(tmp_path / "sd14.ckpt")


def test_another_kind_of_network(copy):
    values = json.loads((copy / "unet" / "config.json").read_text())
    (copy / "unet" / "config.json").write_text(json.dumps(values | {"_class_name": "UNet2DModel"}))
    assert "unet is a UNet2DModel and not a UNet2DConditionModel" in refusal(copy)


def test_weights_that_do_not_fit_their_configuration(copy):
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["conv_out.bias"]
    save_file(tensors, file, metadata={"format": "pt"})
    assert "conv_out.bias" in refusal(copy)


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("unet", {"in_channels": 9}, "takes 9 channels and its latents have 4"),  # an inpainting model
        ("unet", {"cross_attention_dim": 6}, "takes text of width 6 and the encoder gives 8"),
        ("unet", {"transformer_layers_per_block": 2}, "several transformer blocks"),
    ],
)
def test_another_architecture(copy, part, change, reason):
    values = UNet2DConditionModel.load_config(copy / part) | change
    UNet2DConditionModel.from_config(values).save_pretrained(copy / part)
    assert reason in refusal(copy)


def test_a_file_that_is_no_checkpoint(copy):
    file = copy.with_suffix(".safetensors")
    save_file({"something": torch.zeros(2)}, file)
    refusal(file)
    file.write_bytes(b"no tensors at all")
    refusal(file)
