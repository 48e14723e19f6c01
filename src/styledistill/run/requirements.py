"""Which weight files the steps of a run need, where its configuration says `download` or wants ImageNet's backbones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..config import Config
from ..config.terms import networks_of
from ..downloads.registry import FOLDER, weight_files


def for_start(config: Config) -> list[str]:
    """Names of the files that make the student before distillation; none where it is the user's own."""
    student = config.student
    start, full = student.start, student.architecture == "sttr" and student.size == "full"
    if start == "imagenet":
        return ["resnet50"]
    if start == "pretrain":
        return [*_downloaded(config, [config.networks.features]), *(["resnet50"] if full else [])]
    return [name for name, wanted in weight_files().items() if Path(start) == FOLDER / wanted.file]


def for_loss(config: Config, terms: Iterable[str]) -> list[str]:
    """Names of the files that a distillation with these terms needs."""
    return _downloaded(config, networks_of(terms, config.networks.features))


def for_pairs(config: Config) -> list[str]:
    """Names of the files that the scores of training pairs need."""
    return _downloaded(config, [config.networks.features]) if config.pairs.keep else []


def for_scores(config: Config) -> list[str]:
    """Names of the files that scoring needs."""
    return _downloaded(config, config.scoring_networks)


def for_run(config: Config) -> list[str]:
    """Names of all files that a run needs, sorted."""
    losses = (for_loss(config, terms) for terms in config.losses.values())
    return sorted({*for_start(config), *for_scores(config), *(name for names in losses for name in names)})


def _downloaded(config: Config, networks: Iterable[str]) -> list[str]:
    return sorted(name for name in networks if getattr(config.networks, name) == "download")
