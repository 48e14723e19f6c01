"""The weight files of other people that this workflow can download, and where they lie once they are here.

A new one is one entry in `weights.yaml` beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import yaml

from ..core.errors import UserError
from ..core.progress import megabytes
from .checks import check_file
from .http import mirrored
from .lock import FOLDER as LOCKED
from .lock import NAME, pinned

REGISTRY = Path(__file__).with_name("weights.yaml")
FOLDER = Path("resources/weights")  # where downloads are kept, below the working directory


@dataclass(frozen=True)
class WeightFile:
    """One entry: sha256 is the whole of it or its published first digits, bytes the size where it is known.

    An empty sha256: the publisher states none, so the file's own is pinned when it first comes, in the one lock.
    by_hand: how the file gets here where nobody may fetch it for the user; its url is then a page for people.
    """

    name: str
    file: str  # as its publisher names it
    url: str
    sha256: str
    license: str
    citation: str
    purpose: str
    bytes: int | None = None
    by_hand: str = ""

    @property
    def address(self) -> str:
        """Where to fetch it: the publisher's address, or the mirror that STYLEDISTILL_MIRROR names."""
        return mirrored(self.url)


def weight_files() -> dict[str, WeightFile]:
    """All entries by name."""
    entries = yaml.safe_load(REGISTRY.read_text("utf-8"))
    return {
        name: WeightFile(name, **{"file": PurePosixPath(urlsplit(facts["url"]).path).name} | facts)
        for name, facts in entries.items()
    }


def weight_file(name: str) -> WeightFile:
    """The entry of a name. Raises UserError."""
    files = weight_files()
    if name not in files:
        raise UserError(f"{name}: no weights of that name; there are {', '.join(files)}")
    return files[name]


def expected_sha256(wanted: WeightFile) -> str:
    """The publisher's sha256, or the one that was pinned when the file first came; else empty."""
    return wanted.sha256 or pinned(LOCKED, wanted.url) or ""


def local_file(name: str, folder: Path = FOLDER) -> Path:
    """Path of a downloaded file, its hash checked; nothing is fetched. Raises UserError where it is absent or other."""
    wanted = weight_file(name)
    path = folder / wanted.file
    if not path.is_file():
        raise UserError(
            f"{path} is not here. Run `snakemake weights` or, where there is a network, `python src/weights.py {name}`."
        )
    check_file(path, expected_sha256(wanted), wanted.bytes)
    return path


def listing(folder: Path = FOLDER) -> str:
    """The entries as lines for a terminal: name, size, whether it is here, use, license, citation, sha256, address.

    The hashes are those that are expected; none is computed.
    """
    return "\n".join(
        f"{wanted.name:10} {_size(wanted):>9}  {_state(wanted, folder):8}  {wanted.purpose}\n"
        f"{'':32}{wanted.license}\n{'':32}{wanted.citation}\n"
        f"{'':32}sha256 {expected_sha256(wanted) or f'is pinned in {LOCKED / NAME} when it first comes'}\n"
        f"{'':32}{f'by hand: {wanted.by_hand}, as {folder / wanted.file}' if wanted.by_hand else wanted.url}"
        for wanted in weight_files().values()
    )


def _size(wanted: WeightFile) -> str:
    return "?" if wanted.bytes is None else megabytes(wanted.bytes)


def _state(wanted: WeightFile, folder: Path) -> str:
    path = folder / wanted.file
    if not path.is_file():
        return "not here"
    return "here" if wanted.bytes in (None, path.stat().st_size) else "damaged"
