"""The smoke preset from sources to report, with the real Snakemake."""

from __future__ import annotations

import csv
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from running import ROOT, SMOKE, run_workflow

pytestmark = pytest.mark.slow
# LPIPS and FID, which the ablation's figure shows, without their weights.
SEEDED = {"metrics": {}, "networks": {"features": "efficientnet_lite0", "alexnet": "seeded", "inception": "seeded"}}
MODELS = ["content", "style", "recolor", "teacher", "pretrained", "mse", "gram50"]


def _pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)


def test_everything_that_the_design_names_is_there(smoke):
    run = smoke / "results" / "smoke"
    wanted = [
        "index/scenes.csv",
        "blocks/train/0000.csv",
        "blocks/train/0001.csv",
        "blocks/val/0000.csv",
        "images/train/0001/c00.png",
        "images/golden/s1.png",
        "teacher/val/0000/c02_s02.png",
        "shards/train/0001.tar",
        "shards/val.json",
        "shards/README.md",
        "students/mse/onnx/stylize.int8.onnx",
        *(f"students/{loss}/{file}" for loss in ("mse", "gram50") for file in ("student.safetensors", "history.csv")),
        *(f"golden/{model}/c1_s1.png" for model in MODELS),
        *(f"metrics/{model}.csv" for model in MODELS),
        *(
            f"tables/{name}.{kind}"
            for name in ("metrics", "differences", "claims")
            for kind in ("csv", "json", "md", "tex")
        ),
        "tables/benchmark.csv",
        "figures/golden.png",
        "figures/golden.pdf",
        "report.html",
    ]
    assert [name for name in wanted if not (run / name).is_file()] == []


def test_teacher_images_are_neither_content_nor_noise(smoke):
    run = smoke / "results" / "smoke"
    content, image = _pixels(run / "images/golden/c0.png"), _pixels(run / "golden/teacher/c0_s0.png")
    assert image.shape == content.shape == (64, 64, 3)
    assert np.abs(image - content).mean() > 3
    # Light and dark stay where they were: the layout is the content's.
    assert np.corrcoef(content.mean(2).ravel(), image.mean(2).ravel())[0, 1] > 0.3


def test_shards_hold_the_images_of_the_run(smoke):
    run = smoke / "results" / "smoke"
    manifest = json.loads((run / "shards/train.json").read_text())
    assert manifest["pairs"] == sum(len(shard["pairs"]) for shard in manifest["shards"]) == 16
    with tarfile.open(run / "shards/train/0001.tar") as tar:
        target = tar.extractfile("train_0001_c02_s01.target.png").read()
    assert target == (run / "teacher/train/0001/c02_s01.png").read_bytes()


def test_no_image_is_in_two_places(smoke):
    blocks = smoke / "results" / "smoke" / "blocks"
    rows = [row for path in blocks.rglob("*.csv") for row in csv.DictReader(path.open())]
    images = [(row["source"], row["image"]) for row in rows]
    assert len(images) == len(set(images)) == 3 * 6 + 4


def test_losses_start_alike_and_end_apart(smoke):
    run = smoke / "results" / "smoke" / "students"
    files = [(run / loss / "student.safetensors").read_bytes() for loss in ("mse", "gram50")]
    assert files[0] != files[1]


def test_no_network_of_a_run_without_downloads_is_random_and_what_needs_others_is_left_out(smoke):
    run = smoke / "results" / "smoke"
    said, page = (run / "tables/metrics.md").read_text(), (run / "report.html").read_text()
    assert "ST-LPIPS: bapps alex_shift_tolerant" in said and "seeded" not in said + page
    for path in [*(run / "metrics").glob("*.csv"), *(run / "tables").glob("*.csv")]:
        head = path.read_text().splitlines()[0].split(",")
        assert [name for name in head if name.startswith(("lpips", "teacher_lpips", "fid", "kid", "artfid"))] == []
    assert all(set(facts) == {"pairs"} for facts in json.loads((run / "metrics/mse.json").read_text())["sets"].values())
    assert not (run / "metrics/styles.npz").exists()
    assert "FID" not in said and 'data-key="st_lpips"' in page and 'data-key="lpips"' not in page


def test_size_is_the_only_claim_that_so_few_images_can_answer(smoke):
    table = list(csv.DictReader((smoke / "results/smoke/tables/claims.csv").open()))
    answers = {row["claim"]: row["answer"] for row in table}
    assert answers.pop("The students are 10 times smaller than the teacher") == "does not hold"
    assert set(answers.values()) == {"cannot be told"}
    assert "10 times smaller" in (smoke / "results/smoke/report.html").read_text()
    # A published score has no place beside images and networks that are not StyleID's.
    assert not list((smoke / "results/smoke/tables").glob("published*"))


def test_the_ablation_is_planned_from_the_golden_set_alone(smoke, tmp_path):
    values = yaml.safe_load(SMOKE.read_text()) | SEEDED | {"ablation": {"flat": {"gamma": 0.0}}}
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(values, sort_keys=False))
    plan = run_workflow(smoke, "ablation", "-n", "--configfile", str(changed))
    jobs = {line.split()[0]: int(line.split()[1]) for line in _stats(plan.stdout + plan.stderr)}
    names = ("score_variants", "deviation", "ablation_figure", "ablation")
    assert jobs == {**dict.fromkeys(names, 1), "render_variant": 2, "total": 6}


