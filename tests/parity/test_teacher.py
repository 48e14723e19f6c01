"""The teacher against the authors' own two implementations, run on tiny seeded weights in float32."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor

from styledistill import config
from styledistill.core.tensors import from_uint8, to_uint8
from styledistill.teacher import styleid
from styledistill.teacher.engine import Inverted, Model, Teacher
from styledistill.teacher.injection import Bank

TOLERANCE = 1e-4  # norm of the difference over norm of the reference


def distance(ours: Tensor, reference: Tensor) -> float:
    assert ours.shape == reference.shape
    return ((ours - reference).norm() / reference.norm()).item()


@dataclass(frozen=True)
class Original:
    """What one of the authors' implementations was given and what it made."""

    arrays: dict[str, Tensor]
    facts: dict[str, Any]
    model: Model
    convention: str
    steps: int
    layers: list[int]

    def teacher(self, **changes: Any) -> Teacher:
        asked = {
            "weights": "fixture",
            "convention": self.convention,
            "steps": self.steps,
            "gamma": self.facts["config"]["gamma"],
            "temperature": self.facts["config"].get("tau", self.facts["config"].get("T")),
            "layers": self.layers,
        }
        # A teacher gives the UNet its processors, so each gets a UNet of its own.
        model = Model(**{**vars(self.model), "unet": deepcopy(self.model.unet)})
        return Teacher(model, config.Teacher(**{**asked, **changes}))


