"""Teachers of the Hugging Face hub: how they get into the hub's cache, by this program's own downloader.

The hub tells the commit, the files, their sizes and hashes; all of that goes into the lock, and is not asked again.
"""

from __future__ import annotations

from pathlib import Path

from ..core.errors import UserError
from ..core.progress import announce, megabytes
from . import hub
from .checks import check_blob, check_download, check_file
from .http import Patience, fetch_file
from .hub_cache import commit_of, folder_of, known_models, local_model, pinned_files, revision_of, wanted
from .lock import FOLDER, NAME, pin


def fetch_model(repo: str, patience: Patience | None = None) -> Path:
    """Bring what a teacher needs of a hub id, unless it is here; its folder in the hub's cache. Raises UserError.

    Every file is checked: by the lock, where it has come before, else by what the registry and the hub say of it.
    """
    patience = patience or Patience()
    commit = commit_of(repo)
    known = pinned_files(repo, commit) if commit else {}
    if not (commit and known and all((folder_of(repo, commit) / name).is_file() for name in known)):
        commit, files = _asked(repo, commit, patience)
        known = _bring(repo, commit, files, known, patience)
        pin(FOLDER, {f"hf://{repo}@{commit}/{name}": digest for name, digest in known.items()})
    return folder_of(repo, commit)


def _asked(repo: str, commit: str | None, patience: Patience) -> tuple[str, list[hub.HubFile]]:
    """The commit, which is pinned before anything of it comes, and those of its files that are wanted."""
    told, files = hub.model_files(repo, commit or revision_of(repo), patience)
    if commit is None:
        pin(FOLDER, {f"hf://{repo}@{revision_of(repo)}": told})
    elif told != commit:
        raise UserError(f"{repo}@{commit}: the hub answers for another commit, {told}.")
    try:
        names = set(wanted(file.name for file in files))
    except KeyError as error:
        raise UserError(f"{repo}@{told}: no diffusers model there (no weights in {error.args[0]}).") from error
    return told, [file for file in files if file.name in names]


def _bring(
    repo: str, commit: str, files: list[hub.HubFile], known: dict[str, str], patience: Patience
) -> dict[str, str]:
    """sha256 of each file by its name, all of them checked."""
    folder, stated = folder_of(repo, commit), {file.name: _stated(repo, file) for file in files}
    lacking = [file for file in files if not (folder / file.name).is_file()]
    total = sum(file.size or 0 for file in lacking)
    if lacking:
        announce(f"{repo}: {len(lacking)} of {len(files)} files are not here; {megabytes(total)} to fetch")
    found = {}
    for file in files:
        path, expected = folder / file.name, known.get(file.name, stated[file.name])
        if file in lacking:
            url = hub.model_url(repo, commit, file.name)
            found[file.name] = fetch_file(url, path, expected, file.size, **patience._asdict(), headers=hub.headers())
        else:
            found[file.name] = check_download(path.resolve(), path.name, expected, file.size)
        if not stated[file.name] and file.blob:
            check_blob(path.resolve(), file.blob)
    return found


def _stated(repo: str, file: hub.HubFile) -> str:
    """What the registry and the hub say that the file's sha256 is; "" for small files."""
    registered = known_models()[repo]["sha256"].get(file.name, "") if repo in known_models() else ""
    if registered and file.sha256 and registered != file.sha256:
        raise UserError(
            f"{repo}: the hub has another {file.name} (sha256 {file.sha256[:16]}..) than this program expects "
            f"({registered[:16]}..). Nothing was fetched."
        )
    return registered or file.sha256 or ""


def checked_files(repo: str) -> dict[str, str]:
    """sha256 of each file of a model that is here, computed and compared with the lock. Raises UserError."""
    folder = local_model(repo)
    known = pinned_files(repo, folder.name)
    return {name: check_file((folder / name).resolve(), digest) for name, digest in sorted(known.items())}


def listing() -> str:
    """The entries of the registry as lines for a terminal: name, size, whether it is here, and what is known of it."""
    return "\n".join(line for repo in known_models() for line in _lines(repo))


def _lines(repo: str) -> list[str]:
    entry = known_models()[repo]
    told = [
        *(entry["purpose"], entry["license"], entry["citation"]),
        *(f"sha256 {digest} {name}" for name, digest in entry["sha256"].items()),
        f"other files: sha256 is pinned in {FOLDER / NAME} when they first come",
        f"https://huggingface.co/{repo}/tree/{entry['revision']}",
    ]
    return [f"{repo:32}{entry['size']:>9}  {_state(repo)}", *(f"{'':32}{line}" for line in told)]


def _state(repo: str) -> str:
    try:
        local_model(repo)
        return "here"
    except UserError:
        return "not here"
