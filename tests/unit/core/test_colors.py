"""Lightness and color distance of images."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from smooth import images

from styledistill.core.colors import RGB_DIRECTIONS, color_distance, luma


def test_luma_of_the_primaries_adds_up_to_white() -> None:
    primaries = torch.eye(3)[:, :, None, None]
    assert luma(primaries).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])
    assert luma(torch.ones(1, 3, 2, 2)).flatten().tolist() == pytest.approx([1.0] * 4)


def test_the_weights_of_lightness_need_no_torch() -> None:
    program = "import sys; from styledistill.core.colors import LUMA; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0


def test_directions_are_the_cubes_axes_and_diagonals_each_once() -> None:
    directions = {tuple(sign * value for value in d) for d in RGB_DIRECTIONS for sign in (1, -1)}
    assert len(RGB_DIRECTIONS) == 13
    assert directions == {(r, g, b) for r in (-1, 0, 1) for g in (-1, 0, 1) for b in (-1, 0, 1)} - {(0, 0, 0)}


def test_color_distance_ignores_where_colors_stand():
    x = images(1)
    shuffled = x.flatten(2)[:, :, torch.randperm(64 * 64, generator=torch.Generator().manual_seed(0))].reshape_as(x)
    assert color_distance(x, shuffled).item() == pytest.approx(0, abs=1e-7)


def test_color_distance_of_a_shift_is_the_mean_of_its_projections():
    x = 0.5 * images(1)
    shifted = x.clone()
    shifted[:, 0] += 0.3
    # the red axis, four face diagonals and four space diagonals see red; 13 directions in all
    expected = 0.3 * (1 + 4 / 2**0.5 + 4 / 3**0.5) / 13
    assert color_distance(x, shifted).item() == pytest.approx(expected, rel=1e-4)


def test_color_distance_sees_joint_colors_that_the_channels_hide():
    halves = torch.zeros(2, 3, 4, 4)
    halves[0, :, :, 2:] = 1  # black and white
    halves[1, 0, :, 2:] = 1  # cyan and red: each channel is half 0, half 1 too
    halves[1, 1:, :, :2] = 1
    assert color_distance(halves[:1], halves[1:]).item() > 0.1


def test_color_distance_takes_other_sizes():
    x = images(1, size=64)
    assert color_distance(x, x[:, :, ::2, ::2]).item() < 0.01
