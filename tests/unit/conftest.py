"""A small finished run, with everything that the report reads."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from styledistill import config as configuration
from styledistill.core.files import write_json, write_text
from styledistill.core.images import save_png
from styledistill.report.tables import ablation, claims, differences, metrics, stored
from styledistill.report.tables.formats import csv

_CONFIG = {
    "run": "trial",
    "image_size": 32,
    "sources": {"photos": {"kind": "skimage"}, "drawn": {"kind": "procedural", "images": "styles", "count": 9}},
    "blocks": {"train": 1, "val": 1, "contents": {"photos": 2}, "styles": {"drawn": 2}},
    "pairs": {"train": 4, "val": 4},
    "golden": {"contents": {"photos": 2}, "styles": {"drawn": ["p7", "p8"]}},
    "teacher": {"weights": "weights/tiny"},
    "student": {"size": "tiny", "start": "weights/student"},
    "losses": {"mse": {"pixel": 1.0}, "gram50": {"pixel": 0.5, "gram": 0.5}},
    "ablation": {"flat": {"gamma": 0.0}, "cosine": {"gamma": {"start": 0.75, "end": 0.25}}},
    "compare_teachers": {"other": {"method": "inst"}},
    "networks": {"vgg19": "seeded", "alexnet": "seeded", "inception": "seeded"},
}
_NETWORKS = dict.fromkeys(("alexnet", "vgg19", "inception"), "seeded-1 (random)")
_PAIRS = [(content, style) for content in range(2) for style in range(2)]
# Columns of history.csv as student/distill.py writes them.
_RATES = (1e-4, 1e-4, 5e-5)
_SHARES = {"mse": {"share_pixel": 1.0}, "gram50": {"share_pixel": 0.02, "share_gram": 0.98}}


@pytest.fixture(scope="session")
def trial_config() -> configuration.Config:
    return configuration.validate(_CONFIG)


@pytest.fixture
def trial_without(trial: Path, trial_config, tmp_path: Path) -> tuple[Path, configuration.Config]:
    """A copy of it without LPIPS, FID and ablation, as `metrics: {lpips: none, fid: none}` leaves them out."""
    root = shutil.copytree(trial, tmp_path / "trial")
    for path in (root / "metrics").glob("*.csv"):
        write_text(path, csv(_without(pd.read_csv(path))))
    tables = root / "tables"
    means = _without(stored.read(tables / "metrics").data).assign(seeded="vgg19")
    stored.write(metrics.document(means, 200), tables / "metrics")
    found = stored.read(tables / "differences").data
    stored.write(differences.document(found[found["measure"] != "lpips"]), tables / "differences")
    changed = {"ablation": {}, "metrics": {"lpips": "none", "fid": "none"}, "networks": {"vgg19": "seeded"}}
    return root, configuration.validate(trial_config.model_dump() | changed)


def _without(table: pd.DataFrame) -> pd.DataFrame:
    gone = [name for name in table if name.startswith(("lpips", "fid", "artfid", "alexnet", "inception"))]
    return table.drop(columns=gone).assign(st_lpips=0.4, teacher_st_lpips=table["teacher_mse"] * 2)


@pytest.fixture(scope="session")
def trial(tmp_path_factory, trial_config) -> Path:
    """Its folder, results/trial: random images and numbers. A test that changes files works on a copy."""
    root = tmp_path_factory.mktemp("run") / "trial"
    _write_images(root, trial_config.models)
    _write_scores(root, trial_config.models)
    costs = [{"model": m, "parameters": 1000, "megabytes": 4.5, "seconds": 1.5} for m in ("teacher", "mse", "gram50")]
    _write_csv(root / "tables" / "benchmark.csv", [{**cost, "device": "cpu"} for cost in costs])
    _write_differences(root, trial_config.models)
    _write_ablation(root, list(trial_config.variants))
    _write_teachers(root)
    for loss in trial_config.losses:
        _write_student(root / "students" / loss, _SHARES[loss])
    roles = [{"name": f"{role[0]}{n:02d}", "role": role} for role in ("content", "style") for n in range(2)]
    _write_csv(root / "blocks" / "train" / "0000.csv", roles)
    _write_csv(root / "index" / "photos.excluded.csv", [{"image": "a</script>.jpg", "reason": "too <small>"}])
    for number in range(2):
        record = {"stage": "teach", "seconds": 30.0 + number, "started": f"2026-01-0{number + 1}", "device": "cpu"}
        facts = {"peak_memory_mb": 500.0 + number, "versions": {"python": "3.11.7", "torch": "2.15.0"}}
        write_json(root / "teacher" / "train" / f"000{number}.run.json", record | facts)
    write_json(root / "shards" / "train.json", {"pairs": 4})
    keys = [f"val_0000_c{c:02d}_s{s:02d}" for c, s in _PAIRS]
    write_json(root / "shards" / "val.json", {"pairs": 4, "shards": [{"pairs": keys}]})
    return root


def _write_images(root: Path, models: list[str]) -> None:
    for number in range(2):
        for role, seed in (("c", 0), ("s", 5)):
            _draw(seed + number, root / "images" / "golden" / f"{role}{number}.png")
            for split, first in (("train", 20), ("val", 60)):
                _draw(first + seed + number, root / "images" / split / "0000" / f"{role}{number:02d}.png")
    for c, s in _PAIRS:
        _draw(40 + 2 * c + s, root / "teacher" / "train" / "0000" / f"c{c:02d}_s{s:02d}.png")
        for index, model in enumerate(models):
            _draw(100 * index + 10 * c + s, root / "golden" / model / f"c{c}_s{s}.png")
            _draw(100 * index + 10 * c + s + 5, root / "validation" / model / f"0000_c{c:02d}_s{s:02d}.png")


def _draw(seed: int, path: Path) -> None:
    save_png(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8), path)


def _write_scores(root: Path, models: list[str]) -> None:
    draws, means = np.random.default_rng(1), []
    for index, model in enumerate(models):
        psnr = np.inf if model == "teacher" else 20.0
        rows = [
            {"set": name, "pair": pair.format(c, s), "content": c, "style": s}
            | {"lpips": 0.3, "teacher_mse": (index + c + 2 * s) / 100}
            for name, pair in (("golden", "c{}_s{}"), ("val", "0000_c{:02d}_s{:02d}"))
            for c, s in _PAIRS
        ]
        _write_csv(root / "metrics" / f"{model}.csv", [{**row, "teacher_psnr": psnr} for row in rows])
        for name, count in (("golden", 4), ("val", 300)):
            row = {"model": model, "set": name, "pairs": count}
            for measure in ("lpips", "teacher_mse", "teacher_psnr", "laplacian_energy"):
                value = psnr if measure == "teacher_psnr" else round(float(draws.uniform(0.1, 0.9)), 6)
                row |= {measure: value, f"{measure}_low": value * 0.9, f"{measure}_high": value * 1.1}
            fid = {"fid": 12.5, "artfid": 15.0, "fid_grayed": count < 200}
            means.append(row | fid | _NETWORKS | {"seeded": "alexnet vgg19 inception"})
    stored.write(metrics.document(pd.DataFrame(means), 200), root / "tables" / "metrics")
    claim = {"claim": "L1 is brighter than L3", "set": "golden", "measure": "brightness", "networks": "vgg19 x"}
    claim |= {"comparison": "no L3 in this run", "verdict": "cannot be told"}
    claim |= dict.fromkeys(("difference", "low", "high"), np.nan) | {"answer": "cannot be told"}
    stored.write(claims.document(pd.DataFrame([claim]), pd.DataFrame()), root / "tables" / "claims")


def _write_differences(root: Path, models: list[str]) -> None:
    """On the validation pairs mse can be told from others by its LPIPS; nothing else can be."""
    rows = [
        {"model": model, "set": name, "minus": other, "measure": measure, "difference": place / 8 - 0.5,
         "low": place / 8 - 0.6, "high": place / 8 - 0.4, "told": (model, name, measure) == ("mse", "val", "lpips")}
        for name in ("golden", "val")
        for other in ("teacher", "pretrained")
        for place, model in enumerate(models)
        if model != other
        for measure in ("lpips", "gram_distance")
    ]  # fmt: skip
    stored.write(differences.document(pd.DataFrame(rows)), root / "tables" / "differences")


def _write_ablation(root: Path, variants: list[str]) -> None:
    gammas = dict(zip(variants, (0.5, 0.0, "0.75 to 0.25"), strict=True))
    per_pair = ("lpips", "st_lpips", "cfsd", "gram_distance", "color_distance")
    rows = []
    for number, (name, gamma) in enumerate(gammas.items()):
        row = {"model": name, "gamma": gamma, "temperature": 1.5, "adain": "on", "injection": "on"}
        row |= {"set": "golden", "pairs": 4}
        for measure in per_pair:
            row |= {measure: (3 - number) / 10, f"{measure}_low": 0.1, f"{measure}_high": 0.4}
        of_set = {"fid": 20.0 + number, "artfid": 30.0, "fid_64": 2.0, "kid": 0.1}
        few = {"contents": 2, "styles": 2, "fid_grayed": True, "fid_64_grayed": True, "kid_grayed": True}
        rows.append(row | of_set | few | {"seeded": "alexnet"})
        for c, s in _PAIRS:
            _draw(700 + 10 * number + 2 * c + s, root / "ablation" / name / f"c{c}_s{s}.png")
    stored.write(ablation.document(pd.DataFrame(rows), 200), root / "tables" / "ablation")
    deviation = [
        {"timestep": timestep, "layer": 0, "kind": kind, "deviation": value}
        for timestep in (1, 251, 501)
        for kind, value in (("own", 3.0), ("injected", 2.0))
    ]
    _write_csv(root / "ablation" / "deviation.csv", deviation)


def _write_teachers(root: Path) -> None:
    rows = [
        {"model": name, "pair": f"c{c}_s{s}", "cfsd": first + c + s / 10, "gram_distance": first / 10}
        for name, first in (("teacher", 1.0), ("other", 2.0))
        for c, s in _PAIRS
    ]
    _write_csv(root / "teachers" / "scores.csv", rows)
    for c, s in _PAIRS:
        _draw(900 + 2 * c + s, root / "teachers" / "other" / f"c{c}_s{s}.png")


def _write_student(folder: Path, shares: dict[str, float]) -> None:
    epochs = [
        {"epoch": epoch, "rate": rate, "train_loss": 1 / epoch, "val_loss": 1.1 / epoch}
        for epoch, rate in enumerate(_RATES, 1)
    ]
    _write_csv(folder / "history.csv", [epoch | shares for epoch in epochs])
    precisions = {
        name: {"megabytes": {f"a{name}.onnx": size, f"b{name}.onnx": 2 * size}, "largest_error": 1e-3 / size,
               "mean_error": 1e-4 / size}
        for name, size in (("fp16", 2.0), ("fp32", 4.0), ("int8", 1.0))
    }  # fmt: skip
    write_json(folder / "onnx" / "export.json", {"compared_on": "drawn images", "precisions": precisions})


def _write_csv(path: Path, rows: list[dict]) -> None:
    write_text(path, csv(pd.DataFrame(rows)))
