"""Which weight files the steps of a run need, where its configuration says `download` or wants ImageNet's backbones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..config import Config
from .registry import FOLDER, weight_files

# The fixed networks behind loss terms; other terms look at pixels alone.
TERMS = {"gram": "vgg19", "adain": "vgg19", "content": "vgg19", "lpips": "alexnet"}


def for_start(config: Config) -> list[str]:
    """Names of the files that make the student before distillation; none where it is the user's own."""
    start, full = config.student.start, config.student.size == "full"
    if start == "imagenet":
        return ["resnet50"]
    if start == "pretrain":
        return [*_downloaded(config, ["vgg19"]), *(["resnet50"] if full else [])]
    return [name for name, wanted in weight_files().items() if Path(start) == FOLDER / wanted.file]


def for_loss(config: Config, terms: Iterable[str]) -> list[str]:
    """Names of the files that a distillation with these terms needs."""
    return _downloaded(config, {TERMS[term] for term in terms if term in TERMS})


def for_scores(config: Config) -> list[str]:
    """Names of the files that scoring needs."""
    return _downloaded(config, ("vgg19", config.metrics.lpips, config.metrics.fid))


def for_run(config: Config) -> list[str]:
    """Names of all files that a run needs, sorted."""
    losses = (for_loss(config, terms) for terms in config.losses.values())
    return sorted({*for_start(config), *for_scores(config), *(name for names in losses for name in names)})


def _downloaded(config: Config, networks: Iterable[str]) -> list[str]:
    return sorted(name for name in networks if getattr(config.networks, name) == "download")
