"""The micro student, and STTR with a styled tail: what an architecture promises."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_training import equal
from torch import Tensor, nn

from styledistill.core.errors import UserError
from styledistill.core.files import read_json, write_json
from styledistill.perceptual import efficientnet_lite0
from styledistill.student import Student
from styledistill.student.architectures import ARCHITECTURES
from styledistill.student.micro import Micro, MicroConfig
from styledistill.student.modulation import Styled, color_statistics, feature_statistics
from styledistill.student.sttr import SIZES, STTR


def images(seed: int, height: int, width: int, count: int = 1) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def styled_sttr() -> Student:
    torch.manual_seed(1)
    student = Student(STTR(dataclasses.replace(SIZES["tiny"], style_code=8)))
    for parameter in student.network.styled_tail.parameters():
        nn.init.normal_(parameter, std=0.1)
    return student


@pytest.fixture(scope="module", params=["micro", "styled sttr"])
def student(request: pytest.FixtureRequest) -> Student:
    return Student.create("tiny", 1, "micro") if request.param == "micro" else styled_sttr()


def test_micro_has_at_most_600_000_parameters() -> None:
    network = Micro(MicroConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) <= 600_000


def test_the_style_encoder_starts_with_imagenets_features_and_keeps_them() -> None:
    network = Student.create("tiny", 1, "micro").network
    ours, theirs = network.style_encoder.features.state_dict(), efficientnet_lite0("package", 0, 4).state_dict()
    assert equal(ours, theirs)
    assert not any(parameter.requires_grad for parameter in network.style_encoder.features.parameters())


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 70), (64, 40)])
def test_any_size(student: Student, size: tuple[int, int]) -> None:
    made = student.stylize(images(1, *size), images(2, 17, 90))
    assert made.shape == (1, 3, *size) and made.isfinite().all()


def test_saved_and_loaded_it_draws_the_same(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path)
    again = Student.from_pretrained(tmp_path)
    content, style = images(3, 48, 64), images(4, 40, 40)
    # To the last digit only where memory is aligned alike, which a file mapped into memory is not.
    torch.testing.assert_close(again.stylize(content, style), student.stylize(content, style))
    assert type(again.network) is type(student.network)


def test_a_style_encoded_apart_serves_all_contents(student: Student) -> None:
    contents, style = images(5, 40, 56, 3), images(6, 50, 30)
    torch.testing.assert_close(student.stylize(contents, student.encode_style(style)), student.stylize(contents, style))


def test_strength_goes_from_the_contents_own_style_to_the_style(student: Student) -> None:
    content, style = images(7, 40, 40), 0.2 * images(8, 40, 40)
    full, half, none = (student.stylize(content, style, strength) for strength in (1.0, 0.5, 0.0))
    torch.testing.assert_close(full, student.stylize(content, style))
    torch.testing.assert_close(none, student.stylize(content, content))
    assert not torch.equal(half, full) and not torch.equal(half, none)


def _silence(weights: Path) -> None:
    """Weights without what they say themselves, which counts before config.json."""
    save_file(load_file(weights), weights)


def test_an_unknown_architecture_names_the_known_ones(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path)
    _silence(tmp_path / "student.safetensors")
    write_json(tmp_path / "config.json", read_json(tmp_path / "config.json") | {"architecture": "macro"})
    with pytest.raises(UserError, match=f"macro.*{', '.join(ARCHITECTURES)}"):
        Student.from_pretrained(tmp_path)


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(tmp_path: Path) -> None:
    student = Student.create("tiny", 1, "micro")
    student.save(tmp_path / "good")
    with torch.no_grad():
        student.network.out.bias[0] = float("nan")
    with pytest.raises(UserError, match=r"out\.bias: not finite"):
        student.save(tmp_path / "bad")
    state = {name: value.contiguous() for name, value in student.network.state_dict().items()}
    save_file(state, tmp_path / "good" / "student.safetensors")
    with pytest.raises(UserError, match=r"out\.bias: not finite"):
        Student.from_pretrained(tmp_path / "good")


def test_a_student_of_before_architectures_is_sttr(tmp_path: Path) -> None:
    Student.create("tiny", 1).save(tmp_path)
    _silence(tmp_path / "student.safetensors")
    facts = read_json(tmp_path / "config.json")
    del facts["architecture"]
    write_json(tmp_path / "config.json", facts)
    assert isinstance(Student.from_pretrained(tmp_path).network, STTR)


# --- the styled tail ----------------------------------------------------------------------------------------------


def test_a_styled_tail_starts_as_nothing() -> None:
    plain = Student.create("tiny", 3).network
    styled = STTR(dataclasses.replace(SIZES["tiny"], style_code=16)).eval()
    missing, unexpected = styled.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all(name.startswith(("style_encoder.", "styled_tail.")) for name in missing)
    content, style = images(9, 64, 96), images(10, 64, 64)
    with torch.no_grad():
        assert torch.equal(styled(content, style), plain(content, style))


def test_without_the_option_the_authors_names_are_all_there_is() -> None:
    assert not any("style_encoder" in name for name in Student.create("tiny", 3).network.state_dict())


# --- what carries a style -----------------------------------------------------------------------------------------


def test_a_styled_block_gives_each_channel_what_the_code_asks_for() -> None:
    torch.manual_seed(2)
    block = Styled(6, 4)
    seen = {}
    block.project.register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))
    with torch.no_grad():
        block.expand.bias.fill_(9.0)  # no channel is dead
        block.ask.weight.zero_()
        block.ask.bias.copy_(torch.cat([torch.zeros(12), torch.full((12,), 9.0)]))  # far above 0: ReLU does nothing
        block(torch.rand(1, 6, 20, 20), torch.zeros(1, 4))
    torch.testing.assert_close(seen["x"].mean((2, 3)), torch.full((1, 12), 9.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen["x"].std((2, 3)), torch.ones(1, 12), atol=1e-2, rtol=0)


def test_color_statistics_tell_mean_covariance_and_distribution() -> None:
    image = images(11, 32, 32)
    values = color_statistics(image)[0]
    pixels = image[0].flatten(1).double()
    torch.testing.assert_close(values[:3].double(), pixels.mean(1), atol=1e-6, rtol=0)
    covariance = 10 * torch.cov(pixels, correction=0)
    torch.testing.assert_close(
        values[3:9].double(), covariance[[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]], atol=1e-5, rtol=0
    )
    red = values[9 : 9 + 6 * 8].view(8, 6)[:, 0]
    assert (red.diff() < 0).all() and (red - torch.linspace(1, 0, 10)[1:-1]).abs().max() < 0.06  # uniform numbers


def test_feature_statistics_are_means_and_deviations() -> None:
    feature = torch.rand(2, 5, 12, 9) * 6
    mean, deviation = feature_statistics([feature]).chunk(2, 1)
    torch.testing.assert_close(mean, feature.mean((2, 3)))
    torch.testing.assert_close(deviation, feature.std((2, 3), correction=0), atol=1e-4, rtol=1e-4)
