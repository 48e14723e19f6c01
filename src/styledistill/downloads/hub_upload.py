"""A repository of the Hugging Face hub as a place to publish: files go there in one commit, or not at all.

HF_ENDPOINT and HF_TOKEN are the hub's own; the token is sent, and never shown.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ..core.errors import UserError
from ..core.files import sha256_bytes, sha256_file
from ..core.places import HUB_RULE, hub_name
from .addresses import redacted
from .hub import endpoint

_OWN = ".gitattributes"  # the hub's, in every repository
_AGAIN = "Run the same command again: what has come is not sent again, and nothing is published before all is there."
# What a user can do about an answer of the hub.
_ADVICE = {
    401: "The hub does not know this token. Set HF_TOKEN to a valid one.",
    403: "This token may not write there. Set HF_TOKEN to one with write access to that owner's repositories.",
    409: "It was made or changed meanwhile. Look at it, and run again.",
    412: "It was changed meanwhile. Look at it, and run again.",
}


def check_name(repo: str) -> None:
    """Raises UserError for what is no owner/name that the hub takes."""
    if not hub_name(repo):
        raise UserError(f"{repo!r}: no name for a repository of the hub. {HUB_RULE}.")


def require_token(repo: str) -> str:
    """The user's token for the hub. Raises UserError where there is none."""
    from huggingface_hub import get_token

    token = get_token()
    if token is None:
        raise UserError(f"{repo}: no token for the hub. Set HF_TOKEN to one that may write, or run `hf auth login`.")
    return token


def upload(
    repo: str,
    kind: Literal["model", "dataset"],
    files: Mapping[str, Path | bytes],
    message: str,
    *,
    private: bool = False,
    overwrite: bool = False,
) -> str:
    """Make `repo`, if it is not there, hold exactly `files` (name there -> file or bytes); the commit's address.

    Large files are sent first, and those that the hub has are not sent again; then one commit brings them all into
    place. overwrite: whether files that a repository holds already give way to these. Raises UserError.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    check_name(repo)
    token = require_token(repo)
    if not sys.stderr.isatty():
        disable_progress_bars()
    api = HfApi(endpoint=endpoint(), token=token, library_name="styledistill")
    with _in_one_line(repo, token):
        api.whoami()  # with a wrong token the hub says of its other doors that nothing is behind them
        try:
            there = api.repo_info(repo, repo_type=kind, files_metadata=True)
        except RepositoryNotFoundError:
            api.create_repo(repo, repo_type=kind, private=private)
            there = api.repo_info(repo, repo_type=kind, files_metadata=True)
        held = {file.rfilename: file for file in there.siblings or [] if file.rfilename != _OWN}
        if held.keys() == files.keys() and all(_same(held[name], file) for name, file in files.items()):
            return _address(repo, kind, str(there.sha))
        if held and not overwrite:
            more = f" and {len(held) - 1} more files" if len(held) > 1 else ""
            raise UserError(f"{repo}: holds {min(held)}{more} already. Give another name, or --overwrite.")
        done = api.create_commit(
            repo,
            [
                *(CommitOperationDelete(name) for name in sorted(held.keys() - files.keys())),
                *(CommitOperationAdd(name, file) for name, file in files.items()),
            ],
            commit_message=message,
            repo_type=kind,
            parent_commit=there.sha,
        )
    return _address(repo, kind, done.oid)


def _address(repo: str, kind: str, commit: str) -> str:
    from huggingface_hub.constants import ENDPOINT

    return f"{endpoint() or ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repo}/tree/{commit}"


def _same(held: Any, file: Path | bytes) -> bool:
    """Whether a file of the hub has these bytes: by sha256 where it is large, else by its name in git's store."""
    if held.lfs:
        return held.lfs.sha256 == (sha256_bytes(file) if isinstance(file, bytes) else sha256_file(file))
    data = file if isinstance(file, bytes) else file.read_bytes()
    return held.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def _in_one_line(repo: str, token: str) -> Iterator[None]:
    """Around requests: what fails is told in one line, in which the token does not stand."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    def told(error: BaseException) -> str:
        said = _first(error)
        if isinstance(error, HfHubHTTPError):
            said = f"HTTP {error.response.status_code}: {' '.join((error.server_message or said).split())}".rstrip(".")
        return redacted(said).replace(token, "***")[:200]

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise UserError(f"{repo}: HF_HUB_OFFLINE forbids to ask the hub. Unset it where there is a network.") from error
    except (HfHubHTTPError, httpx2.HTTPError, RuntimeError, ValueError, OSError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        advice = _ADVICE.get(cause.response.status_code, _AGAIN) if isinstance(cause, HfHubHTTPError) else _AGAIN
        raise UserError(f"{repo}: {told(cause)}. {advice}") from None  # the chain below holds what was sent


def _first(error: BaseException) -> str:
    """The first line of what a library says."""
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), type(error).__name__)