def test_other_teachers_are_planned_where_they_are_asked_for(smoke, tmp_path):
    """And nowhere else: the run of the preset has none."""
    assert not (smoke / "results/smoke/teachers").exists()
    values = yaml.safe_load(SMOKE.read_text()) | {"compare_teachers": {"inst": {"method": "inst", "steps": 4}}}
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(values, sort_keys=False))
    plan = run_workflow(smoke, "all", "-n", "--configfile", str(changed))
    jobs = {line.split()[0]: int(line.split()[1]) for line in _stats(plan.stdout + plan.stderr)}
    assert jobs["compare_teachers"] == jobs["teachers_figure"] == jobs["report"] == 1


@pytest.mark.long
def test_the_ablation_scores_each_variant_and_measures_the_logits(smoke_copy, tmp_path):
    flat = {"flat": {"gamma": 0.0}, "bare": {"adain": False, "injection": False}}
    changed = tmp_path / "changed.yaml"
    values = yaml.safe_load(SMOKE.read_text()) | SEEDED | {"ablation": flat}
    changed.write_text(yaml.safe_dump(values, sort_keys=False))
    done = run_workflow(smoke_copy, "ablation", "--cores", "2", "--configfile", str(changed))
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    run = smoke_copy / "results/smoke"
    rows = {row["model"]: row for row in csv.DictReader((run / "tables/ablation.csv").open())}
    assert [(name, row["gamma"], row["injection"]) for name, row in rows.items()] == [
        ("default", "0.4", "on"), ("flat", "0", "on"), ("bare", "0.4", "off"),
    ]  # fmt: skip
    # The default is the teacher: its variant's images are those of the golden set, the others' are not.
    golden = {path.name: path.read_bytes() for path in (run / "golden/teacher").glob("*.png")}
    for name in rows:
        images = {path.name: path.read_bytes() for path in (run / "ablation" / name).glob("*.png")}
        assert images.keys() == golden.keys() and (images == golden) == (name == "default")
    # Without injection the content's structure stays.
    assert float(rows["bare"]["lpips"]) < float(rows["flat"]["lpips"])
    kinds = [row["kind"] for row in csv.DictReader((run / "ablation/deviation.csv").open())]
    assert kinds.count("own") == kinds.count("injected") > 0
    assert all((run / f"figures/ablation.{kind}").stat().st_size > 5000 for kind in ("png", "pdf"))


def test_the_page_is_small_enough_to_send(smoke):
    assert (smoke / "results/smoke/report.html").stat().st_size < 20e6


def test_the_terminal_says_what_was_made_and_where_to_look(smoke):
    said = (smoke / "terminal.txt").read_text()
    assert "results/smoke/report.html" in said
    assert "16 train pairs" in said


def test_a_second_run_has_nothing_to_do(smoke_copy):
    again = run_workflow(smoke_copy, "--cores", "2", "--configfile", str(SMOKE))
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


def _stats(said: str) -> list[str]:
    lines = said.split("Job stats:")[1].splitlines()[3:]
    return [line for line in lines[: lines.index("")] if line]


def test_finished_pairs_survive_a_renamed_run(smoke_copy):
    """Another run name, the same pairs: the teacher's job copies them from the store and computes none."""
    kept = smoke_copy / "resources" / "pairs"
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.png")}
    again = run_workflow(
        smoke_copy, "--cores", "2", "--configfile", str(SMOKE), "--config", "run=renamed", "--until", "teach"
    )
    assert again.returncode == 0, again.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.png")} == before
    first, second = (smoke_copy / "results" / run / "teacher/val/0000/c01_s02.png" for run in ("smoke", "renamed"))
    assert first.read_bytes() == second.read_bytes()


def test_the_paper_preset_plans_its_jobs_without_any_data(snakemake):
    plan = snakemake("-n", "--quiet", "rules", "--configfile", str(ROOT / "workflow/presets/paper.yaml"))
    said = plan.stdout + plan.stderr
    assert plan.returncode == 0, said
    jobs = {line.split()[0]: int(line.split()[1]) for line in _stats(said)}
    assert (jobs["teach"], jobs["distill"], jobs["render"], jobs["render_controls"]) == (92, 3, 5, 1)
    assert "not here yet: sources.faces.path" in said


def test_snakemake_s_own_report_holds_every_figure_and_table_with_a_caption(smoke, tmp_path):
    done = run_workflow(smoke, "--report", str(tmp_path / "own.zip"), "--configfile", str(SMOKE))
    assert done.returncode == 0, done.stderr[-3000:]
    with zipfile.ZipFile(tmp_path / "own.zip") as archive:
        page, inside = archive.read("own/report.html").decode(), set(archive.namelist())
    results, categories = (
        json.JSONDecoder().raw_decode(page.split(f"var {name} = ")[-1])[0] for name in ("results", "categories")
    )
    run = Path("results/smoke")
    made = [file for part in ("figures", "tables") for file in sorted((smoke / run / part).iterdir())]
    wanted = {str(file.relative_to(smoke)) for file in made if file.suffix != ".json"} | {str(run / "report.html")}
    assert set(results) == wanted
    assert {name for folder in categories.values() for files in folder.values() for name in files} == wanted
    assert set(categories) == {"Report", "Figures", "Tables"}
    for name, shown in results.items():
        assert len(shown["caption"]) > 60 and shown["labels"], name
        assert f"own/{shown['data_uri']}" in inside
    assert "measures how much of the teacher" in page.split("var workflow_desc = ")[-1][:1000]
