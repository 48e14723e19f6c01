"""Data sets and models of the Hugging Face hub: which files they have, and where.

HF_ENDPOINT and HF_TOKEN are the hub's own.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ..core.errors import UserError
from .addresses import conceal, redacted
from .http import PASSING, Cut, Patience, asked_pause, keep_trying

_ADDRESS = re.compile(r"hf://datasets/([^/]+/[^/@]+)@([^/]+)/(.+)", re.S)


class HubFile(NamedTuple):
    """A file of a repository. sha256: of large files; blob: of all, its name in git's store of objects."""

    name: str
    size: int | None
    sha256: str | None
    blob: str | None = None


def dataset_files(
    repo: str, revision: str, pattern: str, patience: Patience | None = None
) -> tuple[str, list[HubFile]]:
    """The commit that `revision` names, and the files of `repo` there that fit `pattern`, sorted. Raises UserError."""
    commit, files = _files("dataset", repo, revision, patience or Patience())
    files = [file for file in files if fnmatchcase(file.name, pattern)]
    if not files:
        raise UserError(f"{repo}@{revision}: no files there that fit {pattern!r}. Set the source's `files`.")
    return commit, files


def model_files(repo: str, revision: str, patience: Patience | None = None) -> tuple[str, list[HubFile]]:
    """The commit that `revision` of a model names, and all files of it, sorted. Raises UserError."""
    return _files("model", repo, revision, patience or Patience())


def _files(kind: str, repo: str, revision: str, patience: Patience) -> tuple[str, list[HubFile]]:
    answers: list[Any] = []
    keep_trying(
        lambda: answers.append(_facts(kind, repo, revision)),
        lambda: 0,
        f"{repo}@{revision}: the hub does not tell its files",
        repo,
        "Run again; set HF_TOKEN if it asks for an account.",
        patience,
    )
    files = [
        HubFile(file.rfilename, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in answers[0].siblings or []
    ]
    return str(answers[0].sha), sorted(files)


def _facts(kind: str, repo: str, revision: str) -> Any:
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return HfApi(endpoint=endpoint()).repo_info(repo, repo_type=kind, revision=revision, files_metadata=True)
    except OfflineModeIsEnabled as error:
        advice = "Run `snakemake fetch` where there is a network."
        raise UserError(f"{repo}: not here, and HF_HUB_OFFLINE forbids to ask the hub. {advice}") from error
    except HfHubHTTPError as error:
        answer, first = error.response, redacted(" ".join(str(error).split()))[:160]
        if answer is not None and answer.status_code in PASSING:
            raise Cut(f"HTTP {answer.status_code}", asked_pause(answer.headers.get("Retry-After"))) from error
        raise UserError(f"{repo}@{revision}: {first}. Is this the right name? Set HF_TOKEN if it needs one.") from error
    except httpx2.HTTPError as error:
        raise Cut(redacted(str(error)) or type(error).__name__) from error


def address(repo: str, commit: str, name: str) -> str:
    """How a file of a data set is called here, whichever endpoint it will come from."""
    return f"hf://datasets/{repo}@{commit}/{name}"


def url(place: str) -> str:
    """Where the endpoint that is set has a file of such an address."""
    from huggingface_hub import hf_hub_url

    found = _ADDRESS.fullmatch(place)
    assert found, place
    return conceal(hf_hub_url(found[1], found[3], repo_type="dataset", revision=found[2], endpoint=endpoint()))


def model_url(repo: str, commit: str, name: str) -> str:
    """Where the endpoint that is set has a file of a model."""
    from huggingface_hub import hf_hub_url

    return conceal(hf_hub_url(repo, name, revision=commit, endpoint=endpoint()))


def endpoint() -> str | None:
    """The hub's address, where another one than its own is set; its client reads that once, when it is imported."""
    return os.environ.get("HF_ENDPOINT")


def headers() -> dict[str, str]:
    """What every request to the hub carries, the user's token among it."""
    from huggingface_hub.utils import build_hf_headers

    return build_hf_headers(library_name="styledistill")
