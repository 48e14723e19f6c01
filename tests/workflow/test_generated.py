"""Generated configurations through a real dry run, and names that a shell would run if it saw them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from generating import SHIPPED, WORDS, generated, named
from PIL import Image
from running import ROOT, SMOKE, environment, preset, run_workflow

pytestmark = pytest.mark.slow

# One process for all of them: Snakemake's start is most of a dry run.
_DRY_RUNS = """
import contextlib, io, json, sys
from snakemake.cli import main
found = []
for config in sys.argv[2:]:
    said, code = io.StringIO(), 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            main(["--snakefile", sys.argv[1], "-n", "--quiet", "all", "--nocolor", "--configfile", config])
        except SystemExit as end:
            code = end.code
    found.append([code, said.getvalue()])
print(json.dumps(found))
"""


def test_fifty_generated_configurations_through_a_dry_run(tmp_path):
    choice = random.Random(1)
    values = [1, 3, 0.5, None, True, [], {}, ["x"], {"x": 1}, *WORDS]
    hows = ["set", "set", "remove", "add"]
    configurations, files = [], []
    for number in range(50):
        changes = [(choice.randrange(10**6), choice.choice(values), choice.choice(hows)) for _ in range(1 + number % 2)]
        configurations.append(generated(number % len(SHIPPED), changes))
        files.append(tmp_path / f"{number:02d}.yaml")
        files[-1].write_text(yaml.safe_dump(configurations[-1], sort_keys=False))
    command = [sys.executable, "-c", _DRY_RUNS, str(ROOT / "Snakefile"), *map(str, files)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])
    for (code, said), configuration in zip(outcomes, configurations, strict=True):
        assert "Traceback" not in said, said
        if code == 0:
            continue
        assert isinstance(code, str) and code.startswith("error: "), (code, said)
        lines = code.removeprefix("error: ").splitlines()
        assert all(named(line, configuration) for line in lines), lines
    accepted = sum(code == 0 for code, _ in outcomes)
    assert 3 < accepted < 47, "the generator should make good and bad ones"
    assert not list(tmp_path.glob("x"))


@pytest.mark.parametrize("name", ["styleid", "ablation"])
def test_presets_whose_addresses_hold_braces_are_planned(tmp_path, name):
    done = run_workflow(tmp_path, "-n", "--configfile", str(ROOT / "workflow/presets" / f"{name}.yaml"))
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert "not here yet: student.start: nothing at resources/weights/checkpoint0005.pth" in done.stdout + done.stderr


def test_names_that_a_shell_would_run_are_only_names(tmp_path):
    folder = tmp_path / "images $(touch ran-folder) `touch ran-ticks`; touch ran-semicolon; 'a\" b"
    folder.mkdir()
    names = ["$(touch ran).png", "`touch ran`.png", "; touch ran;.png", "a' b\".png", "--out.png", "$HOME.png", "&.png"]
    for number, name in enumerate([*names, "new\nline.png", "{wildcards.block}.png"]):
        image = np.full((80, 70, 3), 20 * number, np.uint8)
        image[::7] = 255 - image[::7]
        Image.fromarray(image).save(folder / name)
    sources = {**yaml.safe_load(SMOKE.read_text())["sources"], "scenes": {"kind": "folder", "path": str(folder)}}
    golden = {"contents": {"scenes": ["$(touch ran).png"]}, "styles": {"paintings": 1}}
    blocks = {"train": 1, "val": 1, "contents": {"scenes": 2}, "styles": {"paintings": 1}}
    config = preset(
        tmp_path / "config.yaml", sources=sources, golden=golden, blocks=blocks, pairs={"train": 2, "val": 2}, seed=15
    )
    done = run_workflow(tmp_path, "--cores", "2", "--configfile", str(config), "--until", "crop", "crop_golden")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert not list(tmp_path.rglob("ran*")) and not list(ROOT.glob("ran*"))
    assert (tmp_path / "results/smoke/images/golden/c0.png").is_file()
    shutil.rmtree(folder)
