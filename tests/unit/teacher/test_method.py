"""The parts of the method: layers, the steps of DDIM, statistics of a latent, and the schedule of gamma."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from styledistill import config
from styledistill.teacher import batching, ddim, styleid
from styledistill.teacher.injection import choose_layers, decoder_layers


def test_auto_takes_the_two_finest_resolutions():
    unet = UNet2DConditionModel(block_out_channels=(8, 8, 8, 8), norm_num_groups=4, attention_head_dim=2)
    assert list(decoder_layers(unet)) == list(range(3, 12))
    assert choose_layers(unet, "auto") == [6, 7, 8, 9, 10, 11]


LEVELS = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod.tolist()


def test_ldm_drops_its_first_reverse_step_at_fifty_steps_only():
    assert [step.timestep for step in ddim.ldm(LEVELS, 50).sampling][:2] == [961, 941]
    assert [step.timestep for step in ddim.ldm(LEVELS, 20).sampling][:2] == [951, 901]
    assert ddim.ldm(LEVELS, 20).inversion[-1].target == LEVELS[999]


def test_diffusers_asks_at_the_target_and_ends_where_sampling_starts():
    convention = ddim.diffusers(LEVELS, 10)
    assert convention.inversion[0] == ddim.Step(1, LEVELS[0], LEVELS[1])
    assert convention.inversion[-1].target == convention.sampling[0].source == LEVELS[901]
    assert convention.sampling[-1].target == LEVELS[0]


def test_a_step_back_undoes_a_step():
    latent, output = torch.randn(2, 1, 4, 8, 8).unbind(0)
    noisier, _ = ddim.advance(latent, output, ddim.Step(0, 0.9, 0.5), "epsilon")
    back, _ = ddim.advance(noisier, output, ddim.Step(0, 0.5, 0.9), "epsilon")
    assert torch.allclose(back, latent, atol=1e-5)


def test_a_velocity_says_the_same_as_the_noise_that_it_stands_for():
    clean, noise = torch.randn(2, 1, 4, 8, 8).unbind(0)
    step = ddim.Step(0, 0.7, 0.3)
    latent = 0.7**0.5 * clean + 0.3**0.5 * noise
    velocity = 0.7**0.5 * noise - 0.3**0.5 * clean
    ours = ddim.advance(latent, velocity, step, "v_prediction")
    for one, other in zip(ours, ddim.advance(latent, noise, step, "epsilon"), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert torch.allclose(ours[1], clean, atol=1e-5)


def test_adain_leaves_a_latent_alone_when_both_are_the_same():
    latent = torch.randn(2, 4, 8, 8)
    assert torch.allclose(styleid.adain(latent, latent), latent, atol=1e-5)


def test_adain_gives_the_statistics_of_a_style_of_another_size():
    style = torch.randn(2, 4, 4, 12) * 3 + 1
    result = styleid.adain(torch.randn(2, 4, 8, 8), style)
    assert torch.allclose(result.mean((2, 3)), style.mean((2, 3)), atol=1e-4)
    assert torch.allclose(result.std((2, 3)), style.std((2, 3)), atol=1e-4)


def test_gamma_schedules_start_at_the_noisiest_step():
    cosine = styleid.gammas(config.GammaSchedule(start=0.75, end=0.375), 5)
    expected = [0.75 - 0.375 * (1 - math.cos(math.pi * i / 4)) / 2 for i in range(5)]
    assert cosine == pytest.approx(expected)
    assert styleid.gammas(config.GammaSchedule(start=1, end=0, shape="linear"), 3) == pytest.approx([1, 0.5, 0])
    assert styleid.gammas(0.3, 2) == [0.3, 0.3]


def test_a_control_group_or_the_machine_limits_memory():
    assert 0 < batching.free_bytes(torch.device("cpu")) <= int(Path("/proc/meminfo").read_text().split()[1]) * 1024
