"""What can be known before any job runs: missing folders and weights, sources that are too small, windows that meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config import NETWORKS, Config, Networks, Source
from ..core.errors import UserError
from ..core.files import canonical_json, read_json, sha256_bytes
from ..core.places import found, hub_id
from ..downloads.registry import weight_file
from ..sources import registry
from ..splits import windows
from . import requirements

# By the first word of the key that something is missing for: the rules whose jobs cannot do without it.
_TAKERS = {
    "sources": {"index"},
    "teacher": {"teach", "render", "benchmark", "render_variant", "deviation", "compare_teachers"},
    "student": {"convert"},
    "distill": {"distill"},
    "stylizers": {"render", "benchmark"},
    "networks": {
        "pretrain",
        "distill",
        "score_fixed",
        "score",
        "score_variants",
        "score_pairs",
        "compare_teachers",
    },
}


def check(config: Config) -> list[str]:
    """Raises UserError for a configuration that cannot end well, naming the key; opens no image and asks no server.

    Returns what is not here yet (folders of images, weights), one line each: fatal for a run, not for a dry run.
    """
    missing = [*_missing_places(config), *missing_weights(config)]
    if not missing and all(registry.known(source) for source in config.sources.values()):
        orders = {name: windows.order(_names(name, source), config.seed) for name, source in config.sources.items()}
        windows.check(config.blocks, config.golden, orders, shares=windows.shares(config.sources))
    return missing


def needed_now(missing: Sequence[str], jobs: Sequence[tuple[str, str | None]]) -> list[str]:
    """Those lines of `check` that a job of this run cannot do without; what only other targets need may be missing.

    jobs: rule and, of a job that lists one, the source.
    """
    return [line for line in missing if _taken(line, jobs)]


def _taken(line: str, jobs: Sequence[tuple[str, str | None]]) -> bool:
    section, *names = line.split(":")[0].split(".")  # sources.faces.path: ...
    if section not in _TAKERS:
        return bool(jobs)
    return any(rule in _TAKERS[section] and (section != "sources" or source == names[0]) for rule, source in jobs)


def _missing_places(config: Config) -> Iterator[str]:
    for name, source in config.sources.items():
        if missing := source.missing():
            yield f"sources.{name}.{missing}"
    for name, stylizer in config.stylizers.items():
        if missing := stylizer.missing():
            yield f"stylizers.{name}.{missing}"
    if missing := config.distill.missing():
        yield f"distill.{missing}"


def _names(name: str, source: Source) -> list[str]:
    try:
        return registry.names(source)
    except UserError as error:
        raise UserError(f"sources.{name}: {error}") from None


def missing_weights(config: Config) -> Iterator[str]:
    """Weights that are not here, one line each.

    A path must exist; what looks like a hub id (owner/name) is looked for by the job that loads it.
    """
    teacher, start = config.teacher.model, config.student.start
    if teacher is not None and not found(teacher).exists() and not hub_id(teacher):
        yield (
            f"teacher.weights: nothing at {teacher}. Set it to a diffusers folder, a hub id (owner/name) or one "
            f".safetensors/.ckpt file."
        )
    if start not in ("pretrain", "imagenet") and not found(start).exists():
        known = "".join(f" Put it there, {weight_file(name).by_hand}." for name in requirements.for_start(config))
        yield (
            f"student.start: nothing at {start}.{known} Or set it to a folder with student.safetensors, the authors' "
            f".pth file, 'pretrain' or 'imagenet'."
        )
    else:
        yield from _wrong_student("start", start, config)
    pretrained = config.student.pretrained
    if pretrained and not found(pretrained).is_dir():
        yield f"student.pretrained: no folder {pretrained}. Set it to a student's folder, or leave it out."
    elif pretrained:
        yield from _wrong_student("pretrained", pretrained, config)
    for network in NETWORKS:
        choice, trained = getattr(config.networks, network), Networks.trained(network)
        if choice not in ("seeded", trained) and not Path(choice).is_file():
            yield f"networks.{network}: no file {choice}. Set it to 'seeded', '{trained}' or a file."


def _wrong_student(key: str, given: str, config: Config) -> Iterator[str]:
    """What is wrong with a student's folder that is there."""
    folder, wanted = found(given), config.student.architecture
    if folder.is_dir() and not (folder / "student.safetensors").is_file():
        yield f"student.{key}: no student in {given} (student.safetensors is not there). Set it to a student's folder."
    elif (held := _architecture(folder)) not in (None, wanted):
        yield f"student.architecture: {given} holds {held}, not {wanted}. Set it to {held}."


def _architecture(start: Path) -> str | None:
    """The architecture of a student's folder; None where none is there, or none that can be read (a job says so)."""
    try:
        facts = read_json(start / "config.json")
    except (OSError, ValueError):
        return None
    return facts.get("architecture", "sttr") if isinstance(facts, dict) else None


def gpus() -> int:
    """How many NVIDIA GPUs this machine has; asked without importing torch, since every job parses the workflow."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def listing(source: Source) -> str:
    """A mark of names, sizes and times of a source's files, a folder's or archives of this disk; empty without any.

    A parameter of the rule that lists the source: an image that was added, removed or changed is noticed by it, as
    Snakemake would notice a changed input.
    """
    files = source.stamp()
    return f"files {sha256_bytes(canonical_json(files).encode())[:16]}" if files else ""