def read(folder: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with np.load(folder / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}, json.loads(
            (folder / f"{name}.json").read_text()
        )


def vae_of(folder: Path) -> AutoencoderKL:
    vae = AutoencoderKL(**read(folder, "styleid_diffusers_tiny")[1]["vae_config"])
    vae.load_state_dict(load_file(folder / "styleid_diffusers_tiny_vae.safetensors"))
    return vae.eval()


def original(folder: Path, name: str, unet_config: str, weights: str, steps: str, layers: list[int]) -> Original:
    arrays, facts = read(folder, name)
    unet = UNet2DConditionModel(**facts[unet_config])
    unet.load_state_dict({key: value.float() for key, value in load_file(folder / weights).items()})
    levels = DDIMScheduler(**read(folder, "styleid_diffusers_tiny")[1]["scheduler_config"]).alphas_cumprod.tolist()
    model = Model(unet.eval(), vae_of(folder), arrays["null_embedding"], levels, "epsilon", "fixture", lambda: unet)
    convention = "ldm" if "ldm" in name else "diffusers"
    return Original(arrays, facts, model, convention, facts["config"][steps], layers)


@pytest.fixture(scope="module")
def by_diffusers(fixtures: Path) -> Original:
    name = "styleid_diffusers_tiny"
    return original(fixtures, name, "unet_config", f"{name}_unet.safetensors", "ddim_steps", [7, 8, 9, 10, 11])


@pytest.fixture(scope="module")
def by_ldm(fixtures: Path) -> Original:
    name = "styleid_ldm_tiny"
    weights = f"{name}_unet_fp16exact.safetensors"
    return original(fixtures, name, "unet_config_diffusers", weights, "ddim_inv_steps", [6, 7, 8, 9, 10, 11])


def inverted(from_: Original) -> tuple[Inverted, Inverted]:
    """Both images inverted once, with the features of layers 6..11; every case takes the layers that it injects."""
    teacher = from_.teacher(layers="auto")
    assert teacher.layers == [6, 7, 8, 9, 10, 11]
    content = teacher.invert(from_.arrays["content_latent"], "content", keep_features=True)
    return content, teacher.invert(from_.arrays["style_latent"], "style", keep_features=True)


@pytest.fixture(scope="module")
def diffusers_inverted(by_diffusers: Original) -> tuple[Inverted, Inverted]:
    return inverted(by_diffusers)


@pytest.fixture(scope="module")
def ldm_inverted(by_ldm: Original) -> tuple[Inverted, Inverted]:
    return inverted(by_ldm)


def check_features(arrays: dict[str, Tensor], content: Inverted, style: Inverted) -> None:
    """Each stored query of the content and key or value of the style, at the timestep of its name."""
    found = 0
    for name, reference in arrays.items():
        named = re.fullmatch(r"layer(\d+)_(content|style)_t(\d+)_(q|k|v)", name)
        if not named:
            continue
        layer, role, timestep, part = int(named[1]), named[2], int(named[3]), named[4]
        bank: Bank = (content if role == "content" else style).banks[timestep]
        key = (layer, {"q": "query", "k": "key", "v": "value"}[part])
        if key in bank.features:
            heads = bank.features[key][0].unflatten(-1, (reference.shape[0], -1)).transpose(0, 1)
            assert distance(heads, reference) < TOLERANCE, name
            found += 1
    assert found >= 6


# --- the authors' diffusers code --------------------------------------------------------------------------------


def test_diffusers_inverts_every_latent(by_diffusers, diffusers_inverted):
    for role, ours in zip(("content", "style"), diffusers_inverted, strict=True):
        for step, reference in enumerate(by_diffusers.arrays[f"inv_{role}"]):
            assert distance(ours.levels[step + 1], reference[None]) < TOLERANCE, (role, step)


def test_diffusers_features(by_diffusers, diffusers_inverted):
    check_features(by_diffusers.arrays, *diffusers_inverted)


def test_diffusers_start_latent(by_diffusers, diffusers_inverted):
    start = by_diffusers.teacher().start(*diffusers_inverted, [(0, 0)])
    assert distance(start, by_diffusers.arrays["adain_latent"]) < TOLERANCE


def test_diffusers_samples_at_its_timesteps(by_diffusers):
    asked = [step.timestep for step in by_diffusers.teacher().convention.sampling]
    assert asked == by_diffusers.arrays["timesteps_reverse"].tolist()


DIFFUSERS_CASES = {
    "L7_11": {},
    "L6_11": {"layers": [6, 7, 8, 9, 10, 11]},
    "no_init_adain": {"adain": False},
    "no_attn_injection": {"injection": False},
    "gamma03": {"gamma": 0.3},
    "tau10": {"temperature": 1.0},
}


@pytest.mark.parametrize("case", DIFFUSERS_CASES)
def test_diffusers_final_latents(by_diffusers, diffusers_inverted, case):
    teacher = by_diffusers.teacher(**DIFFUSERS_CASES[case])
    latents: list[Tensor] = []
    clean: list[Tensor] = []
    final = teacher.sample(*diffusers_inverted, [(0, 0)], lambda x, x0: (latents.append(x), clean.append(x0)))
    arrays = by_diffusers.arrays
    assert distance(final, arrays[f"{case}_final_pred_x0"]) < TOLERANCE
    assert distance(latents[-1], arrays[f"{case}_final_prev"]) < TOLERANCE
    for name, ours in (("prev", latents), ("pred_x0", clean)):
        if f"{case}_{name}_steps" in arrays:
            assert distance(torch.cat(ours), arrays[f"{case}_{name}_steps"]) < TOLERANCE


def test_recomputed_features_give_the_same_latent(by_diffusers, diffusers_inverted):
    """The features come from the latent that entered the inversion step which asked the network at the same t."""
    bare = [Inverted(of.role, of.levels) for of in diffusers_inverted]
    final = by_diffusers.teacher().sample(*bare, [(0, 0)])
    assert distance(final, by_diffusers.arrays["L7_11_final_pred_x0"]) < TOLERANCE


# --- the authors' ldm code --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ldm_inverts_every_latent(by_ldm, ldm_inverted):
    for role, ours in zip(("content", "style"), ldm_inverted, strict=True):
        for step, reference in zip(by_ldm.arrays["encode_stored_steps"], by_ldm.arrays[f"inv_{role}"], strict=True):
            assert distance(ours.levels[step + 1], reference[None]) < TOLERANCE, (role, step)


@pytest.mark.slow
def test_ldm_features(by_ldm, ldm_inverted):
    check_features(by_ldm.arrays, *ldm_inverted)


@pytest.mark.slow
def test_ldm_start_latent(by_ldm, ldm_inverted):
    start = by_ldm.teacher().start(*ldm_inverted, [(0, 0)])
    assert distance(start, by_ldm.arrays["adain_latent"]) < TOLERANCE


def test_ldm_timesteps_and_levels(by_ldm):
    convention, arrays = by_ldm.teacher().convention, by_ldm.arrays
    assert [step.timestep for step in convention.inversion] == arrays["encode_t"].tolist()
    assert [step.timestep for step in convention.sampling] == arrays["sample_t"].tolist()
    rows = arrays["sample_index"].tolist()
    sources = torch.tensor([step.source for step in convention.sampling])
    targets = torch.tensor([step.target for step in convention.sampling])
    assert distance(sources, arrays["ddim_alphas"][rows].float()) < 1e-5
    assert distance(targets, arrays["ddim_alphas_prev"][rows].float()) < 1e-5


LDM_CASES = {
    "final": {},
    "L7_11_final": {"layers": [7, 8, 9, 10, 11]},
    "gamma03_final": {"gamma": 0.3},
    "tau10_final": {"temperature": 1.0},
    "no_init_adain_final": {"adain": False},
    "no_attn_injection_final": {"injection": False},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LDM_CASES)
def test_ldm_final_latents(by_ldm, ldm_inverted, case):
    teacher = by_ldm.teacher(**LDM_CASES[case])
    latents: list[Tensor] = []
    clean: list[Tensor] = []
    final = teacher.sample(*ldm_inverted, [(0, 0)], lambda x, x0: (latents.append(x), clean.append(x0)))
    assert distance(final, by_ldm.arrays[case]) < TOLERANCE
    if case == "final":
        # Loop counter 1 is the first step that is done (t=961).
        for row, counter in enumerate(by_ldm.arrays["sample_stored_loop_i"].tolist()):
            assert distance(latents[counter - 1], by_ldm.arrays["sample_x_out"][row : row + 1]) < TOLERANCE
            assert distance(clean[counter - 1], by_ldm.arrays["sample_pred_x0"][row : row + 1]) < TOLERANCE


# --- the autoencoder --------------------------------------------------------------------------------------------


@torch.no_grad()
def test_images_to_latents_and_back(fixtures: Path):
    arrays, _ = read(fixtures, "styleid_diffusers_tiny")
    vae = vae_of(fixtures)
    latent = styleid.encode(vae, from_uint8(arrays["vae_image_u8"].numpy()))
    assert distance(latent, arrays["vae_latent"]) < TOLERANCE
    decoded = styleid.decode(vae, arrays["vae_latent"])
    assert distance(decoded * 2 - 1, arrays["vae_decoded"]) < TOLERANCE
    levels = to_uint8(decoded).astype(int) - arrays["vae_decoded_u8"].numpy()
    # A value on the edge between two levels may fall to the other side; truncation would move half of them.
    assert np.abs(levels).max() <= 1
    assert (levels != 0).mean() < 1e-3
