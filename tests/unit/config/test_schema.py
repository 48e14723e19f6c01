"""The configuration: what is refused, and with which words."""

from pathlib import Path

import pytest
import yaml

from styledistill import config
from styledistill.core.errors import UserError

ROOT = Path(__file__).parents[3]
FILES = [ROOT / "config.yaml", *sorted((ROOT / "workflow" / "presets").glob("*.yaml"))]


def _default() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path):
    config.load(path)


def test_every_shipped_configuration_has_a_run_of_its_own():
    runs = [config.load(path).run for path in FILES]
    assert len(set(runs)) == len(runs)


def test_the_written_schema_is_the_one_of_the_models():
    written = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
    assert written == config.json_schema(), "run: python -m styledistill.config > workflow/schemas/config.schema.yaml"


def test_the_paper_preset_states_the_preprint():
    paper = config.load(ROOT / "workflow" / "presets" / "paper.yaml")
    assert (paper.teacher.weights, paper.teacher.convention) == ("CompVis/stable-diffusion-v1-4", "ldm")
    assert (paper.image_size, paper.teacher.steps, paper.teacher.gamma, paper.teacher.temperature) == (
        512,
        50,
        0.75,
        1.5,
    )
    assert (paper.blocks.train, paper.blocks.val, paper.blocks.pairs_per_block) == (82, 10, 96)
    assert (paper.pairs.train, paper.pairs.val) == (7800, 900)
    assert (config.total(paper.golden.contents), config.total(paper.golden.styles)) == (7, 6)
    assert {name: dict(terms) for name, terms in paper.losses.items()} == {
        "mse": {"pixel": 1.0},
        "gram50": {"pixel": 0.5, "gram": 0.5},
        "gram30": {"pixel": 0.7, "gram": 0.3},
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stepz": 3}, r"configuration: stepz: unknown key"),
        ({"image_size": 100}, r"image_size: 100 is not a multiple of 32"),
        ({"image_size": "big"}, r"image_size: .*integer.*'big'"),
        ({"pretrain": {"identity_weight": 1}}, r"pretrain: .*identity_weight and identity_batch go together"),
        ({"pretrain": {"batch": 0}}, r"pretrain: .*batch: 0 leaves nothing to train on"),
        ({"run": "../up"}, r"run: .*'\.\./up'"),
        (
            {
                "teacher": {"weights": "x", "method": "inst"},
                "pairs": {"train": 9, "val": 1, "keep": {"inversion_max": 0.5}},
            },
            r"pairs\.keep\.inversion_max: teacher\.method inst has no inversion that is measured",
        ),
        ({"losses": {"x": {"vgg": 1.0}}}, r"losses\.x\.vgg: Input should be 'pixel', .*'tv'"),
        ({"losses": {"teacher": {"pixel": 1.0}}}, r"losses: teacher is the name of a model"),
        ({"losses": {"x": {}}}, r"losses: x has no terms; allowed: pixel"),
        ({"pairs": {"train": 9999, "val": 1}}, r"pairs\.train: 9999 pairs asked for, .* make only 180"),
        (
            {"golden": {"contents": {"cats": 1}, "styles": {"paintings": 1}}},
            r"golden\.contents: no source named cats; sources: ",
        ),
        ({"sources": {"a": {"kind": "ftp"}}}, r"sources\.a: .*'procedural', 'folder', 'skimage'"),
        (
            {"teacher": {"weights": "x", "method": "sdedit"}},
            r"teacher\.method: Input should be 'styleid', 'inst'",
        ),
        (
            {"teacher": {"weights": "x", "method": "inst", "inst": {"strength": 1.0}}},
            r"teacher\.inst\.strength: .*less",
        ),
        (
            {"teacher": {"weights": "x", "method": "inst"}, "ablation": {"flat": {"gamma": 0.0}}},
            r"ablation: its variants are of StyleID, and teacher\.method is inst",
        ),
        ({"teacher": {"method": "inst"}}, r"teacher: weights: missing, and inst works on a latent diffusion model"),
        ({"teacher": {"method": "command"}}, r"teacher: command: missing\. Set it to one as \"python mine\.py"),
        (
            {"teacher": {"method": "command", "command": "paint {content}"}},
            r"teacher\.command: .*lacks {style} and {output}",
        ),
        (
            {"teacher": {"method": "command", "command": "paint {pairs} {content}"}},
            r"teacher\.command: .*has {pairs}, a table of all, and {content}, of one; keep one of both",
        ),
        ({"teacher": {"method": "command", "command": "paint '{pairs}"}}, r"teacher\.command: .*No closing quotation"),
        ({"compare_teachers": {"teacher": {"method": "inst"}}}, r"compare_teachers: .*choose another name"),
        ({"compare_teachers": {"a": {"method": "sd"}}}, r"compare_teachers\.a\.method: Input should be 'styleid' or"),
        ({"stylizers": {"a": {"kind": "exe"}}}, r"stylizers\.a: .*'folder', 'onnx', 'python'"),
        ({"stylizers": {"a": {"kind": "onnx"}}}, r"stylizers\.a\.path: missing"),
        ({"stylizers": {"a": {"kind": "python", "function": "a.b"}}}, r"stylizers\.a\.function: .*'a\.b'"),
        ({"stylizers": {"mse": {"kind": "onnx", "path": "x"}}}, r"stylizers\.mse: this is the name of a loss"),
        ({"stylizers": {"teacher": {"kind": "onnx", "path": "x"}}}, r"stylizers\.teacher: .* that every run has"),
        (
            {"run": "a", "stylizers": {"b": {"kind": "folder", "path": "results/a/../a/golden/b"}}},
            r"stylizers\.b\.path: .* lies in results/a, where jobs remove and write images",
        ),
        (
            {"run": "a", "stylizers": {"b": {"kind": "folder", "path": "b", "validation": "results/a/validation/b"}}},
            r"stylizers\.b\.validation: results/a/validation/b lies in results/a",
        ),
        ({"teacher": {"weights": "x", "gamma": 1.5}}, r"teacher\.gamma: .*less than or equal to 1"),
        (
            {"teacher": {"weights": "x", "convention": "sd"}},
            r"teacher\.convention: Input should be 'ldm' or 'diffusers'",
        ),
    ],
)
def test_faults_are_refused_by_name(change, words):
    with pytest.raises(UserError, match=words):
        config.validate({**_default(), **change})


