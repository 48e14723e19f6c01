"""The configuration says what it took, and no library's order, type or default decides a result unsaid."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper
from PIL import Image

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.run.notes import notes
from styledistill.student.onnx_precision import with_int8_weights

ROOT = Path(__file__).parents[3]
PRESETS = [ROOT / "config.yaml", *sorted((ROOT / "workflow" / "presets").glob("*.yaml"))]
SMOKE = yaml.safe_load((ROOT / "workflow/presets/smoke.yaml").read_text("utf-8"))


def changed(changes: dict[str, dict[str, object]]) -> config.Config:
    values = copy.deepcopy(SMOKE)
    for section, keys in changes.items():
        values[section] = {**values.get(section, {}), **keys}
    return config.validate(values)


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("losses: {a: 1}\nrun: x\nlosses: {b: 1}\n", r"losses stands twice \(lines 1 and 3\)"),
        ("distill:\n  batch: 1\n  clip: 1\n  batch: 2\n", r"batch stands twice \(lines 2 and 4\)"),
        ("losses: {a: {pixel: 1.0}, a: {gram: 1.0}}\n", "a stands twice"),
        ("a: [\n", "cannot be read as YAML"),
        ("a: \t- b\n", "cannot be read as YAML"),
    ],
)
def test_a_key_stands_once(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text, "utf-8")
    with pytest.raises(UserError, match=rf"c\.yaml: .*{said}") as caught:
        config.load(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"run": "x", "losses": {}, "run": "y"}', "run stands twice"),
        ('{"losses": {"a": {"pixel": 1}, "a": {"gram": 1}}}', "a stands twice"),
        ('{"run": ', "cannot be read as JSON"),
    ],
)
def test_a_key_stands_once_in_json_too(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text, "utf-8")
    with pytest.raises(UserError, match=rf"c\.json: .*{said}"):
        config.read(tmp_path / "c.json")
    (tmp_path / "c.json").write_text('{"a":\t{"x": 1e-4}, "b": {"x": null}}', "utf-8")
    assert config.read(tmp_path / "c.json") == {"a": {"x": 1e-4}, "b": {"x": None}}


def test_equal_keys_of_other_sections_and_anchors_are_none(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("\ufeffa: &a {x: 1}\nb: {<<: *a, x: 2}\nc: {x: 1}\n1: x\n'1': y\n", "utf-8")
    assert config.read(tmp_path / "c.yaml")["b"] == {"x": 2}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_no_preset_says_what_changes_nothing(preset: Path) -> None:
    loaded = config.load(preset)
    assert notes(loaded, on_cpu=False) == []
    halves = [section for section in ("teacher", "distill") if getattr(loaded, section).dtype != "float32"]
    assert [line.split(".")[0] for line in notes(loaded, on_cpu=True)] == halves


SAID: dict[str, dict[str, dict[str, object]]] = {
    "pretrain": {"pretrain": {"steps": 5}},
    "distill.micro_batch": {"distill": {"batch": 4, "micro_batch": 8}},
    "networks.vgg16": {"networks": {"vgg16": "seeded"}},
    "networks.art_inception": {"networks": {"art_inception": "seeded"}},
    "networks.inception": {"metrics": {"fid": "art_inception"}, "networks": {"inception": "seeded"}},
    "networks.alexnet": {"networks": {"alexnet": "seeded"}},
    "metrics.fid_minimum": {"metrics": {"fid_minimum": 3}},
    "teacher.temperature": {"teacher": {"injection": False, "temperature": 2.0}},
    "teacher.command": {"teacher": {"command": "paint {content} {style} {output}"}},
    "teacher.gamma": {"teacher": {"method": "inst", "gamma": 0.3}},
    "teacher.injection": {"teacher": {"method": "inst", "injection": False}},
    "teacher.weights": {"teacher": {"method": "command", "command": "paint {pairs}"}},
    "teacher.inst": {"teacher": {"inst": {"strength": 0.5}}},
    "compare_teachers": {
        "teacher": {"method": "command", "command": "paint {content} {style} {output}"},
        "compare_teachers": {"inst": {"method": "inst"}},
    },
    "sources.more": {"sources": {"more": {"kind": "procedural", "images": "scenes", "count": 3}}},
}


@pytest.mark.parametrize("key", SAID)
def test_a_key_that_changes_nothing_says_so(key: str) -> None:
    values = copy.deepcopy(SMOKE) | {"image_size": 96}  # art_inception needs that
    for section, keys in SAID[key].items():
        values[section] = {**values.get(section, {}), **keys}
    (line,) = (one for one in notes(config.validate(values), on_cpu=False) if one.startswith(f"{key}:"))
    assert "changes nothing in this run" in line


def test_gram_settings_without_gram() -> None:
    values = copy.deepcopy(SMOKE) | {"losses": {"mse": {"pixel": 1.0}}, "distill": {"gram_normalize": "hw"}}
    assert [line.split(":")[0] for line in notes(config.validate(values), on_cpu=False)] == ["distill.gram_normalize"]


@pytest.mark.parametrize("section", ["teacher", "distill"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_on_a_cpu_is_priced(section: str, dtype: str) -> None:
    loaded = changed({section: {"dtype": dtype}})
    (line,) = notes(loaded, on_cpu=True)
    assert line.startswith(f"{section}.dtype: {dtype} on a CPU takes about 1") and "Set float32" in line
    assert notes(loaded, on_cpu=False) == []


@pytest.mark.parametrize("seed", [-1, 2**63, 99999999999999999999])
@pytest.mark.parametrize("key", ["seed", "networks.seed"])
def test_seeds_are_what_generators_take(seed: int, key: str) -> None:
    values = copy.deepcopy(SMOKE)
    if key == "seed":
        values["seed"] = seed
    else:
        values["networks"]["seed"] = seed
    with pytest.raises(UserError, match=rf"configuration: {key}: "):
        config.validate(values)


def test_the_largest_seed_seeds_everything() -> None:
    from styledistill.core.runtime import seed_everything
    from styledistill.student import Student

    seed_everything(2**63 - 1)
    Student.create("tiny", 2**63 - 1)


# --- locales ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_tables_are_utf_8_whatever_the_locale(locale: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "in" / "ü é 字.png")
    command = [
        sys.executable,
        ROOT / "src/steps/index.py",
        "--name",
        "x",
        "--source",
        '{"kind": "folder", "path": "in"}',
    ]
    command += ["--out", "o.csv", "--excluded", "e.csv"]
    environment = {**os.environ, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.csv").read_text("utf-8").splitlines()[1].startswith("ü é 字.png,32,32,")


def test_no_text_is_read_in_the_locales_encoding() -> None:
    """Only what the kernel writes is."""
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("workflow/**/*.smk")]:
        for line in path.read_text("utf-8").splitlines():
            if ".read_text()" in line:
                assert any(word in line for word in ("/proc/", "/sys/", "memory.")), (path.name, line)


# --- kernels ------------------------------------------------------------------------------------------------------


def test_int8_weights_do_not_round_activations() -> None:
    """onnxruntime 1.25 and later: one large activation would spoil its neighbors, by percents."""
    import onnxruntime

    rng = np.random.default_rng(1)
    weight = rng.normal(size=(256, 128)).astype(np.float32) / 16
    x_in, y_out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in (("x", 256), ("y", 128))
    )
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", [x_in], [y_out], [onnx.numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    small = with_int8_weights(model)
    assert len(small.SerializeToString()) < weight.nbytes / 3
    x = rng.normal(size=(8, 256)).astype(np.float32)
    x[0, 0] = 1000
    (made,) = onnxruntime.InferenceSession(small.SerializeToString()).run(None, {"x": x})
    scale = np.abs(weight).max(0) / 127
    expected = x.astype(np.float64) @ (np.rint(weight / scale) * scale)
    assert np.abs(made - expected)[1:].max() < 1e-4
    assert np.abs(made - expected)[0].max() < 1e-3


def test_tables_name_their_order_as_a_parameter() -> None:
    """Snakemake compares inputs as sets, so another order alone would leave the rows as they are."""
    for file, rule in (("report", "table"), ("report", "compare")):
        text = (ROOT / f"workflow/rules/{file}.smk").read_text("utf-8")
        body = text.split(f"rule {rule}:")[1].split("\nrule ")[0]
        assert 'models=",".join(CFG.models)' in body
