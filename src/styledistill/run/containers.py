"""What containers need of the machine they run on: which image, which folders they must see, whether there is a GPU."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..config import NETWORKS, Config
from ..core.errors import UserError
from ..core.files import sha256_file
from ..core.places import found
from .preflight import gpus

ENVIRONMENTS = ("data", "model", "report")
# Of the working directory, which the container sees anyway; but on clusters they are often links to another disk.
_OWN = ("resources", "results", ".snakemake")


def image(project: Path, name: str) -> Path:
    """The image that `make containers` builds from envs/<name>.lock; its name carries the lock's hash."""
    return project / "containers" / f"{name}-{sha256_file(project / 'envs' / f'{name}.lock')[:12]}.sif"


def missing_images(project: Path) -> list[str]:
    """One line where images are not built yet, none where all are here."""
    lacking = [path.name for path in (image(project, name) for name in ENVIRONMENTS) if not path.exists()]
    if not lacking:
        return []
    return [f"containers: no {', '.join(lacking)} in {project / 'containers'}. Run: make containers"]


def environment(config: Config, project: Path, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that Apptainer reads, whoever starts it: APPTAINER_BIND, APPTAINER_NV where there is a driver.

    Bound are the project, the folders of the working directory that are links, and every path of the configuration that
    exists, under every name that links lead it through, after what `given` binds already. HF_HOME is where the hub's
    client has its cache outside: inside, the home is the working directory. Raises UserError for a path that Apptainer
    cannot be told, and for a project or working directory in which Snakemake cannot start it.
    """
    hub = Path(given.get("HF_HOME") or Path(given.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface")
    wanted = [project, *map(Path, _OWN), hub, *_paths(config)]
    folders = [str(name) for path in wanted if path.exists() for name in _names(path)]
    for folder in (project.absolute(), Path.cwd()):  # Snakemake writes these into a command without quotes
        if odd := sorted(set(re.findall(r"[^\w@%+=./-]", str(folder)))):
            raise UserError(
                f"{folder}: containers cannot be started here: the path holds {' '.join(map(repr, odd))}. Rename the "
                "folder, or run without --use-singularity."
            )
    for folder in folders:
        if set(folder) & set(":,"):
            raise UserError(f"{folder}: containers cannot see a path with a colon or a comma. Rename it.")
    bound = [entry for entry in given.get("APPTAINER_BIND", "").split(",") if entry]
    found = {"APPTAINER_BIND": ",".join(dict.fromkeys([*bound, *folders]))}
    return found | ({"HF_HOME": str(hub)} if hub.is_dir() else {}) | ({"APPTAINER_NV": "1"} if gpus() else {})


def _paths(config: Config) -> Iterator[Path]:
    """Folders and files that the configuration names; a hub id is none, for there is nothing of that name."""
    for source in config.sources.values():
        yield from source.places
    for stylizer in config.stylizers.values():
        yield from stylizer.places
    if config.teacher.model is not None:
        teacher = found(config.teacher.model)
        yield from (teacher, teacher.parent / teacher.stem)  # beside a file, its configuration in a folder of its name
    yield from map(Path, config.teacher.command_files)
    yield from (found(folder) for folder in (config.student.start, config.student.pretrained) if folder)
    yield from (Path(getattr(config.networks, name)) for name in NETWORKS)


def _names(path: Path) -> list[Path]:
    """What must be in a container for a job to open `path`: the path without links, all that links make of it, itself.

    In this order, since a link leads somewhere only once that is there.
    """
    names = [Path(os.path.normpath(path.absolute()))]
    while link := next((part for part in (*reversed(names[-1].parents), names[-1]) if part.is_symlink()), None):
        names.append(Path(os.path.normpath(link.parent / link.readlink() / names[-1].relative_to(link))))
    return [path.resolve(), *(name for name in reversed(names) if name.exists())]
