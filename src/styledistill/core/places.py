"""Where a thing lies that a user has named: on this disk, in the project, or on the hub. Decided here and nowhere else.

No torch here: the workflow itself imports this, in every job.
"""

from __future__ import annotations

import os
import re
from functools import cache
from itertools import takewhile
from pathlib import Path

import braceexpand

from .files import at_home, canonical_json, sha256_bytes, sha256_file

_PACKAGE = Path(__file__).parents[1]
# The folder that holds the workflow, its scripts and the embedded weights.
PROJECT = next((folder for folder in Path(__file__).parents if (folder / "Snakefile").is_file()), Path.cwd())

_WEIGHTS = (".safetensors", ".ckpt", ".pth", ".pt", ".bin", ".onnx")
# First parts of a path that are folders wherever people keep weights; the hub gives nobody the name `models`.
_FOLDERS = {
    "checkpoints", "ckpt", "ckpts", "data", "downloads", "home", "mnt", "model", "models", "pictures", "pretrained",
    "resources", "results", "scratch", "src", "tmp", "weights", "workflow",
}  # fmt: skip
# What the hub takes as owner/name: the rule of huggingface_hub's validate_repo_id, for a bare installation has no such
# package. The JSON schema of the configuration carries it, so it says the same in JavaScript: no flags, no \w.
HUB_NAME = r"^(?!.*--)(?!.*\.\.)(?!.*\.git$)\b[A-Za-z0-9_.-]{1,96}\b/\b[A-Za-z0-9_.-]{1,96}\b$"
HUB_RULE = (
    "Give owner/name: each of at most 96 letters, digits, '-', '_' and '.', with neither '-' nor '.' at its ends, "
    "no '--', no '..', and no '.git' at the end"
)
_LARGE = 1 << 28  # bytes; of weights beyond, names and sizes are looked at, for hashing takes longer than a parse


def found(path: Path | str) -> Path:
    """A path of the working directory or, where nothing is there, of the project, as `weights/tiny_teacher`.

    Or of the package, where that was installed: it carries `weights/micro`.
    """
    place = Path(at_home(str(path)))
    if place.exists():
        return place
    if (PROJECT / place).exists():
        return PROJECT / place
    return _PACKAGE / place if place.parts[:1] == ("weights",) and (_PACKAGE / place).exists() else place


def embedded(name: str) -> Path:
    """The folder of embedded weights, of the package where it carries them, else of the project."""
    inside = _PACKAGE / "weights" / name
    return inside if inside.is_dir() else PROJECT / "weights" / name


def hub_name(name: str) -> bool:
    """Whether the hub takes this as the owner/name of a repository."""
    return re.fullmatch(HUB_NAME, name) is not None


def hub_id(name: str) -> bool:
    """Whether a name means a repository of the Hugging Face hub (owner/name), and nothing of this disk.

    What has nothing of a path: no place here, no folder that its first part names, no suffix of a file.
    """
    if not hub_name(name) or name.lower().endswith(_WEIGHTS):
        return False
    first = name.partition("/")[0]
    return first.lower() not in _FOLDERS and not found(name).exists() and not found(first).exists()


def meant(address: str) -> list[Path]:
    """The files that a path, or a pattern of paths, means; those of a pattern that are there, sorted.

    What is there is meant as it is written, whatever is in its name. Else {00..19} stands for several, and *, ?, [..]
    for parts of a name.
    """
    address = at_home(address)
    if os.path.lexists(address) or not is_pattern(address):
        return [Path(address)]
    return [path for place in braced(address) for path in _globbed(place)]


def braced(address: str) -> list[str]:
    """The addresses that one with {00..19} stands for; itself where it has none."""
    return list(braceexpand.braceexpand(address)) if "{" in address else [address]


def on_server(address: str) -> bool:
    """Whether an address is one of the web."""
    return address.startswith(("http://", "https://"))


def roots(address: str) -> list[Path]:
    """The path; of one that stands for several, the folders above its first pattern."""
    if not is_pattern(address):
        return [Path(address)]
    parts = (Path(place).parent.parts for place in braced(address))
    return [Path(*takewhile(lambda part: not set(part) & set("*?["), above)) for above in parts]


def is_pattern(address: str) -> bool:
    """Whether a path that is not there may stand for several."""
    return any(letter in address for letter in "*?[{") and not os.path.lexists(at_home(address))


def _globbed(place: str) -> list[Path]:
    if os.path.lexists(place) or not any(letter in place for letter in "*?["):
        return [Path(place)]
    root = Path(place).anchor or "."
    return sorted(Path(root).glob(place.removeprefix(Path(place).anchor)))


@cache
def weights_mark(name: str) -> str:
    """What decides whether weights of this disk (a folder or a file) are the same: bytes, not place or time.

    Of large ones names and sizes, which take no time to look at. Empty for a hub id and where nothing is.
    """
    place = found(name)
    files = sorted(path for path in place.rglob("*") if _decides(path)) if place.is_dir() else [place]
    if not all(path.is_file() for path in files):
        return ""
    sizes = [path.stat().st_size for path in files]
    small = sum(sizes) <= _LARGE
    facts = [
        [path.relative_to(place).as_posix(), sha256_file(path) if small else size]
        for path, size in zip(files, sizes, strict=True)
    ]
    return f"weights {sha256_bytes(canonical_json(facts).encode())[:16]}"


def _decides(path: Path) -> bool:
    return path.is_file() and path.suffix in (*_WEIGHTS, ".json", ".txt") and not path.name.startswith(".")
