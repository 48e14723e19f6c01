"""What the scripts that score a run share: their options, and the networks that measure, recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from styledistill.cli import Settings, user_errors

import click

from styledistill.config import Metrics, Networks
from styledistill.core.provenance import run_record
from styledistill.core.runtime import pick_device, seed_everything, use_threads
from styledistill.metrics.score import Instruments, load_instruments

_OPTIONS = (
    click.option(
        "--golden-contents", type=click.IntRange(1), required=True, help="How many golden contents there are."
    ),
    click.option("--golden-styles", type=click.IntRange(1), required=True, help="How many golden styles there are."),
    click.option("--settings", type=Settings(Metrics), required=True, help="The metrics section, as JSON."),
    click.option("--networks", type=Settings(Networks), required=True, help="The networks section, as JSON."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
)


def scoring_options(command: Callable) -> Callable:
    """Give a command the size of the golden set, the metrics, their networks and the device."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def scoring(
    record: Path, stage: str, facts: dict[str, object], settings: Metrics, networks: Networks, device: str
) -> Iterator[Instruments]:
    """The networks that measure, on `device`; a user's mistake is one line, and `record` says what was done."""
    facts |= {"metrics": settings.model_dump(), "networks": networks.model_dump()}
    with user_errors(), run_record(record, stage, facts, networks.seed) as found:
        use_threads()
        seed_everything(networks.seed)
        where = pick_device(device)
        found["device"] = str(where)
        yield load_instruments(settings, networks, where)
