"""The student as a product: any size, batches, styles encoded once, files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from styledistill.core.errors import UserError
from styledistill.core.files import sha256_file
from styledistill.perceptual import normalize
from styledistill.student import Student
from styledistill.student.model import reflected, set_backbones
from styledistill.student.sttr import SIZES, STTR, freeze_batch_norm, thaw_batch_norm


@pytest.fixture(scope="module")
def student() -> Student:
    return Student.create("tiny", seed=3)


def images(count: int, height: int = 64, width: int = 64, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


# --- the tiny size ------------------------------------------------------------------------------------------------


def test_tiny_is_small_and_trains_whole(student: Student) -> None:
    parameters = list(student.network.parameters())
    assert 1_500_000 < sum(p.numel() for p in parameters) < 3_000_000
    assert all(p.requires_grad for p in parameters)


def test_no_stage_of_tiny_is_narrower_than_the_colors_it_stands_for() -> None:
    config = SIZES["tiny"]
    assert config.width >= 8 * 8 * 3
    assert all(channels >= side * side * 3 for channels, side in zip(config.tail, (8, 4, 2), strict=True))


def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone(student: Student) -> None:
    before = torch.random.get_rng_state()
    same, other = Student.create("tiny", seed=3), Student.create("tiny", seed=4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(same.network.tail[3].weight, student.network.tail[3].weight)
    assert not torch.equal(other.network.tail[3].weight, student.network.tail[3].weight)


# --- images -----------------------------------------------------------------------------------------------------


def test_stylize_is_the_network_between_images(student: Student) -> None:
    contents, styles = images(2), images(2, seed=1)
    with torch.no_grad():
        plain = student.network(normalize(contents), normalize(styles))
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(student.stylize(contents, styles), (plain * std + mean).clamp(0, 1))


def test_a_batch_equals_its_images_one_by_one(student: Student) -> None:
    contents, styles = images(3), images(3, seed=1)
    singles = torch.cat([student.stylize(contents[i : i + 1], styles[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(student.stylize(contents, styles), singles, atol=1e-5, rtol=1e-5)


def test_an_encoded_style_serves_many_contents(student: Student) -> None:
    contents, style = images(3), images(1, 96, 64, seed=1)
    memory = student.encode_style(style)
    assert memory.values.shape == (1, 6, SIZES["tiny"].width)
    torch.testing.assert_close(
        student.stylize(contents, memory), student.stylize(contents, style.expand(3, -1, -1, -1))
    )


def test_equal_styles_are_encoded_once_and_return_to_their_places(student: Student) -> None:
    contents, two = images(4), images(2, seed=1)
    encoded: list[int] = []
    hook = student.network.backbone_style.register_forward_hook(lambda module, args, out: encoded.append(len(out)))
    mixed = student.stylize(contents, two[[0, 1, 0, 1]])
    hook.remove()
    assert encoded == [2]
    expected = torch.cat([student.stylize(contents[i : i + 1], two[i % 2 : i % 2 + 1]) for i in range(4)])
    torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 96), (33, 50), (7, 95), (1, 1)])
def test_any_size_comes_back(student: Student, size: tuple[int, int]) -> None:
    output = student.stylize(images(1, *size), images(1, *reversed(size), seed=1))
    assert output.shape == (1, 3, *size)
    assert output.min() >= 0 and output.max() <= 1 and output.isfinite().all()


def test_padding_reflects_like_torch_and_again_where_torch_cannot() -> None:
    wide = images(1, 60, 50)
    torch.testing.assert_close(reflected(wide, 32), torch.nn.functional.pad(wide, (0, 14, 0, 4), mode="reflect"))
    row = torch.tensor([0.0, 1.0, 2.0]).expand(1, 3, 32, 3)
    assert reflected(row, 8)[0, 0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert reflected(wide[:, :, :32, :32], 32).shape == (1, 3, 32, 32)


def test_strength_goes_from_the_contents_own_style_to_the_style(student: Student) -> None:
    content, style = images(1), images(1, seed=1)
    torch.testing.assert_close(student.stylize(content, style, strength=0.0), student.stylize(content, content))
    full = student.stylize(content, style)
    torch.testing.assert_close(student.stylize(content, style, strength=1.0), full)
    half = student.stylize(content, style, strength=0.5)
    assert (half - full).abs().max() > 0


def test_styles_that_do_not_fit_the_contents_are_refused(student: Student) -> None:
    with pytest.raises(ValueError, match="2 styles for 3 contents"):
        student.stylize(images(3), images(2))


# --- the last stage -----------------------------------------------------------------------------------------------


def test_mixing_before_enlarging_changes_nothing_at_all_borders_and_gradients(student: Student) -> None:
    x = torch.randn(2, SIZES["tiny"].tail[0], 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tail = Student.create("tiny", seed=3).network.tail.double().eval()
    plain = torch.nn.Sequential(*tail)
    torch.testing.assert_close(tail(x), plain(x))
    gradients = [torch.autograd.grad(f(x).square().sum(), tail[11].weight)[0] for f in (tail, plain)]
    torch.testing.assert_close(*gradients)


# --- batch norm ---------------------------------------------------------------------------------------------------


def test_batch_norm_thaws_learns_and_freezes() -> None:
    network = Student.create("tiny", seed=3).network
    names = list(network.state_dict())
    x, y = normalize(images(2)), normalize(images(2, seed=1))
    with torch.no_grad():
        start = network(x, y)
        thaw_batch_norm(network)
        torch.testing.assert_close(network.eval()(x, y), start)
        network.train()(x, y)  # statistics are estimated
        trained = network.eval()(x, y)
        freeze_batch_norm(network)
        torch.testing.assert_close(network(x, y), trained)
    assert (trained - start).abs().max() > 1e-3
    assert list(network.state_dict()) == names
    assert not any("bn" in name for name, _ in network.named_parameters())


def test_thawed_batch_norm_trains() -> None:
    network = Student.create("tiny", seed=3).network
    thaw_batch_norm(network)
    network.train()(normalize(images(2)), normalize(images(2, seed=1))).square().mean().backward()
    assert network.backbone_style.body.bn1.weight.grad.abs().sum() > 0


# --- files --------------------------------------------------------------------------------------------------------


def test_a_hub_id_is_taken_from_the_hubs_folder(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--student"
    student.save(repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loaded = Student.from_pretrained("someone/student")
    assert loaded.facts["origin"] == f"someone/student@{revision}"
    assert torch.equal(loaded.stylize(images(1), images(1, seed=1)), student.stylize(images(1), images(1, seed=1)))
    with pytest.raises(UserError, match="someone/other: no such folder, and no student of that id on the hub"):
        Student.from_pretrained("someone/other")

    # A tag is another commit, and that commit's files are taken for both.
    tagged = "fedcba9876543210fedcba9876543210fedcba98"
    Student.create("tiny", seed=4).save(repository / "snapshots" / tagged)
    (repository / "refs" / "v1").write_text(tagged)
    assert Student.from_pretrained("someone/student", "v1").facts == {
        "size": "tiny",
        "seed": 4,
        "origin": f"someone/student@{tagged}",
    }
    assert Student.from_pretrained("someone/student", tagged).facts["seed"] == 4


def test_saved_and_loaded_it_is_the_same(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path / "student")
    again = Student.from_pretrained(tmp_path / "student")
    contents, styles = images(1), images(1, seed=1)
    assert torch.equal(again.stylize(contents, styles), student.stylize(contents, styles))
    assert again.facts == {"size": "tiny", "seed": 3}
    assert again.network.config == student.network.config
    assert all(parameter.requires_grad for parameter in again.network.parameters())
    assert sum(file.stat().st_size for file in (tmp_path / "student").iterdir()) < 12_000_000


def test_saving_twice_gives_equal_bytes(student: Student, tmp_path: Path) -> None:
    for name in ("a", "b"):
        student.save(tmp_path / name)
    for file in ("student.safetensors", "config.json"):
        assert sha256_file(tmp_path / "a" / file) == sha256_file(tmp_path / "b" / file)


def test_faults_of_a_folder_are_one_line(student: Student, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(UserError, match=r"missing: no such folder\. Give a folder with student\.safetensors") as fault:
        Student.from_pretrained(missing)
    assert "\n" not in str(fault.value)
    missing.mkdir()
    with pytest.raises(UserError, match=r"no student here \(student\.safetensors is missing\)"):
        Student.from_pretrained(missing)
    student.save(missing)
    (missing / "student.safetensors").write_bytes(b"x" * 20)
    with pytest.raises(UserError, match="no student of this version") as fault:
        Student.from_pretrained(missing)
    assert "\n" not in str(fault.value)
    student.save(missing)
    weights = missing / "student.safetensors"
    save_file(load_file(weights), weights)  # without what they say themselves, which counts before config.json
    config = json.loads((missing / "config.json").read_text())
    save_file(load_file(missing / "student.safetensors"), missing / "student.safetensors")  # which says nothing now
    config["network"]["width"] = 96
    (missing / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="no student of this version"):
        Student.from_pretrained(missing)


def test_authors_checkpoint_layout_loads_strictly_and_safely(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = STTR(SIZES["full"]).state_dict()
    # One number per entry, expanded to its shape: 642 numbers on disk instead of 183 MB.
    state = {
        name: torch.tensor(index, dtype=value.dtype).expand(value.shape)
        for index, (name, value) in enumerate(shapes.items())
    }
    path = tmp_path / "checkpoint0005.pth"
    layout = {"model": state, "epoch": 5, "args": argparse.Namespace(lr=1e-5, backbone="resnet50")}
    torch.save(layout, path)
    loaded = Student.from_checkpoint(path, sha256_file(path))
    assert all(torch.equal(value, state[name]) for name, value in loaded.network.state_dict().items())
    assert loaded.facts["origin_sha256"] == sha256_file(path)
    with pytest.raises(UserError, match="expected 0000000000000000"):
        Student.from_checkpoint(path, "0" * 64)
    layout["model"].pop("tail.11.bias")
    torch.save(layout, path)
    with pytest.raises(UserError, match=r"not the authors' checkpoint"):
        Student.from_checkpoint(path)


class _Unpickled:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path, ("executed",)


def test_a_checkpoint_that_would_execute_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint0005.pth"
    torch.save({"model": {}, "extra": _Unpickled()}, path)
    with pytest.raises(UserError, match=r"not the authors' checkpoint") as fault:
        Student.from_checkpoint(path)
    assert "\n" not in str(fault.value)


def test_imagenet_weights_reach_both_backbones_of_the_full_size_only() -> None:
    from torchvision.models import resnet50

    with torch.device("meta"):
        shapes = resnet50(weights=None).state_dict()
    state = {
        name: torch.tensor(index, dtype=value.dtype).expand(value.shape)
        for index, (name, value) in enumerate(shapes.items())
    }
    with torch.device("meta"):
        network = STTR(SIZES["full"])
    network.to_empty(device="cpu")
    set_backbones(network, state)
    for name, backbone in (("layer2.3", network.backbone_content), ("layer4.2", network.backbone_style)):
        assert torch.equal(backbone.body.state_dict()[f"{name}.conv3.weight"], state[f"{name}.conv3.weight"])
    with pytest.raises(UserError, match=r"needs student\.size full"):
        set_backbones(STTR(SIZES["tiny"]), state)
