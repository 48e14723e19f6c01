"""The network equals the authors' (their program, run on seeded fills): fixtures sttr_full and sttr_tiny."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fill import IMAGENET_MEAN, IMAGENET_STD, fill, filled, seeded_image, unit
from torch import Tensor

from styledistill.student.sttr import STTR, STTRConfig, sine_position

CONFIGS = {
    "full": STTRConfig(),
    "tiny": STTRConfig(width=32, heads=4, encoder_layers=2, decoder_layers=2, feedforward=64),
}
CASES = {"A": ("c64", "s64"), "B": ("c96", "s96"), "C": ("c64", "s96")}


class Reference:
    """One filled network beside the authors' values."""

    def __init__(self, fixtures: Path, name: str) -> None:
        self.facts: dict[str, Any] = json.loads((fixtures / f"sttr_{name}.json").read_text())["model"]
        with np.load(fixtures / f"sttr_{name}.npz") as arrays:
            self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays}
        self.network = fill(STTR(CONFIGS[name])).eval()

    def inputs(self, case: str) -> tuple[Tensor, Tensor]:
        content, style = CASES[case]
        return self.arrays[f"input_{content}"], self.arrays[f"input_{style}"]


@pytest.fixture(scope="module", params=CONFIGS)
def reference(request: pytest.FixtureRequest, fixtures: Path) -> Reference:
    return Reference(fixtures, request.param)


def relative(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).norm() / theirs.norm())


def test_state_dict_has_the_authors_names_shapes_and_types_in_their_order(reference: Reference) -> None:
    state = reference.network.state_dict()
    ours = {name: [list(value.shape), str(value.dtype).removeprefix("torch.")] for name, value in state.items()}
    assert list(ours.items()) == list(reference.facts["state_dict"].items())


def test_parameters_count_and_train_as_the_authors(reference: Reference) -> None:
    parameters = dict(reference.network.named_parameters())
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    assert sum(p.numel() for p in parameters.values()) == reference.facts["parameters"]
    assert sum(p.numel() for p in parameters.values() if p.requires_grad) == reference.facts["trainable_parameters"]
    assert sorted(frozen) == sorted(reference.facts["frozen_parameter_keys"])


def test_full_size_is_45_64_million() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in STTR(STTRConfig()).parameters()) == 45_642_627


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_output(reference: Reference, case: str) -> None:
    output = reference.network(*reference.inputs(case))
    assert relative(output, reference.arrays[f"{case}_output"]) < 5e-6
    assert (output - reference.arrays[f"{case}_output"]).abs().max() < 2e-5


@torch.no_grad()
def test_intermediate_values(reference: Reference) -> None:
    network, arrays = reference.network, reference.arrays
    content, style = reference.inputs("A")
    assert relative(network.backbone_content(content), arrays["A_content_features"]) < 5e-6
    assert relative(network.backbone_style(style), arrays["A_style_features"]) < 5e-6
    memory = network.encode_style(style)
    assert relative(memory.values.transpose(0, 1), arrays["A_encoder_memory"]) < 5e-6
    assert relative(network.features(content, memory), arrays["A_output_proj"]) < 5e-6
    for key in ("A_pos_content", "A_pos_style"):
        _, channels, height, width = arrays[key].shape
        position = sine_position(height, width, channels, torch.device("cpu"), torch.float32)
        assert relative(position.transpose(1, 2).unflatten(2, (height, width)), arrays[key]) < 1e-5


@torch.no_grad()
def test_the_style_matters(reference: Reference) -> None:
    # Equal contents, other styles: a network that ignores the style would pass none of the above, but say so.
    a, c = (reference.network(*reference.inputs(case)) for case in "AC")
    assert (a - c).abs().mean() > 1e-3


def test_fill_rule_gives_the_published_checks(fixtures: Path) -> None:
    rule = json.loads((fixtures / "fill_rule.json").read_text())
    np.testing.assert_array_equal(unit("features.0.weight", (4,)), rule["unit('features.0.weight',(4,)) float64"])
    for title, wanted in rule["examples"].items():
        key, shape = title.split(" ", 1)
        shape, gain = shape.rsplit(" gain ", 1)
        exact = 2**0.5 if gain == "1.414214" else float(gain)
        ours = filled(key, tuple(json.loads(shape)), exact).flatten()[:4].tolist()
        assert ours == pytest.approx(wanted["first4"], rel=1e-6)


def test_inputs_follow_the_rule_of_images(fixtures: Path) -> None:
    with np.load(fixtures / "sttr_tiny.npz") as arrays:
        stored = torch.from_numpy(arrays["input_c96"])
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    torch.testing.assert_close((seeded_image("sttr/content96", 64, 96) - mean) / std, stored)
