"""What is published: files of a repository by their names there, gathered from a student's folder or from shards."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ..core.errors import UserError
from ..core.files import ADVICE, make_folder, read_json, sha256_file
from ..core.images import upright_size
from ..core.progress import progress
from ..splits.windows import SPLITS
from ..student.folders import CONFIG_FILE, GRAPHS, WEIGHTS_FILE, graphs_folder
from .run_facts import facts_of_run

CARD = "README.md"
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")


@dataclass(frozen=True)
class Bundle:
    """kind: of the repository, in the hub's words. files: name there -> a file of this disk, or its bytes."""

    kind: Literal["model", "dataset"]
    files: dict[str, Path | bytes]

    @property
    def bytes(self) -> int:
        """How large all files are together."""
        return sum(len(file) if isinstance(file, bytes) else file.stat().st_size for file in self.files.values())

    def write(self, folder: Path) -> None:
        """Write all files into `folder`, which appears whole or not at all.

        Raises UserError where something stands there, so that nothing is ever mixed with files of before.
        """
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise UserError(f"{folder}: holds something already. Give a new folder, or remove this one first.")
        with _whole(folder) as made:
            for name, file in self.files.items():
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(file, bytes):
                    path.write_bytes(file)
                else:
                    shutil.copyfile(file, path)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, renamed to it when the block ends well and removed when it does not."""
    temporary = None
    try:
        make_folder(folder.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name[:100]}.", suffix=".part", dir=folder.parent))
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(folder)  # an empty folder of this name gives way
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, f"cannot be written ({error.strerror or error}): choose another folder")
        raise UserError(f"{folder}: {advice}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def bundle_of(folder: Path, repo: str, license: str | None = None) -> Bundle:
    """What `folder` holds, as the repository `repo` (owner/name) will hold it: a student or a run's shards.

    license: the hub's word for that of the student's weights; None says `other`, or `unknown`.
    Raises UserError for a folder that is neither, or whose files are not those that their jobs wrote.
    """
    if license is not None and not _LICENSE.fullmatch(license):
        raise UserError(f"--license {license!r}: no word of the hub for a license. Give one such as mit or cc-by-4.0.")
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder. Give a student's (results/<run>/students/<loss>), or a run's shards."
        )
    if (folder / WEIGHTS_FILE).is_file():
        return _student(folder, repo, license)
    if all((folder / f"{split}.json").is_file() for split in SPLITS):
        if license:
            raise UserError("--license: a data set's license is that of its sources, which the configuration states.")
        return _shards(folder)
    raise UserError(
        f"{folder}: neither a student ({WEIGHTS_FILE} is missing) nor shards ({SPLITS[0]}.json is missing). "
        "Give results/<run>/students/<loss> or results/<run>/shards."
    )


def _student(folder: Path, repo: str, license: str | None) -> Bundle:
    from ..student.engines import load
    from .model_card import model_card

    if not (folder / CONFIG_FILE).is_file():
        raise UserError(f"{folder}: no student here ({CONFIG_FILE} is missing). Give a folder that distill wrote.")
    load(folder, "cpu")  # what cannot be drawn with is no student
    run = facts_of_run(folder)
    files: dict[str, Path | bytes] = {name: folder / name for name in (WEIGHTS_FILE, CONFIG_FILE)}
    if graphs := graphs_folder(folder):
        files |= {f"onnx/{path.name}": path for path in sorted(graphs.glob("*.onnx")) if _graph(path)}
    if run and run.sheet:
        if upright_size(run.sheet) is None:
            raise UserError(f"{run.sheet}: cannot be read. Run: python src/verify.py on the run's folder.")
        files["golden.png"] = run.sheet
    card = model_card(folder, repo, run, license, [name for name in files if name.endswith(".onnx")])
    return Bundle("model", {CARD: card.encode(), **files})


def _graph(path: Path) -> bool:
    return path.name.partition(".")[0] in GRAPHS


def _shards(folder: Path) -> Bundle:
    """The card, the manifests and the tar files that these list; records of jobs name hosts, and stay here."""
    if not (folder / CARD).is_file():
        raise UserError(
            f"{folder}: no data card here ({CARD} is missing). Run the workflow to its end, or {folder / CARD}."
        )
    files: dict[str, Path | bytes] = {CARD: folder / CARD}
    for split in SPLITS:
        manifest = folder / f"{split}.json"
        files[manifest.name] = manifest
        for entry in progress(_listed(manifest), unit="shard", label=split):
            name, shard = entry["file"], folder / entry["file"]
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise UserError(
                    f"{manifest}: lists {name!r}, which lies outside its folder. Nothing of it is published."
                )
            if not shard.is_file() or sha256_file(shard) != entry["sha256"]:
                raise UserError(
                    f"{shard}: missing, or not what {manifest.name} lists. Remove it and run the workflow again."
                )
            files[name] = shard
    return Bundle("dataset", files)


def _listed(manifest: Path) -> list[dict[str, str]]:
    try:
        entries = read_json(manifest)["shards"]
        return [{key: str(entry[key]) for key in ("file", "sha256")} for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{manifest}: no manifest of shards. Give results/<run>/shards.") from error
