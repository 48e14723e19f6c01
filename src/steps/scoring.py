"""What the scripts that score a run share: their options, and the networks that measure, recorded."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

from styledistill.run.cli import Settings, user_errors

import click

from styledistill.config import Metrics, Networks
from styledistill.core.errors import BadImage, UserError
from styledistill.core.images import open_rgb
from styledistill.core.progress import announce
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.metrics.score import Instruments, load_instruments
from styledistill.splits.pairs import Pair, golden_pairs

_OPTIONS = (
    click.option(
        "--golden-contents", type=click.IntRange(1), required=True, help="How many golden contents there are."
    ),
    click.option("--golden-styles", type=click.IntRange(1), required=True, help="How many golden styles there are."),
    click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON."),
    click.option("--networks", type=Settings(Networks), required=True, help="The networks section, as JSON."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
)


class Scoring(NamedTuple):
    """What these options say: the size of the golden set, the metrics, their networks and the device."""

    golden_contents: int
    golden_styles: int
    settings: Metrics
    networks: Networks
    device: str

    def golden_pairs(self, images: Path) -> list[Pair]:
        """The golden pairs. images: crops of the run."""
        return golden_pairs(images, self.golden_contents, self.golden_styles)


def scoring_options(command: Callable) -> Callable:
    """Give a command these options, together as its argument `wanted` (`Scoring`)."""

    @wraps(command)
    def gathered(**given: Any) -> None:
        wanted = Scoring(**{name: given.pop(name) for name in Scoring._fields})
        command(**given, wanted=wanted)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


@contextmanager
def scoring(record: Path, stage: str, facts: dict[str, object], wanted: Scoring) -> Iterator[Instruments]:
    """The networks that measure, on the device; a user's mistake is one line, and `record` says what was done."""
    facts |= {"metrics": wanted.settings.model_dump(), "networks": wanted.networks.model_dump()}
    with user_errors(), run_record(record, stage, facts, wanted.networks.seed) as found:
        use_threads()
        seed_everything(wanted.networks.seed)
        where = pick_device(wanted.device)
        found["device"] = str(where)
        yield load_instruments(wanted.settings, wanted.networks, where)


@contextmanager
def naming_all_bad(results: Path, files: Iterable[Path]) -> Iterator[None]:
    """Where one image of a run cannot be read, all of `files` are tried, so that one job names every bad one."""
    try:
        yield
    except BadImage as error:
        bad = [reason for file in files if (reason := _unreadable(file))]
        for reason in bad:
            announce(reason)
        repair = f"python src/verify.py {shlex.quote(str(results))} --repair"
        raise UserError(
            f"{len(bad)} of the images to score cannot be read, first {error}. `{repair}` mends them."
        ) from error


def _unreadable(file: Path) -> str:
    """Why an image cannot be read; empty where it can."""
    try:
        open_rgb(file)
    except BadImage as error:
        return str(error)
    return ""
