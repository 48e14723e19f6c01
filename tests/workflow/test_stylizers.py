"""A stylizer from outside enters by one line: a function, graphs, a folder of images, each a row everywhere."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from naming import LOSSES, TABLES
from PIL import Image
from running import planned, preset, run_workflow

pytestmark = pytest.mark.slow
FUNCTION = '''"""A stylizer."""


def mean(content, style):
    """Half of each."""
    return (content.astype("float32") + style) / 510
'''
STYLIZERS = {
    "mine": {"kind": "python", "function": "mine:mean", "version": "2.1"},
    "graphs": {"kind": "onnx", "path": "graphs"},
    "given": {"kind": "folder", "path": "given"},
}
ENTERED = {f"{rule} {name}" for rule in ("render", "score") for name in STYLIZERS} | {"benchmark"} | TABLES


@pytest.fixture
def entered(smoke_copy: Path) -> tuple[Path, Path]:
    """A finished run beside which three stylizers lie, and the configuration that names them."""
    (smoke_copy / "mine.py").write_text(FUNCTION)
    run = smoke_copy / "results/smoke"
    shutil.copytree(run / "students/mse/onnx", smoke_copy / "graphs")
    shutil.copytree(run / "golden/mse", smoke_copy / "given", ignore=shutil.ignore_patterns("*.json"))
    return smoke_copy, preset(smoke_copy / "config.yaml", stylizers=STYLIZERS)


@pytest.mark.long
def test_only_what_shows_them_is_made_anew_and_only_where_they_change(entered):
    folder, config = entered
    assert planned(folder, config) == ENTERED
    done = run_workflow(folder, "--cores", "2", "--configfile", str(config))
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert planned(folder, config) == set()
    _check_rows(folder / "results/smoke")
    _check_shown(folder / "results/smoke")
    (folder / "mine.py").write_text(FUNCTION.replace("510", "511"))
    assert planned(folder, config) == {"render mine", "score mine", "benchmark"} | TABLES
    (folder / "mine.py").write_text(FUNCTION)
    shutil.copy2(folder / "given/c0_s0.png", folder / "given/c0_s1.png")
    assert planned(folder, config) == {"render given", "score given"} | TABLES


def _check_rows(run: Path) -> None:
    tables = {name: _rows(run / f"tables/{name}.csv") for name in ("metrics", "differences", "benchmark")}
    wanted = {("golden", name) for name in STYLIZERS} | {("val", "mine"), ("val", "graphs")}
    for name in ("metrics", "differences"):
        found = {(row["set"], row["model"]) for row in tables[name]}
        assert {pair for pair in found if pair[1] in STYLIZERS} == wanted
    # A folder draws nothing, so its speed is unknown; nobody knows the weights of a function.
    costs = {row["model"]: row for row in tables["benchmark"]}
    assert "given" not in costs and costs["mine"]["parameters"] == "" and float(costs["mine"]["seconds"]) > 0
    assert float(costs["graphs"]["parameters"]) == pytest.approx(float(costs["mse"]["parameters"]), rel=0.02)
    # The folder holds the images of mse, and the graphs are its own.
    golden = {row["model"]: row for row in tables["metrics"] if row["set"] == "golden"}
    for measure in ("st_lpips", "teacher_mse", "gram_distance", "teacher_st_lpips"):
        assert golden["given"][measure] == golden["mse"][measure]
        assert float(golden["graphs"][measure]) == pytest.approx(float(golden["mse"][measure]), rel=1e-2)
    evidence = (run / "tables/claims.md").read_text()
    assert all(f"| {name} |" in evidence for name in (*LOSSES, *STYLIZERS))
    assert "Not in the set val: given" in (run / "tables/metrics.md").read_text()


def _check_shown(run: Path) -> None:
    page = (run / "report.html").read_text()
    for name in STYLIZERS:
        assert f'data-column="{name}"' in page and f'data-zoom="{name}" data-pair="c1_s1"' in page
    record = json.loads((run / "golden/mine/render.run.json").read_text())["stylizer"]
    assert (record["origin"], record["version"], len(record["sha256"])) == ("mine:mean", "2.1", 64)
    assert f"python mine:mean, version 2.1, sha256 {record['sha256'][:12]}" in page
    assert "mine, closest" in page and "given, closest" not in page
    sheet = Image.open(run / "figures/golden.png")
    assert sheet.width > sheet.height  # nine images beside each other, four rows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mine": {"kind": "python", "function": "absent:mean"}}, "stylizers.mine.function: no module absent"),
        ({"mine": {"kind": "python", "function": "mine:absent"}}, "mine:absent cannot be imported: AttributeError"),
        ({"mine": {"kind": "python", "function": "mine:small"}}, "stylizers.mine: c0_s0: 32 x 32 pixels, but its"),
        ({"mine": {"kind": "python", "function": "mine:nan"}}, "stylizers.mine: c0_s0: the image has a number that is"),
        ({"given": {"kind": "folder", "path": "lacking"}}, "lacking: no image of the pair c1_s1. Put it there."),
        ({"given": {"kind": "folder", "path": "extra"}}, "extra: c9_s9 is no pair of this run. Remove it"),
        ({"mse": {"kind": "folder", "path": "given"}}, "stylizers.mse: this is the name of a loss; choose another"),
    ],
)
def test_a_bad_one_is_told_in_one_line_and_leaves_nothing(entered, change, said):
    folder, _ = entered
    (folder / "mine.py").write_text(
        "def small(content, style):\n    return content[:32, :32]\n\n\n"
        "def nan(content, style):\n    return content * float('nan')\n"
    )
    for name in ("lacking", "extra"):
        shutil.copytree(folder / "given", folder / name)
    (folder / "lacking/c1_s1.png").unlink()
    shutil.copy2(folder / "given/c0_s0.png", folder / "extra/c9_s9.png")
    config = preset(folder / "bad.yaml", stylizers=change)
    done = run_workflow(folder, "--cores", "1", "--configfile", str(config), "--until", "render")
    assert done.returncode != 0
    (name,) = change
    log = folder / f"results/smoke/logs/render/{name}.log"
    told = done.stdout + done.stderr + (log.read_text() if log.exists() else "")
    assert said in told and "Traceback" not in told
    if name != "mse":
        assert not [path for path in (folder / "results/smoke").glob(f"*/{name}") if path.parent.name != "logs"]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
