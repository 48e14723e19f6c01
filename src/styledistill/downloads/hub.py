"""Data sets of the Hugging Face hub: which files they have, and where. HF_ENDPOINT and HF_TOKEN are the hub's own."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ..core.errors import UserError
from .fetch import PASSING, Cut, Patience, asked_pause, keep_trying

_ADDRESS = re.compile(r"hf://datasets/([^/]+/[^/@]+)@([^/]+)/(.+)", re.S)


class HubFile(NamedTuple):
    """A file of a data set. sha256: of large files only, the hub gives none for others."""

    name: str
    size: int | None
    sha256: str | None


def dataset_files(
    repo: str, revision: str, pattern: str, patience: Patience | None = None
) -> tuple[str, list[HubFile]]:
    """The commit that `revision` names, and the files of `repo` there that fit `pattern`, sorted. Raises UserError."""
    answers: list[Any] = []
    keep_trying(
        lambda: answers.append(_facts(repo, revision)),
        lambda: 0,
        f"{repo}@{revision}: the hub does not tell its files",
        repo,
        "Run again; set HF_TOKEN if the data set asks for an account.",
        patience or Patience(),
    )
    files = [
        HubFile(file.rfilename, file.size, file.lfs.sha256 if file.lfs else None)
        for file in answers[0].siblings or []
        if fnmatchcase(file.rfilename, pattern)
    ]
    if not files:
        raise UserError(f"{repo}@{revision}: no files there that fit {pattern!r}. Set the source's `files`.")
    return str(answers[0].sha), sorted(files)


def _facts(repo: str, revision: str) -> Any:
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return HfApi(endpoint=_endpoint()).dataset_info(repo, revision=revision, files_metadata=True)
    except OfflineModeIsEnabled as error:
        advice = "Run `snakemake fetch` where there is a network."
        raise UserError(f"{repo}: not here, and HF_HUB_OFFLINE forbids to ask the hub. {advice}") from error
    except HfHubHTTPError as error:
        answer, first = error.response, " ".join(str(error).split())[:160]
        if answer is not None and answer.status_code in PASSING:
            raise Cut(f"HTTP {answer.status_code}", asked_pause(answer.headers.get("Retry-After"))) from error
        raise UserError(f"{repo}@{revision}: {first}. Is this the right name? Set HF_TOKEN if it needs one.") from error
    except httpx2.HTTPError as error:
        raise Cut(error) from error


def address(repo: str, commit: str, name: str) -> str:
    """How a file of a data set is called here, whichever endpoint it will come from."""
    return f"hf://datasets/{repo}@{commit}/{name}"


def url(place: str) -> str:
    """Where the endpoint that is set has a file of such an address."""
    from huggingface_hub import hf_hub_url

    found = _ADDRESS.fullmatch(place)
    assert found, place
    return hf_hub_url(found[1], found[3], repo_type="dataset", revision=found[2], endpoint=_endpoint())


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")  # the hub's client reads it once, when it is imported


def headers() -> dict[str, str]:
    """What every request to the hub carries, the user's token among it."""
    from huggingface_hub.utils import build_hf_headers

    return build_hf_headers(library_name="styledistill")
