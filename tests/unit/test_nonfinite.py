"""Nothing that is not finite reaches a file: settings, options, images, weights, scores, records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import distill as distill_script
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file, save_file

import stylize as stylize_script
from styledistill import config
from styledistill.core.errors import UserError
from styledistill.core.files import write_json
from styledistill.core.images import encode_png
from styledistill.core.tensors import to_uint8
from styledistill.metrics.score import COLUMNS, MEASURES, write_activations, write_rows
from styledistill.shards.write import Pair, write_manifest, write_shard
from styledistill.student import Student
from styledistill.student.pretrain import Pools, pretrain
from styledistill.student.training import write_history

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "weights" / "tiny_student"
BAD = [float("nan"), float("inf"), -float("inf")]
CPU = torch.device("cpu")
SEEDED = config.Networks(vgg19="seeded", alexnet="seeded", inception="seeded")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def image(seed: int, size: int = 32) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3))
    return np.uint8(coarse.repeat(size // 4, 0).repeat(size // 4, 1))


def saved(path: Path, seed: int) -> Path:
    Image.fromarray(image(seed)).save(path)
    return path


def only_error(result: Result) -> str:
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.stderr
    return next(line for line in result.stderr.splitlines() if line.startswith("error: "))


# --- settings and options -----------------------------------------------------------------------------------------


def numbers_of(values: object, where: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The places of all numbers in a configuration that may be broken ones."""
    if isinstance(values, dict):
        return [place for key, value in values.items() for place in numbers_of(value, (*where, key))]
    return [where] if isinstance(values, float) and not isinstance(values, bool) else []


def configured(**changes: object) -> config.Config:
    text = (ROOT / "workflow" / "presets" / "smoke.yaml").read_text(encoding="utf-8")
    return config.validate(yaml.safe_load(text) | changes)


FLOATS = [
    *(place for place in numbers_of(configured().model_dump()) if place[0] != "sources"),
    ("ablation", "v", "temperature"),
    ("ablation", "v", "gamma"),
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", FLOATS, ids=lambda place: ".".join(map(str, place)))
def test_every_number_of_the_configuration_is_finite(place: tuple[str, ...], bad: float) -> None:
    values = configured().model_dump(exclude_none=True)
    part = values
    for key in place[:-1]:
        part = part.setdefault(key, {})
    part[place[-1]] = bad
    with pytest.raises(UserError, match=place[-1]) as caught:
        config.validate(values)
    assert "\n" not in str(caught.value)


def test_the_numbers_of_the_configuration_are_found() -> None:
    assert ("distill", "learning_rate") in FLOATS
    assert ("losses", "mse", "pixel") in FLOATS
    assert len(FLOATS) > 20


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "NaN"])
def test_the_strength_is_a_number(bad: str, tmp_path: Path) -> None:
    content, style = saved(tmp_path / "c.png", 1), saved(tmp_path / "s.png", 2)
    arguments = [content, style, "-o", tmp_path / "out.png", "--model", MODEL, f"--strength={bad}"]
    result = CliRunner().invoke(stylize_script.main, list(map(str, arguments)))
    assert result.exit_code == 2 and "--strength" in result.stderr
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1", "0"])
def test_weights_of_terms_are_numbers(bad: str, tmp_path: Path) -> None:
    (tmp_path / "train.json").touch()
    options = {"train": tmp_path / "train.json", "val": tmp_path / "train.json", "start": MODEL, "settings": "{}"}
    options |= {"loss": f'{{"pixel": {bad}}}', "networks": "{}", "seed": 1, "out": tmp_path / "out"}
    command = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    result = CliRunner().invoke(distill_script.main, command)
    assert result.exit_code == 2 and "pixel" in result.stderr, result.output


# --- images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD)
def test_no_image_is_made_of_what_is_no_number(bad: float) -> None:
    images = torch.full((1, 3, 4, 4), 0.5)
    images[0, 1, 2, 3] = bad
    with pytest.raises(UserError, match="not finite"):
        to_uint8(images)


def ruined(folder: Path, value: float) -> Path:
    """The embedded student with one weight of another value; saved as any other program may do it."""
    state = load_file(MODEL / "student.safetensors")
    name = next(name for name, tensor in state.items() if tensor.is_floating_point())
    state[name] = state[name].clone()
    state[name].view(-1)[0] = value
    folder.mkdir()
    save_file(state, folder / "student.safetensors")
    (folder / "config.json").write_bytes((MODEL / "config.json").read_bytes())
    return folder


