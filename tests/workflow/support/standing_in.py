"""A run of the paper's size that took no GPU days: empty files stand in for its outputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml
from running import ROOT, environment, run_workflow

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


def paper(folder: Path, **losses: dict[str, float]) -> Path:
    """Writes the paper's preset with what lies here in place of data sets and weights, and `losses` changed."""
    values = yaml.safe_load((ROOT / "workflow/presets/paper.yaml").read_text())
    kinds = {"coco": "scenes", "faces": "faces", "wikiart": "styles"}
    values["sources"] = {name: {"kind": "procedural", "images": kinds[name], "count": 4000} for name in kinds}
    values["teacher"]["weights"] = "weights/tiny_teacher"
    values["student"] = {"size": "tiny", "start": "weights/tiny_student"}
    values["networks"] = dict.fromkeys(("vgg19", "alexnet", "inception"), "seeded")
    values["losses"] |= losses
    config = folder / ("changed.yaml" if losses else "paper.yaml")
    config.write_text(yaml.safe_dump(values, sort_keys=False))
    return config


def finished(folder: Path) -> Path:
    """Make every output of the paper's run in `folder`, all up to date; returns the configuration."""
    (folder / "weights").symlink_to(ROOT / "weights")
    config = paper(folder)
    places = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--configfile", str(config)]
    command = [sys.executable, "-c", _OUTPUTS, "-n", *places]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    for name in json.loads(done.stdout.splitlines()[-1]):
        path = folder / name
        if path.parent.name == "validation":  # a folder that is one output
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                '{"pairs": 0}' if path.suffix == ".json" else ""
            )  # the summary behind a run reads manifests
    # Snakemake keeps a record of each file as of one that a job made, its settings with it.
    arguments = ("--touch", "--forceall", "--cores", "1", "--quiet", "all", "--configfile", str(config))
    touched = run_workflow(folder, *arguments)
    assert touched.returncode == 0, touched.stderr[-3000:]
    return config
