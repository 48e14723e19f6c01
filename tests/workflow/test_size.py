"""A run of the paper's size, made of stand-in files: it is seen to be finished."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import ROOT, environment, run_workflow

pytestmark = [pytest.mark.slow, pytest.mark.long]

_OUTPUTS = """
import json, logging, sys
from snakemake.cli import main
from snakemake_interface_logger_plugins.common import LogEvent
outputs = []
def note(record):
    if getattr(record, "event", None) == LogEvent.JOB_INFO:
        outputs.extend(map(str, record.output))
    return False
logging.getLogger("snakemake.logging").addFilter(note)
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(outputs))
"""


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> tuple[Path, Path]:
    """A folder with an empty file for every output of the paper's preset, all up to date; the preset."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "weights").symlink_to(ROOT / "weights")
    values = yaml.safe_load((ROOT / "workflow/presets/paper.yaml").read_text())
    kinds = {"coco": "scenes", "faces": "faces", "wikiart": "styles"}
    values["sources"] = {name: {"kind": "procedural", "pictures": kinds[name], "count": 4000} for name in kinds}
    values["teacher"]["weights"], values["student"] = (
        "weights/tiny_teacher",
        {"size": "tiny", "start": "weights/tiny_student"},
    )
    values["networks"] = dict.fromkeys(("vgg19", "alexnet", "inception"), "seeded")
    config = folder / "paper.yaml"
    config.write_text(yaml.safe_dump(values, sort_keys=False))
    places = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--configfile", str(config)]
    command = [sys.executable, "-c", _OUTPUTS, "-n", *places]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    for name in json.loads(done.stdout.splitlines()[-1]):
        path = folder / name
        if path.parent.name == "validation":
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    touched = run_workflow(folder, "--touch", "--cores", "1", "--quiet", "all", "--configfile", str(config))
    assert touched.returncode == 0, touched.stderr[-3000:]
    return folder, config


def test_nothing_changed_is_nothing_to_do(paper):
    folder, config = paper
    assert len(list(folder.rglob("*.png"))) > 10_000
    done = run_workflow(folder, "--cores", "1", "--configfile", str(config))
    assert "Nothing to be done" in done.stdout + done.stderr
