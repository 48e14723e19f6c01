"""The teacher's engine on a very small random model: what it computes, how often, and what survives."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.tensors import to_uint8
from styledistill.teacher import batching
from styledistill.teacher.engine import Model, Teacher
from styledistill.teacher.injection import attend, choose_layers, decoder_layers
from styledistill.teacher.pair_cache import PairStore

STEPS = 3


def small_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        attention_head_dim=2,
        cross_attention_dim=8,
        norm_num_groups=4,
    )
    for name, weight in unet.named_parameters():
        if name.endswith(("attn1.to_q.weight", "attn1.to_k.weight")):
            weight.data *= 3  # else attention is nearly flat and injection would not show
    return unet.eval().requires_grad_(False)


@pytest.fixture
def model() -> Model:
    unet = small_unet()
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
    )
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    levels = scheduler.alphas_cumprod.tolist()
    null_text = torch.randn(1, 3, 8)
    return Model(unet, vae.eval().requires_grad_(False), null_text, levels, "epsilon", "random", small_unet)


def teacher(model: Model, **changes: Any) -> Teacher:
    settings = {"weights": "random", "steps": STEPS, "batch": 3, "features": "cache", **changes}
    return Teacher(replace(model, unet=model.exact_unet().to(model.dtype)), config.Teacher(**settings))


def images(count: int, height: int = 32, width: int = 32, seed: int = 5) -> Tensor:
    coarse = torch.rand(count, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


def crossed(contents: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    """Every content with every style, contents outside."""
    return contents.repeat_interleave(len(styles), 0), styles.repeat(len(contents), 1, 1, 1)


def levels_apart(one: Tensor, other: Tensor) -> int:
    return int(abs(to_uint8(one).astype(int) - to_uint8(other)).max())


BLOCK = crossed(images(3), images(2, seed=6))


# --- what is computed -------------------------------------------------------------------------------------------


def test_the_style_and_the_content_both_matter(model):
    result = teacher(model).stylize(*BLOCK)
    assert result.shape == (6, 3, 32, 32)
    assert levels_apart(result[:1], result[1:2]) > 3
    assert levels_apart(result[:1], result[2:3]) > 3


@pytest.mark.parametrize("change", [{"gamma": 0.2}, {"temperature": 3.0}, {"layers": [5]}, {"adain": False}])
def test_every_setting_changes_the_image_and_the_key(model, change):
    plain, changed = teacher(model), teacher(model, **change)
    assert plain.key != changed.key
    assert levels_apart(plain.stylize(BLOCK[0][:1], BLOCK[1][:1]), changed.stylize(BLOCK[0][:1], BLOCK[1][:1])) > 0


def test_batch_and_features_do_not_change_the_key(model):
    assert teacher(model).key == teacher(model, batch=7, features="recompute").key


def test_a_written_out_auto_has_the_same_key(model):
    assert teacher(model).key == teacher(model, layers=[2, 3, 4, 5]).key


def test_kept_and_recomputed_features_give_the_same_latents_and_images(model):
    kept, recomputed = teacher(model), teacher(model, features="recompute")
    assert levels_apart(kept.stylize(*BLOCK), recomputed.stylize(*BLOCK)) <= 1
    pairs = [(c, s) for c in range(3) for s in range(2)]
    made = []
    for engine, keep in ((kept, True), (recomputed, False)):
        contents = engine.invert(engine.encode(images(3)), "content", keep)
        made.append(engine.sample(contents, engine.invert(engine.encode(images(2, seed=6)), "style", keep), pairs))
    assert (made[0] - made[1]).norm() < 1e-4 * made[0].norm()


@pytest.mark.parametrize("features", ["cache", "recompute"])
@pytest.mark.parametrize("batch", [1, 4, 16])
def test_the_batch_does_not_change_what_comes(model, batch, features):
    whole = teacher(model).stylize(*BLOCK)
    assert levels_apart(teacher(model, batch=batch, features=features).stylize(*BLOCK), whole) <= 1


def test_groups_do_not_change_what_comes(model, monkeypatch):
    whole = teacher(model).stylize(*BLOCK)
    monkeypatch.setattr(batching, "GROUP_IMAGES", 3)
    assert levels_apart(teacher(model).stylize(*BLOCK), whole) <= 1


def test_no_group_holds_more_images_than_allowed(monkeypatch):
    monkeypatch.setattr(batching, "GROUP_IMAGES", 3)
    pairs = [(c, s) for c in range(3) for s in range(2)]
    groups = list(batching.groups(pairs))
    # Three images are one content and both styles.
    assert groups == [[(c, 0), (c, 1)] for c in range(3)]


def test_content_and_style_may_differ_in_size(model):
    """Queries and keys then have different numbers of tokens, and no image has to be square."""
    result = teacher(model).stylize(images(1, 32, 48), images(1, 64, 32))
    assert result.shape == (1, 3, 32, 48)
    assert result.std() > 0


def test_results_are_eight_bit_levels(model):
    scaled = teacher(model).stylize(*BLOCK) * 255
    assert (scaled - scaled.round()).abs().max() < 1e-4


# --- how often --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("features", "expected"), [("cache", STEPS * (5 + 6)), ("recompute", STEPS * (2 * 5 + 6))])
def test_forwards_of_a_block(model, features, expected):
    """2 (C + S) + P per step when recomputed, C + S + P when kept."""
    engine = teacher(model, features=features)
    engine.stylize(*BLOCK)
    assert engine.forwards == expected


def test_equal_pairs_are_computed_once(model):
    engine = teacher(model)
    twice = engine.stylize(*(torch.cat([both, both]) for both in BLOCK))
    assert engine.forwards == STEPS * (5 + 6)
    assert torch.equal(twice[:6], twice[6:])


def test_keys_and_values_are_not_computed_where_others_are_used(model):
    """Not of the null text, ever; not of the image itself in an injected layer."""
    engine = teacher(model)
    contents = engine.invert(engine.encode(images(1)), "content", True)
    styles = engine.invert(engine.encode(images(1)), "style", True)
    called: list[str] = []
    for name, module in engine.model.unet.named_modules():
        if name.endswith(("to_k", "to_v")):
            module.register_forward_hook(lambda *_, name=name: called.append(name))
    engine.sample(contents, styles, [(0, 0)])
    assert called
    assert not [name for name in called if "attn2" in name or name.startswith(("up_blocks.1", "up_blocks.2"))]


def test_a_forward_for_features_ends_where_nothing_more_is_read(model):
    engine = teacher(model, features="recompute")
    called: list[str] = []
    for name in ("conv_out", "up_blocks.2.attentions.1.transformer_blocks.0.attn1.to_k"):
        part = engine.model.unet.get_submodule(name)
        part.register_forward_hook(lambda *_, name=name: called.append(name.rsplit(".")[-1]))
    engine.stylize(BLOCK[0][:1], BLOCK[1][:1])
    # Outputs are read in two inversions and the sampling; keys of the last layer in those two and of the style.
    assert called.count("conv_out") == 3 * STEPS
    assert called.count("to_k") == 3 * STEPS


# --- what survives ----------------------------------------------------------------------------------------------


def test_stored_pairs_cost_no_forward_and_are_the_same_image(model, tmp_path):
    engine = teacher(model)
    store = PairStore(tmp_path, engine.key)
    first = engine.stylize(*BLOCK, store)
    done = engine.forwards
    assert torch.equal(engine.stylize(*BLOCK, store), first)
    assert engine.forwards == done


def test_only_missing_pairs_are_computed(model, tmp_path):
    engine = teacher(model, batch=1)
    store = PairStore(tmp_path, engine.key)
    engine.stylize(BLOCK[0][:5], BLOCK[1][:5], store)
    before = engine.forwards
    engine.stylize(*BLOCK, store)
    assert engine.forwards - before == STEPS * (1 + 1 + 1)


class Sized(Teacher):
    """Remembers how many images went through each forward."""

    def _forward(self, latents: Tensor, *rest: Any) -> Tensor:
        self.sizes = [*getattr(self, "sizes", []), len(latents)]
        return super()._forward(latents, *rest)


def test_what_is_left_of_a_block_is_computed_in_forwards_of_the_same_size(model, tmp_path):
    """Another size gives other bits, and a resumed job would differ from an undisturbed one."""
    engine = Sized(
        replace(model, unet=small_unet()), config.Teacher(weights="random", steps=STEPS, batch=2, features="cache")
    )
    store = PairStore(tmp_path, engine.key)
    engine.stylize(BLOCK[0][:3], BLOCK[1][:3], store)
    engine.sizes = []
    engine.stylize(*BLOCK, store)
    # Three pairs are left: both batches of contents, the styles, and two forwards of two pairs per step.
    assert engine.sizes == [2, 1] * STEPS + [2] * STEPS + [2] * STEPS + [2] * STEPS


class Killed(BaseException):
    pass


@pytest.mark.parametrize("features", ["cache", "recompute"])
def test_a_killed_job_goes_on_to_the_same_bytes(model, tmp_path, features):
    undisturbed = teacher(model, batch=2, features=features).stylize(*BLOCK)
    engine = teacher(model, batch=2, features=features)
    store = PairStore(tmp_path, engine.key)
    told: list[int] = []

    def kill_after_three(count: int) -> None:
        told.append(count)
        if len(told) == 3:
            raise Killed

    with pytest.raises(Killed):
        engine.stylize(*BLOCK, store, kill_after_three)
    assert len(list(store.folder.rglob("*.png"))) == 3
    assert torch.equal(engine.stylize(*BLOCK, store), undisturbed)


def test_a_damaged_pair_is_made_again(model, tmp_path):
    engine = teacher(model)
    store = PairStore(tmp_path, engine.key)
    first = engine.stylize(*BLOCK, store)
    sorted(store.folder.rglob("*.png"))[0].write_bytes(b"\x89PNG")
    assert torch.equal(engine.stylize(*BLOCK, store), first)


def test_progress_counts_all_asked_pairs(model):
    told: list[int] = []
    teacher(model).stylize(*(torch.cat([both, both[:2]]) for both in BLOCK), on_done=told.append)
    assert sum(told) == 8


class SmallMemory(Teacher):
    """A device that holds two images per forward."""

    def _forward(self, latents: Tensor, *rest: Any) -> Tensor:
        if len(latents) > 2:
            raise torch.OutOfMemoryError
        return super()._forward(latents, *rest)


def test_out_of_memory_halves_the_batch(model):
    whole = teacher(model).stylize(*BLOCK)
    engine = SmallMemory(replace(model, unet=small_unet()), config.Teacher(weights="random", steps=STEPS, batch=6))
    assert levels_apart(engine.stylize(*BLOCK), whole) <= 1


def test_half_precision_that_overflows_is_repeated_in_float32(model):
    def overflowing() -> UNet2DConditionModel:
        unet = small_unet()
        unet.conv_in.weight.data *= 1e5  # above the largest float16, within float32
        return unet

    half = replace(model, unet=overflowing().half(), exact_unet=overflowing)
    exact = replace(model, unet=overflowing())
    settings = config.Teacher(weights="random", steps=STEPS, batch=3, features="cache")
    result = Teacher(half, settings).stylize(*BLOCK)
    assert torch.equal(result, Teacher(exact, settings).stylize(*BLOCK))


# --- bad input --------------------------------------------------------------------------------------------------


def test_an_image_that_is_never_finite_is_named(model):
    def broken() -> UNet2DConditionModel:
        unet = small_unet()
        unet.conv_out.bias.data[0] = math.nan
        return unet

    settings = config.Teacher(weights="random", steps=STEPS)
    with pytest.raises(UserError, match=r"c00_s01 is not finite in float32"):
        Teacher(replace(model, unet=broken().half(), exact_unet=broken), settings).stylize(
            BLOCK[0][:1], BLOCK[1][1:2], names=["c00_s01"]
        )


@pytest.mark.parametrize("size", [(40, 32), (8, 8), (32, 24)])
def test_sizes_that_do_not_fit_are_named(model, size):
    with pytest.raises(UserError, match=rf"content image of {size[1]} x {size[0]} pixels .* multiples of 16"):
        teacher(model).stylize(torch.rand(1, 3, *size), images(1))
    with pytest.raises(UserError, match="style image"):
        teacher(model).stylize(images(1), torch.rand(1, 3, *size))


def test_a_layer_that_does_not_exist_is_named(model):
    with pytest.raises(UserError, match=r"teacher.layers: there is no layer 11; .* 2, 3, 4, 5"):
        teacher(model, layers=[4, 11])


def test_too_many_steps_are_named(model):
    with pytest.raises(UserError, match=r"teacher.steps: 1000"):
        teacher(model, steps=1000)


# --- the parts --------------------------------------------------------------------------------------------------


def test_layers_are_numbered_as_the_output_blocks_of_the_original_code(model):
    assert list(decoder_layers(model.unet)) == [2, 3, 4, 5]
    assert choose_layers(model.unet, [5, 3, 3]) == [3, 5]


def test_a_flat_schedule_is_a_constant_gamma(model):
    flat = teacher(model, gamma={"start": 0.4, "end": 0.4}).stylize(*BLOCK)
    assert torch.equal(flat, teacher(model, gamma=0.4).stylize(*BLOCK))


@torch.no_grad()
def test_attention_with_temperature_and_other_tokens_is_the_written_formula(model):
    attention = model.unet.up_blocks[1].attentions[0].transformer_blocks[0].attn1
    query, key, value = torch.randn(2, 6, 16), torch.randn(2, 9, 16), torch.randn(2, 9, 16)
    heads = [tokens.unflatten(-1, (2, 8)).transpose(1, 2) for tokens in (query, key, value)]
    weights = (1.5 * heads[0] @ heads[1].transpose(2, 3) / 8**0.5).softmax(-1)
    expected = attention.to_out[0]((weights @ heads[2]).transpose(1, 2).flatten(2))
    assert torch.allclose(attend(attention, query, key, value, 1.5), expected, atol=1e-5)