def test_a_missing_section_is_named():
    values = _default()
    del values["teacher"]
    with pytest.raises(UserError, match=r"configuration: teacher: missing"):
        config.validate(values)


def test_all_faults_are_told_at_once_each_in_a_line():
    with pytest.raises(UserError) as caught:
        config.validate({**_default(), "seed": -1, "color": "red"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("configuration: ") for line in lines)


@pytest.mark.parametrize("gamma", [[0.4, None], [[0.4], 0.2], [{"start": 0, "end": 1}, 0.2]])
def test_a_list_with_something_else_among_its_numbers_is_told_once_at_its_place(gamma):
    with pytest.raises(UserError, match=r"teacher\.gamma\.[01]: Input should be a valid number") as caught:
        config.validate({**_default(), "teacher": {"weights": "x", "gamma": gamma}})
    assert "\n" not in str(caught.value)


def test_former_names_of_keys_are_still_read():
    new = _default()
    new["sources"]["drawn"] = {"kind": "procedural", "images": "scenes", "count": 9, "license": "mit"}
    new["distill"]["gram_per_image"] = False
    old = yaml.safe_load(yaml.safe_dump(new))
    old["sources"]["drawn"] = {"kind": "procedural", "pictures": "scenes", "count": 9, "licence": "mit"}
    old["distill"]["gram_per_picture"] = old["distill"].pop("gram_per_image")
    assert config.validate(old) == config.validate(new)
    old["sources"]["drawn"]["images"] = "faces"
    with pytest.raises(UserError, match="pictures"):
        config.validate(old)


def of_triplets(**changes):
    one = {"kind": "triplets", "path": "mine"}
    return {
        "sources": {"contents": {**one, "take": "content"}, "styles": {**one, "take": "style"}},
        "blocks": {"train": 2, "val": 1, "contents": {"contents": 3}, "styles": {"styles": 3}},
        "pairs": {"train": 6, "val": 3},
        "golden": {"contents": {"contents": 1}, "styles": {"styles": 1}},
        "teacher": {"method": "images"},
        **changes,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pairs": {"train": 7, "val": 3}}, r"pairs\.train: 7 pairs asked for, but .* 2 blocks of 3 pairs make only 6"),
        (
            {"blocks": {"train": 2, "val": 1, "contents": {"contents": 3}, "styles": {"styles": 2}}},
            r"blocks: with teacher\.method images, contents and styles are one source of kind triplets or hub_",
        ),
        (
            {"blocks": {"train": 2, "val": 1, "contents": {"styles": 3}, "styles": {"contents": 3}}},
            r"blocks: with teacher\.method images",
        ),
        ({"golden": {"contents": {"contents": 2}, "styles": {"styles": 2}}}, r"golden: .* it is one triplet"),
    ],
)
def test_triplets_stay_together(change, words):
    config.validate(_default() | of_triplets())
    with pytest.raises(UserError, match=words):
        config.validate(_default() | of_triplets(**change))
