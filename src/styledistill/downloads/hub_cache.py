"""Where a teacher of the Hugging Face hub lies on this disk: in the hub's own cache, under the commit in the lock.

No network here: whoever loads a teacher asks this; `hub_models.py` brings it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import UserError
from .lock import FOLDER, listed, pinned

REGISTRY = Path(__file__).with_name("models.yaml")
# Folders of a diffusers model that a teacher is loaded from; the first three hold tensors.
_TENSORS = ("unet", "vae", "text_encoder")
_FOLDERS = (*_TENSORS, "tokenizer", "scheduler")
_NULL_TEXT = "null_text.safetensors"  # of a teacher that comes without its text encoder
_COMMIT = re.compile(r"[0-9a-f]{40}")


@cache
def known_models() -> dict[str, dict[str, Any]]:
    """The entries of the registry by hub id."""
    return yaml.safe_load(REGISTRY.read_text("utf-8"))


def revision_of(repo: str) -> str:
    """The commit of the registry, or the branch that other models are taken from when they first come."""
    return known_models()[repo]["revision"] if repo in known_models() else "main"


def wanted(names: Iterable[str]) -> list[str]:
    """Those files of a diffusers model that a teacher is loaded from: full precision where there is some.

    The one form of weights that the loader will take, safetensors first. Raises KeyError with the folder's name for a
    model without a UNet or a VAE.
    """
    names = list(names)
    placed = [name for name in names if name.count("/") == 1 and name.split("/")[0] in _FOLDERS]
    chosen = {name for name in names if name in ("model_index.json", _NULL_TEXT)}
    chosen |= {name for name in placed if name.endswith((".json", ".txt"))}
    for folder in _TENSORS:
        weights = _weights([name for name in placed if name.startswith(f"{folder}/")])
        if not weights and folder != "text_encoder":
            raise KeyError(folder)
        chosen |= set(weights)
    return sorted(chosen)


def _weights(names: list[str]) -> list[str]:
    model = r"\w+/(?:diffusion_pytorch_model|pytorch_model|model)(?:-\d+-of-\d+)?"
    forms = (r"\.safetensors", r"\.bin", r"\.fp16\.safetensors", r"\.fp16\.bin")
    found = ([name for name in names if re.fullmatch(model + form, name)] for form in forms)
    return next((some for some in found if some), [])


def commit_of(repo: str) -> str | None:
    """The commit that was resolved when the model first came, or that the registry states; None where neither is."""
    revision = revision_of(repo)
    return revision if _COMMIT.fullmatch(revision) else pinned(FOLDER, f"hf://{repo}@{revision}")


def pinned_files(repo: str, commit: str) -> dict[str, str]:
    """What the lock knows of the model's files: sha256 by name, empty before it has come."""
    head = f"hf://{repo}@{commit}/"
    return {what.removeprefix(head): value for what, value in listed(FOLDER).items() if what.startswith(head)}


def folder_of(repo: str, commit: str) -> Path:
    """Where the hub's cache has that commit of the model, or would have it."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model") / "snapshots" / commit


def local_model(repo: str) -> Path:
    """The folder of the model on this disk; nothing is fetched and no hash computed. Raises UserError where it is not.

    One that the hub's own client has brought serves too.
    """
    commit = commit_of(repo) or _of_the_client(repo)
    if commit:
        folder = folder_of(repo, commit)
        names = list(pinned_files(repo, commit)) or _names(folder)
        if names and all((folder / name).is_file() for name in names):
            return folder
    advice = f"Run `snakemake weights` or, where there is a network, `python src/steps/teacher_weights.py {repo}`."
    raise UserError(f"{repo}: not here, or not all of it. {advice}")


def _of_the_client(repo: str) -> str | None:
    reference = folder_of(repo, "x").parents[1] / "refs" / revision_of(repo)
    return reference.read_text("utf-8").strip() if reference.is_file() else None


def _names(folder: Path) -> list[str]:
    try:
        return wanted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    except KeyError:
        return []
