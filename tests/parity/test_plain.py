"""The benchmark's plain StyleID against the authors' diffusers program: right, and with as much work as theirs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "bench"))

from parts import plain_styleid, subjects
from parts.plain_styleid import PlainStyleID
from parts.subjects import Fixture

TOLERANCE = 1e-4  # norm of the difference over norm of the reference


def distance(ours: Tensor, reference: Tensor) -> float:
    assert ours.shape == reference.shape
    return ((ours - reference).norm() / reference.norm()).item()


@pytest.fixture(scope="module")
def theirs(fixtures: Path) -> Fixture:
    return subjects.fixture(fixtures)


CASES = {
    "L7_11": {},
    "L6_11": {"layers": subjects.fixture_layers(6)},
    "gamma03": {"gamma": 0.3},
    "tau10": {"temperature": 1.0},
}


@pytest.mark.parametrize("case", CASES)
def test_plain_makes_what_the_authors_program_makes_with_as_many_calls(theirs, case, monkeypatch):
    calls = {"unet_calls": 0, "attention_op_calls": 0}

    def count(name: str) -> None:
        calls[name] += 1

    again = plain_styleid.attention_again
    monkeypatch.setattr(plain_styleid, "attention_again", lambda *a: (count("attention_op_calls"), again(*a))[1])
    asked = {
        "layers": subjects.fixture_layers(7),
        "steps": theirs.config["ddim_steps"],
        "gamma": theirs.config["gamma"],
        "temperature": theirs.config["tau"],
    }
    decoded: list[Tensor] = []
    null_text = theirs.arrays["null_embedding"]
    plain = PlainStyleID(theirs.unet, null_text, theirs.levels, **{**asked, **CASES[case]}, decode=decoded.append)
    handle = theirs.unet.register_forward_hook(lambda *_: count("unet_calls"))
    final = plain.stylize(theirs.arrays["content_latent"], theirs.arrays["style_latent"])
    handle.remove()
    assert not any(module._forward_hooks for module in theirs.unet.modules())  # the next case would be hooked twice

    assert distance(final, theirs.arrays[f"{case}_final_pred_x0"]) < TOLERANCE
    assert calls == theirs.counts[case]
    # Every latent on the way is decoded: of the style, of the content, and the predicted clean ones.
    steps = plain.steps
    assert len(decoded) == 3 * steps
    assert distance(torch.cat(decoded[:steps]), theirs.arrays["inv_style"]) < TOLERANCE
    assert distance(torch.cat(decoded[steps : 2 * steps]), theirs.arrays["inv_content"]) < TOLERANCE
    if case == "L7_11":
        assert distance(torch.cat(decoded[2 * steps :]), theirs.arrays["L7_11_pred_x0_steps"]) < TOLERANCE


@pytest.mark.parametrize(
    ("kind", "config", "parameters"),
    [(UNet2DConditionModel, subjects.SD14_UNET, 859_520_964), (AutoencoderKL, subjects.SD14_VAE, 83_653_863)],
)
def test_the_plan_of_stable_diffusion_is_of_its_size(kind, config, parameters):
    """As many parameters as CompVis/stable-diffusion-v1-4 has."""
    with torch.device("meta"):
        assert sum(weight.numel() for weight in kind(**config).parameters()) == parameters
