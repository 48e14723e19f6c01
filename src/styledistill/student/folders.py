"""Where a student's files are. No torch here."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..core.errors import UserError
from ..core.files import read_json
from ..core.places import embedded, found, hub_id

WEIGHTS_FILE, CONFIG_FILE = "student.safetensors", "config.json"
FACTS = "styledistill"  # what the configuration says, among the metadata of the weights
GRAPHS = ("encode_style", "stylize")  # of a student in ONNX, files `<name>.onnx`


def student_folder(path: Path | str, revision: str, graphs: bool = False) -> tuple[Path, dict[str, str]]:
    """The folder of a student of this disk or the hub, and what is to be remembered of a hub id. Raises UserError.

    A bare name with no folder of that name beside it is that of an embedded student, as `micro`.
    graphs: whether those of a hub id are brought too, where it has some and needs them.
    """
    folder = found(path)
    if not folder.exists() and Path(path).name == str(path) and (embedded(str(path)) / WEIGHTS_FILE).is_file():
        folder = embedded(str(path))
    if not folder.is_dir():
        folder = _from_hub(str(path), revision, graphs)
        return folder, {"origin": f"{path}@{folder.name}"}
    missing = [name for name in (WEIGHTS_FILE, CONFIG_FILE) if not (folder / name).is_file()]
    if missing and graphs_folder(folder) is None:
        raise UserError(f"{folder}: no student here ({missing[0]} is missing). Give a folder that distill wrote.")
    return folder, {}


def facts_of(folder: Path) -> Any:
    """What `config.json` says of a student; what its weights' file says counts, where it says anything.

    Raises ValueError, SafetensorError.
    """
    with safe_open(folder / WEIGHTS_FILE, "np") as file:
        said = (file.metadata() or {}).get(FACTS)
    return read_json(folder / CONFIG_FILE) if said is None else json.loads(said)


def graphs_folder(folder: Path) -> Path | None:
    """Where a student's float32 graphs are: in its folder or in `onnx` below it; None where they are not."""
    places = (folder, folder / "onnx")
    return next((place for place in places if all((place / f"{name}.onnx").is_file() for name in GRAPHS)), None)


def is_micro(folder: Path) -> bool:
    """Whether a folder holds the weights of a micro student."""
    if not all((folder / name).is_file() for name in (WEIGHTS_FILE, CONFIG_FILE)):
        return False
    try:
        return facts_of(folder).get("architecture") == "micro"
    except (ValueError, AttributeError, SafetensorError):  # what is wrong with it is told by whoever loads it
        return False


def _from_hub(name: str, revision: str, graphs: bool) -> Path:
    """Folder of a hub repository's student in the local cache, named by its commit; downloaded if it is not there."""
    advice = f"{name}: no such folder, and no student of that id on the hub"
    # A name beside what is here is a slip, not an id; without a network the hub would be asked for a minute.
    if not hub_id(name):
        raise UserError(f"{name}: no such folder. Give a folder with {WEIGHTS_FILE} and {CONFIG_FILE}.")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        commit = Path(hf_hub_download(name, WEIGHTS_FILE, revision=revision)).parent.name
        path = hf_hub_download(name, CONFIG_FILE, revision=commit)  # of the same commit, whatever is pushed meanwhile
        if graphs and not is_micro(Path(path).parent):
            with suppress(EntryNotFoundError):  # nobody exported any; offline, none has been brought
                for graph in GRAPHS:
                    hf_hub_download(name, f"onnx/{graph}.onnx", revision=commit)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(f"{advice} ({type(error).__name__}). Give a folder with {WEIGHTS_FILE}.") from error
    return Path(path).parent
