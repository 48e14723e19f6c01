"""What trainings compute in a quicker way is what they computed before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fill import seeded_image

from styledistill.student import Student
from styledistill.student.cpu_training import ROWS, depthwise
from styledistill.student.distances import ordered
from styledistill.student.modulation import Styled, StyleEncoder, remember_styles

MICRO = Path(__file__).parents[3] / "weights" / "micro"


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_styled_block_draws_and_learns_the_same_in_a_training(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    block = Styled(4, 3).to(memory_format=layout)
    torch.nn.init.normal_(block.project.weight)
    x, code = torch.randn(2, 4, 6, 5).to(memory_format=layout), torch.randn(2, 3)
    with torch.no_grad():
        expected = block(x, code)
    torch.testing.assert_close(block(x, code), expected, atol=2e-5, rtol=1e-5)  # torch rounds more
    exact = block.double()
    inputs = (x.double().requires_grad_(), code.double().requires_grad_())
    assert torch.autograd.gradcheck(exact, inputs)


def test_filters_of_more_rows_than_one_piece_learn_what_torch_teaches_them() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, ROWS + 9, 6, dtype=torch.float64, requires_grad=True)
    weight, bias = torch.randn(3, 1, 5, 5).double().requires_grad_(), torch.randn(3).double().requires_grad_()
    drawn, expected = depthwise(x, weight, bias), torch.nn.functional.conv2d(x, weight, bias, groups=3)
    assert torch.equal(drawn, expected)
    pull = torch.randn_like(drawn)
    for wanted in (x, weight, bias):
        (mine,), (torchs,) = (torch.autograd.grad(y, wanted, pull, retain_graph=True) for y in (drawn, expected))
        torch.testing.assert_close(mine, torchs)


def test_a_styled_block_learns_in_bfloat16_nearly_what_it_learns_in_float32() -> None:
    torch.manual_seed(0)
    block = Styled(8, 3)
    x, code, pull = torch.randn(2, 8, 9, 7), torch.randn(2, 3), torch.randn(2, 8, 9, 7)
    gradients = []
    for enabled in (False, True):
        block.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            (block(x, code).float() * pull).sum().backward()
        gradients.append(block.filter.weight.grad.flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.999


def test_rows_are_sorted_as_torch_sorts_them_and_so_are_their_gradients() -> None:
    rows = torch.randn(2, 3, 50, requires_grad=True)
    pull = torch.randn(2, 3, 50)
    assert torch.equal(ordered(rows.detach()), rows.detach().sort(2).values)
    assert torch.equal(ordered(rows), rows.sort(2).values)
    (gradient,) = torch.autograd.grad(ordered(rows), rows, pull)
    (expected,) = torch.autograd.grad(rows.sort(2).values, rows, pull)
    assert torch.equal(gradient, expected)


def test_statistics_of_a_style_are_computed_once_whatever_is_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    styles = seeded_image("modulation", 40, 56, 3)
    network = Student.from_pretrained(MICRO).network
    expected = network.style_encoder(styles)
    seen = []
    inner = StyleEncoder.statistics
    monkeypatch.setattr(StyleEncoder, "statistics", lambda self, some: seen.append(len(some)) or inner(self, some))
    remember_styles(network)
    together = network.style_encoder(styles)
    torch.testing.assert_close(together, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.style_encoder(styles.flip(0)), together.flip(0), atol=1e-6, rtol=1e-6)
    assert seen == [1, 1, 1]
    together.sum().backward()
    assert network.style_encoder.perceptron[0].weight.grad is not None
