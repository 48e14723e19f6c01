"""Packages of npm, pinned by version and by the integrity that the registry publishes.

No registry is named here. What lies there is taken; else it comes from the mirror that STYLEDISTILL_MIRROR names, or
through the program `npm`, which knows the user's registry, proxy and account.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from ..core.files import atomic_path
from ..core.progress import announce, megabytes
from .addresses import MIRROR

FOLDER = Path("resources/downloads")  # where packages are kept, below the working directory


@dataclass(frozen=True)
class NpmPackage:
    """One package. integrity: of its archive, as `npm view <spec> dist.integrity` tells; bytes: the archive's size."""

    name: str
    version: str
    integrity: str
    bytes: int

    @property
    def spec(self) -> str:
        """What npm calls this version."""
        return f"{self.name}@{self.version}"

    @property
    def file(self) -> str:
        """What npm calls the archive."""
        return f"{self.name}-{self.version}.tgz"


ONNXRUNTIME_WEB = NpmPackage(
    name="onnxruntime-web",
    version="1.30.0",
    integrity="sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    bytes=33_106_585,
)
# Without a network npm would try for a quarter of an hour.
_BRIEFLY = ("--ignore-scripts", "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=60000")


def fetch(package: NpmPackage, path: Path) -> Path:
    """The package's archive at `path`: the one that is there, or fetched; its integrity is checked either way.

    Raises UserError, whose line says how to get it.
    """
    if not path.is_file():
        announce(f"{package.file}: {megabytes(package.bytes)} to fetch")
        if os.environ.get(MIRROR):
            from .http import fetch_file, mirrored  # with packages that who only applies students need not have

            fetch_file(mirrored(package.file), path, "", package.bytes)
        else:
            _from_npm(package, path)
    kind, _, expected = package.integrity.partition("-")
    with path.open("rb") as file:
        found = base64.b64encode(hashlib.file_digest(file, kind).digest()).decode()
    if found != expected:
        reason = f"{kind} is {found[:12]}.., expected {expected[:12]}.."
        raise UserError(f"{path}: not {package.spec} ({reason}); remove it and run again.")
    return path


def members(archive: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Files of a package's archive by their names in it. Raises UserError where one is missing."""
    with tarfile.open(archive) as tar:
        try:
            return {name: tar.extractfile(f"package/{name}").read() for name in names}  # type: ignore[union-attr]
        except KeyError as error:
            raise UserError(f"{archive}: {error.args[0]}.") from error


def _from_npm(package: NpmPackage, path: Path) -> None:
    advice = f"Put it there (`npm pack {package.spec}` on any machine makes it), or set {MIRROR}."
    if (npm := shutil.which("npm")) is None:
        raise UserError(f"{path} is not here, and neither is the program npm that would fetch it. {advice}")
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory(dir=temporary.parent.absolute()) as folder:
        words = [npm, "pack", package.spec, "--pack-destination", folder, *_BRIEFLY]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        made = Path(folder, package.file)
        if done.returncode or not made.is_file():
            code = re.search(r"^npm (?:error|ERR!) code (\w+)", done.stderr, re.M)
            reason = code[1] if code else f"exit code {done.returncode}"
            raise UserError(f"{path}: npm could not fetch {package.spec} ({reason}). {advice}")
        made.replace(temporary)
