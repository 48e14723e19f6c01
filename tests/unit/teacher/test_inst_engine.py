"""InST as a teacher on a very small random model: what is learned, how often, what is kept, and what survives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.tensors import to_uint8
from styledistill.teacher import inst, inst_engine, inst_learning
from styledistill.teacher.engine import Model
from styledistill.teacher.inst_cache import StyleCache
from styledistill.teacher.inst_engine import InstTeacher
from styledistill.teacher.inst_prompt import Encoders, prompt_of
from styledistill.teacher.pair_cache import PairStore

LEARNING = 4


def small_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(16, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        attention_head_dim=2,
        cross_attention_dim=8,
        norm_num_groups=4,
    )
    return unet.eval().requires_grad_(False)


def small_model() -> Model:
    unet = small_unet()
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
    )
    levels = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod.tolist()
    null_text = torch.randn(1, 3, 8)
    return Model(unet, vae.eval().requires_grad_(False), null_text, levels, "epsilon", "random", small_unet)


def teacher(inst: dict[str, Any] | None = None, **changes: Any) -> InstTeacher:
    asked = {"weights": "x", "method": "inst", "steps": 4, "batch": 2, "dtype": "float32"}
    own = {"steps": LEARNING, "learning_rate": 0.1, "strength": 0.5, "guidance": 2.0}
    return InstTeacher(small_model(), config.Teacher(**{**asked, **changes}, inst={**own, **(inst or {})}), Encoders())


def images(count: int, first: int = 0) -> Tensor:
    return torch.stack(
        [torch.rand((3, 16, 16), generator=torch.Generator().manual_seed(first + n)) for n in range(count)]
    )


CONTENTS, STYLES = images(2), images(2, 10)
PAIRS = CONTENTS[[0, 0, 1]], STYLES[[0, 1, 0]]
# Per pair: one forward of the inversion, then two (with and without the prompt) in each of half of four steps.
FORWARDS = 1 + 2 * 2


def test_pairs_differ_by_content_and_by_style():
    made = teacher().stylize(*PAIRS)
    assert made.shape == (3, 3, 16, 16)
    assert made.min() >= 0 and made.max() <= 1
    assert not torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_each_style_is_learned_once():
    engine = teacher()
    engine.stylize(*PAIRS)
    filled = 4  # three pairs, two at a time
    assert engine.forwards == 2 * LEARNING + filled * FORWARDS
    engine.stylize(*PAIRS)
    assert engine.forwards == 2 * LEARNING + 2 * filled * FORWARDS


def test_a_second_block_finds_the_style(tmp_path: Path):
    """Another process, other contents, another strength: the embedding is there, and the bytes are the same."""
    first = teacher()
    made = first.stylize(*PAIRS, PairStore(tmp_path, first.key))
    again = teacher()
    store = PairStore(tmp_path / "elsewhere", again.key)
    assert torch.equal(again.stylize(*PAIRS, store), made)
    other = teacher({"strength": 0.75})
    other.stylize(CONTENTS[1:], STYLES[1:], PairStore(tmp_path, other.key))
    assert other.forwards == 1 + 2 * 3


@pytest.mark.parametrize(
    "change", [{"inst": {"steps": 5}}, {"inst": {"learning_rate": 0.2}}], ids=["steps", "learning_rate"]
)
def test_other_settings_of_learning_learn_anew(tmp_path: Path, change: dict[str, Any]):
    first, other = teacher(), teacher(**change)
    first.stylize(*PAIRS, PairStore(tmp_path, first.key))
    other.stylize(*PAIRS, PairStore(tmp_path, other.key))
    assert other.forwards >= 2 * LEARNING + 3 * FORWARDS


def test_learning_lowers_the_loss():
    """Of noise that it was not shown, under the prompt learned from a style and under the empty one."""
    engine = teacher({"steps": 60, "learning_rate": 0.05})
    latents = engine.encode(STYLES[:1])
    noise = torch.randn((32, *latents.shape[1:]), generator=torch.Generator().manual_seed(7))
    timesteps = torch.arange(5, 1000, 31)[:32]
    noising = inst_learning.Noising(torch.tensor(engine.model.levels), "epsilon")

    def denoise(noisy: Tensor, timesteps: Tensor, prompt: Tensor) -> Tensor:
        return engine.model.unet(noisy, timesteps, prompt.expand(len(noisy), -1, -1)).sample

    def loss(prompt: Tensor) -> float:
        with torch.no_grad():
            return noising.loss(denoise, prompt, latents.expand_as(noise), timesteps, noise).item()

    assert loss(engine.prompt(to_uint8(STYLES)[0])) < 0.999 * loss(engine.model.null_text)


class Killed(Exception):
    pass


def test_a_killed_learning_goes_on_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = teacher().prompt(to_uint8(STYLES)[0])
    monkeypatch.setattr(inst_engine, "SAVE_EVERY", 0.0)
    style = to_uint8(STYLES)[0]
    killed = teacher()
    killed._cache = cache = StyleCache(tmp_path, killed.style_key)
    real: Callable = inst_learning.step

    def step(*given: Any) -> float:
        if killed.forwards == 3:
            raise Killed
        return real(*given)

    monkeypatch.setattr(inst_learning, "step", step)
    with pytest.raises(Killed):
        killed.prompt(style)
    assert cache.get(style) is None and cache.state(style)["done"] == 3
    monkeypatch.setattr(inst_learning, "step", real)
    again = teacher()
    again._cache = cache
    assert torch.equal(again.prompt(style), whole)
    assert again.forwards == LEARNING - 3
    assert cache.state(style) is None  # not needed any more


def test_damaged_embeddings_and_states_count_as_missing(tmp_path: Path):
    style = to_uint8(STYLES)[0]
    cache = StyleCache(tmp_path, {"some": "key"})
    assert cache.get(style) is None and cache.state(style) is None
    cache.put(style, torch.arange(3.0))
    assert torch.equal(StyleCache(tmp_path, {"some": "key"}).get(style.copy()), torch.arange(3.0))
    assert StyleCache(tmp_path, {"another": "key"}).get(style) is None
    assert cache.get(to_uint8(STYLES)[1]) is None
    (file,) = tmp_path.glob("*/*/*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    assert cache.get(style) is None and not file.exists()
    cache.keep_state(style, {"done": 1})
    (state,) = tmp_path.glob("*/*/*.pt")
    state.write_bytes(state.read_bytes()[:20])
    assert cache.state(style) is None


def test_the_key_says_which_prompt(tmp_path: Path):
    key = teacher().key
    assert (key["method"], key["prompt"], key["learning_steps"], key["steps"]) == ("inst", "token", LEARNING, 4)
    assert teacher({"guidance": 3.0}).key != key and teacher(adain=False).key != key
    assert teacher({"guidance": 3.0}).style_key == teacher().style_key


def test_the_token_stands_where_the_first_word_would():
    null = torch.zeros(1, 3, 2)
    assert prompt_of(torch.ones(2), Encoders(), null)[0, :, 0].tolist() == [0, 1, 0]
    assert prompt_of(torch.ones(2), Encoders(), null[:, :1])[0, :, 0].tolist() == [1]


def test_without_guidance_the_empty_prompt_is_not_asked():
    engine = teacher({"guidance": 1.0})
    engine.stylize(CONTENTS[:1], STYLES[:1])
    assert engine.forwards == LEARNING + 1 + 2


def test_strength_that_leaves_no_step_is_refused():
    with pytest.raises(UserError, match=r"teacher\.inst\.strength: 0\.1 of 4 steps leaves nothing to do"):
        teacher({"strength": 0.1})


def test_velocities_mean_the_same_noise():
    """A network that tells velocities and one that tells noise, both exact, give one inversion."""
    latents, noise = images(1), images(1, 5)
    way = inst.plan(teacher().model.levels, 4, 0.5)

    def velocity(noisy: Tensor, timestep: int) -> Tensor:
        return way.level**0.5 * noise - (1 - way.level) ** 0.5 * latents

    by_noise = inst.invert(latents, noise, way, lambda noisy, timestep: noise, "epsilon")
    by_velocity = inst.invert(latents, noise, way, velocity, "v_prediction")
    assert torch.allclose(by_noise, by_velocity, atol=1e-6)


def test_half_precision_learns_in_float32():
    """And says nothing else: the embedding is that of the float32 teacher."""
    style = to_uint8(STYLES)[0]
    half = teacher(dtype="bfloat16")
    half.model.unet.to(torch.bfloat16)
    assert np.allclose(half.prompt(style), teacher().prompt(style))
    assert half.stylize(CONTENTS[:1], STYLES[:1]).isfinite().all()


def test_styles_of_other_shapes_are_other_styles():
    """Flat images: the same bytes."""
    engine = teacher()
    for shape in ((16, 32, 3), (32, 16, 3)):
        engine.prompt(np.zeros(shape, np.uint8))
    assert engine.forwards == 2 * LEARNING
