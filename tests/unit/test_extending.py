"""What docs/architecture.md promises of a new source kind and of a new loss term, on a copy to which one is added."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SMOKE = yaml.safe_load((ROOT / "workflow" / "presets" / "smoke.yaml").read_text(encoding="utf-8"))

SETTINGS = '''class LettersSource(SourceSection):
    """The letters of a font, an image each."""

    holds = "letters of a font"

    kind: Literal["letters"]
    font: Place

    @property
    def places(self) -> list[Path]:
        """The font."""
        return [Path(self.font)]

    def missing(self) -> str | None:
        """The font, where it is not here."""
        return None if Path(self.font).is_file() else f"font: no file {self.font}. Put it there."

    def stamp(self) -> list[list[Any]]:
        """Of the font."""
        return [[self.font, *_facts(Path(self.font))]]


'''
READING = '''"""Letters."""

from PIL import Image

from ..config.sources import LettersSource


def names(source: LettersSource) -> list[str]:
    return list("abc")


def read(source: LettersSource, name: str) -> bytes:
    return name.encode()


def crop(source: LettersSource, name: str, size: int, data: bytes) -> Image.Image:
    return Image.new("RGB", (size, size), (ord(data), 0, 0))
'''
USE_SOURCE = """
import json, os, sys
from pathlib import Path
from styledistill import config as configuration
from styledistill.run import containers, preflight
from styledistill.sources import registry

config = configuration.validate(json.loads(sys.argv[1]))
letters = config.sources["letters"]
missing = preflight.check(config)
Path("font.ttf").touch()
marks = [preflight.listing(letters)]
Path("font.ttf").write_text("other")
marks.append(preflight.listing(letters))
entries = list(registry.index(letters))
crop = registry.crop(letters, "b", 16, entries[1].sha256)
bound = containers.environment(config, Path.cwd(), {})["APPTAINER_BIND"].split(",")
print(json.dumps({
    "missing": missing,
    "noticed": marks[0] != marks[1] and all(marks),
    "names": [entry.image for entry in entries],
    "pixel": crop.getpixel((0, 0)),
    "network": registry.needs_network(letters),
    "bound": str(Path("font.ttf").resolve()) in bound,
    "schema": "LettersSource" in configuration.json_schema()["$defs"],
}))
"""
USE_TERM = """
import json, sys
import torch
from styledistill import config as configuration
from styledistill.run import requirements
from styledistill.student.losses import distillation_terms, loss_settings

config = configuration.validate(json.loads(sys.argv[1]))
terms = config.losses["new"]
seeded = configuration.Networks(vgg19="seeded")
settings = loss_settings(terms, config.distill, seeded, torch.device("cpu"))
images = torch.rand(4, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
found = distillation_terms(*images, terms, settings)
print(json.dumps({"needed": requirements.for_loss(config, terms), **{name: float(v) for name, v in found.items()}}))
"""


@pytest.fixture
def source_tree(tmp_path: Path) -> Path:
    """A copy of the library."""
    leave_out = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(ROOT / "src" / "styledistill", tmp_path / "src" / "styledistill", ignore=leave_out)


def put_before(path: Path, line: str, text: str) -> None:
    """Insert a text in front of a line of a file."""
    before = path.read_text(encoding="utf-8")
    assert before.count(line) == 1
    path.write_text(before.replace(line, text + line), encoding="utf-8")


def run(tree: Path, program: str, config: dict[str, Any]) -> dict[str, Any]:
    """What a program says that imports the copy, in the folder of the copy."""
    command = [sys.executable, "-c", program, json.dumps(config)]
    environment = {"PYTHONPATH": str(tree.parent), "PATH": "", "HOME": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_source_kind_is_a_class_of_settings_a_module_and_a_line(source_tree: Path) -> None:
    put_before(source_tree / "config" / "sources.py", "class DatasetSource(", SETTINGS)
    (source_tree / "sources" / "letters.py").write_text(READING, encoding="utf-8")
    registry = source_tree / "sources" / "registry.py"
    put_before(
        registry, '    "archive": ', '    "letters": Kind(letters.names, letters.read, letters.crop, drawn=True),\n'
    )
    put_before(registry, "from . import hub_triplets, skimage, triplets\n", "from . import letters\n")
    letters = {"letters": {"kind": "letters", "font": "font.ttf"}}
    seen = run(source_tree, USE_SOURCE, SMOKE | {"sources": SMOKE["sources"] | letters})
    missing = [line for line in seen.pop("missing") if "letters" in line]
    assert missing == ["sources.letters.font: no file font.ttf. Put it there."]
    assert seen == {
        "noticed": True,
        "names": ["a", "b", "c"],
        "pixel": [98, 0, 0],
        "network": False,
        "bound": True,
        "schema": True,
    }


def test_a_loss_term_is_a_function_and_a_line(source_tree: Path) -> None:
    put_before(source_tree / "config" / "terms.py", '    "colors": None,\n', '    "edges": "features",\n')
    put_before(
        source_tree / "student" / "losses.py",
        '@term("grain")\n',
        '@term("edges")\ndef edges(batch):\n    return batch.output_features[0].mean() + 1\n\n\n',
    )
    seen = run(source_tree, USE_TERM, SMOKE | {"losses": {"new": {"pixel": 1.0, "edges": 0.5}}} | {"networks": {}})
    assert seen["needed"] == ["vgg19"] and seen["edges"] > 1 and seen["pixel"] > 0