@pytest.mark.parametrize("bad", [*BAD, 3e38])
def test_a_ruined_student_draws_nothing(bad: float, tmp_path: Path) -> None:
    content, style = saved(tmp_path / "c.png", 1), saved(tmp_path / "s.png", 2)
    model = ruined(tmp_path / "student", bad)
    arguments = [content, style, "-o", tmp_path / "out.png", "--model", model, "--device", "cpu"]
    said = only_error(CliRunner().invoke(stylize_script.main, list(map(str, arguments))))
    assert "not finite" in said
    assert not (tmp_path / "out.png").exists()


# --- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [*BAD, 3e38])
def test_a_ruined_student_is_not_saved(bad: float, tmp_path: Path) -> None:
    student = Student.from_pretrained(MODEL)
    with torch.no_grad():
        student.network.output_proj.weight.view(-1)[0] = bad
        student.network.output_proj.bias.fill_(bad)
    with pytest.raises(UserError, match=r"student.*not finite"):
        student.save(tmp_path / "out")
    assert not (tmp_path / "out" / "student.safetensors").exists()


def test_a_last_step_that_ruins_the_weights_is_told(tmp_path: Path) -> None:
    settings = config.Pretrain(steps=1, batch=0, identity_batch=2, identity_weight=1.0, learning_rate=1e30)
    pool = np.stack([image(1), image(2)])
    with pytest.raises(UserError, match=r"not finite.*learning_rate"):
        pretrain("sttr", "tiny", Pools(pool, pool, 32), settings, SEEDED, 1, CPU, tmp_path)[0].save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pairs")
    for split, first in (("train", 0), ("val", 50)):
        pairs = [
            Pair(f"{split}_{n}", *map(encode_png, (image(n), image(n + 9), image(n + 18))), {}, {})
            for n in range(first, first + 2)
        ]
        write_shard(folder / split / "0000.tar", pairs)
        write_manifest(folder / f"{split}.json", split, 2, [folder / split / "0000.tar"])
    return folder / "train.json", folder / "val.json"


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_distillation_at_too_high_a_rate_says_so(epochs: int, manifests: tuple[Path, Path], tmp_path: Path) -> None:
    settings = config.Distill(max_epochs=epochs, learning_rate=1e30, batch=2)
    options = {"train": manifests[0], "val": manifests[1], "start": MODEL, "loss": '{"pixel": 1.0}', "seed": 1}
    options |= {"settings": settings.model_dump_json(), "networks": SEEDED.model_dump_json(), "device": "cpu"}
    options |= {"state": tmp_path / "state", "out": tmp_path / "out"}
    command = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    said = only_error(CliRunner().invoke(distill_script.main, command))
    assert "not finite" in said and "learning_rate" in said
    assert not list((tmp_path / "out").glob("*.safetensors"))


# --- tables and records -------------------------------------------------------------------------------------------


def row(**values: float) -> dict[str, str | float]:
    words = dict.fromkeys(set(COLUMNS) - set(MEASURES), "x")
    return {**words, **dict.fromkeys(MEASURES, float("nan")), **values}


@pytest.mark.parametrize("bad", BAD)
def test_a_score_that_is_no_number_is_an_error(bad: float, tmp_path: Path) -> None:
    def broken(tensor: torch.Tensor) -> torch.Tensor:
        return torch.full_like(tensor, bad)

    from styledistill.metrics import score
    from styledistill.splits.pairs import Pair as Scored

    pair = Scored("golden", "c0_s0", "c0", "s0", tmp_path / "c.png", tmp_path / "s.png")
    instruments = score.Instruments(*[torch.nn.Identity()] * 4, {"a": "b"}, [], CPU)
    with pytest.raises(UserError, match=r"c0_s0.*lpips"):
        score._rows([pair], {"lpips": broken(torch.ones(1))}, instruments)


@pytest.mark.parametrize(("written", "value"), [("", float("nan")), ("inf", float("inf")), ("0.25", 0.25)])
def test_tables_know_what_was_not_measured_and_equal_images(written: str, value: float, tmp_path: Path) -> None:
    write_rows([row(teacher_psnr=value)], tmp_path / "t.csv")
    cells = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()[1].split(",")
    assert cells[COLUMNS.index("teacher_psnr")] == written


def history(path: Path, value: float) -> None:
    write_history(path, [{"epoch": 1, "val_loss": value}])


WRITERS: dict[str, Callable[[Path, float], None]] = {
    "json": lambda path, value: write_json(path, {"a": [1.0, {"b": value}]}),
    "history": history,
    "activations": lambda path, value: write_activations(path, {path.parent / "s.png": np.full(3, value)}, path.parent),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("writer", WRITERS)
def test_records_hold_finite_numbers(writer: str, bad: float, tmp_path: Path) -> None:
    WRITERS[writer](tmp_path / "good", 0.5)
    assert (tmp_path / "good").stat().st_size
    with pytest.raises(UserError, match="not finite"):
        WRITERS[writer](tmp_path / "bad", bad)
    assert not (tmp_path / "bad").exists()
