"""One row of measures per pair, and the measures of a whole set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from .. import perceptual
from ..config import Networks
from ..core.files import write_json, write_text
from ..core.progress import Meter
from ..core.tensors import load_pictures
from ..evaluation import Pair
from . import picture
from .cfsd import cfsd
from .fid import activations, artfid, frechet_distance

MEASURES = (
    "lpips",
    "cfsd",
    "cfsd_mean",
    "teacher_mse",
    "teacher_psnr",
    "teacher_lpips",
    "gram_distance",
    "colour_distance",
    "laplacian_energy",
    "saturation",
    "brightness",
)
COLUMNS = ("set", "pair", "content", "style", *MEASURES, "networks")

# VGG19's relu1_1, relu2_1, relu3_1 and relu4_1; the third is CFSD's too.
_TAPS = (1, 6, 11, 20)
_STRUCTURE = 11

Row = dict[str, str | float]


@dataclass(frozen=True)
class Instruments:
    """The fixed networks that measure, on one device, and how rows name their weights."""

    lpips: nn.Module
    vgg: nn.Module
    inception: nn.Module
    labels: dict[str, str]
    seeded: list[str]  # those with random weights, whose numbers do not compare with published ones
    device: torch.device


def load_instruments(networks: Networks, device: torch.device) -> Instruments:
    """The metric networks of the configuration. Raises UserError when weights are missing."""
    seed = networks.seed
    names = ("alexnet", "vgg19", "inception")
    return Instruments(
        lpips=perceptual.lpips(networks.alexnet, seed).to(device),
        vgg=perceptual.vgg19_features(networks.vgg19, seed)[: _TAPS[-1] + 1].to(device),
        inception=perceptual.inception(networks.inception, seed).to(device),
        labels={name: perceptual.label(name, getattr(networks, name), seed) for name in names},
        seeded=[name for name in names if getattr(networks, name) == "seeded"],
        device=device,
    )


@dataclass
class Scores:
    """What one model got on one set: rows in the order of the pairs, and the facts of the set."""

    rows: list[Row]
    summary: dict[str, float | int | None]


@torch.no_grad()
def score_set(pairs: Sequence[Pair], stylized: Path, teacher: Path, instruments: Instruments, batch: int) -> Scores:
    """Score the pictures `<pair>.png` of a folder against contents, styles and the teacher's pictures.

    batch: pictures per forward. FID compares the stylized pictures with the style pictures, each repeated as often as
    it was used (the published protocol); None below two pairs. Raises UserError for pictures that cannot be read.
    """
    styles = _Styles(instruments, pairs, batch)
    rows: dict[str, Row] = {}
    seen: dict[str, np.ndarray] = {}
    meter = Meter(unit="pair", total=len(pairs), label=pairs[0].set)
    for content_file, chunks in _by_content(pairs, batch):
        content = load_pictures([content_file]).to(instruments.device)
        structure = _features(content, instruments.vgg)[_STRUCTURE]
        for chunk in chunks:
            output, goal = _pictures(stylized, chunk, instruments), _pictures(teacher, chunk, instruments)
            features = _features(output, instruments.vgg)
            columns = {
                **_to_content(output, content, features[_STRUCTURE], structure, instruments),
                **_to_teacher(output, goal, instruments),
                **styles.distances(output, features, chunk),
                **_alone(output),
            }
            rows |= _rows(chunk, columns, instruments)
            pool3 = activations(output, instruments.inception)
            seen |= {pair.name: one for pair, one in zip(chunk, pool3, strict=True)}
            meter.advance(len(chunk))
    meter.close()
    ordered = [rows[pair.name] for pair in pairs]
    return Scores(ordered, _summary(ordered, np.stack([seen[pair.name] for pair in pairs]), styles.pool3(pairs)))


class _Styles:
    """Grams and Inception activations of the styles, each computed once however often the style is used."""

    def __init__(self, instruments: Instruments, pairs: Sequence[Pair], batch: int) -> None:
        self._grams: dict[Path, list[Tensor]] = {}
        self._pool3: dict[Path, np.ndarray] = {}
        files = sorted({pair.style_file for pair in pairs})
        for start in range(0, len(files), batch):
            some = files[start : start + batch]
            pictures = load_pictures(some).to(instruments.device)
            grams = _grams(_features(pictures, instruments.vgg))
            pool3 = activations(pictures, instruments.inception)
            for i, file in enumerate(some):
                self._grams[file] = [layer[i] for layer in grams]
                self._pool3[file] = pool3[i]

    def distances(self, output: Tensor, features: dict[int, Tensor], pairs: list[Pair]) -> dict[str, Tensor]:
        layers = [torch.stack(layer) for layer in zip(*(self._grams[pair.style_file] for pair in pairs), strict=True)]
        pictures = load_pictures([pair.style_file for pair in pairs]).to(output.device)
        return {
            "gram_distance": picture.gram_distance(_grams(features), layers),
            "colour_distance": picture.colour_distance(output, pictures),
        }

    def pool3(self, pairs: Sequence[Pair]) -> np.ndarray:
        return np.stack([self._pool3[pair.style_file] for pair in pairs])


def _summary(rows: list[Row], pool3: np.ndarray, style_pool3: np.ndarray) -> dict[str, float | int | None]:
    fid = frechet_distance(pool3, style_pool3)
    lpips = float(np.mean([row["lpips"] for row in rows]))
    return {"pairs": len(rows), "lpips": lpips, "fid": fid, "artfid": artfid(lpips, fid)}


def _pictures(folder: Path, pairs: list[Pair], instruments: Instruments) -> Tensor:
    return load_pictures([folder / f"{pair.name}.png" for pair in pairs]).to(instruments.device)


def _by_content(pairs: Iterable[Pair], batch: int) -> Iterator[tuple[Path, list[list[Pair]]]]:
    """Pairs grouped by content, so that each content's features are computed once and held no longer than needed."""
    for content, group in groupby(sorted(pairs, key=lambda p: (p.content_file, p.name)), key=lambda p: p.content_file):
        members = list(group)
        yield content, [members[i : i + batch] for i in range(0, len(members), batch)]


def _features(pictures: Tensor, vgg: nn.Module) -> dict[int, Tensor]:
    """The tapped VGG19 activations of pictures in [0, 1], by layer number."""
    x, found = perceptual.normalize(pictures), {}
    for index, layer in enumerate(vgg):
        x = layer(x)
        if index in _TAPS:
            found[index] = x
    return found


def _grams(features: dict[int, Tensor]) -> list[Tensor]:
    return [picture.gram(features[layer]) for layer in _TAPS]


def _to_content(
    output: Tensor, content: Tensor, features: Tensor, structure: Tensor, instruments: Instruments
) -> dict[str, Tensor]:
    distance = cfsd(features, structure)
    return {
        "lpips": instruments.lpips(output, content.expand_as(output)),
        "cfsd": distance,
        "cfsd_mean": distance / structure[0, 0].numel(),
    }


def _to_teacher(output: Tensor, goal: Tensor, instruments: Instruments) -> dict[str, Tensor]:
    error = picture.mse(output, goal)
    return {"teacher_mse": error, "teacher_psnr": picture.psnr(error), "teacher_lpips": instruments.lpips(output, goal)}


def _alone(output: Tensor) -> dict[str, Tensor]:
    return {
        "laplacian_energy": picture.laplacian_energy(output),
        "saturation": picture.saturation(output),
        "brightness": picture.brightness(output),
    }


def _rows(pairs: list[Pair], columns: dict[str, Tensor], instruments: Instruments) -> dict[str, Row]:
    values = {name: column.double().cpu().tolist() for name, column in columns.items()}
    networks = "; ".join(f"{name} {instruments.labels[name]}" for name in ("alexnet", "vgg19"))
    return {
        pair.name: {
            "set": pair.set,
            "pair": pair.name,
            "content": pair.content,
            "style": pair.style,
            **{name: values[name][i] for name in MEASURES},
            "networks": networks,
        }
        for i, pair in enumerate(pairs)
    }


def write_scores(model: str, sets: dict[str, Scores], instruments: Instruments, table: Path, summary: Path) -> None:
    """Write the rows of all sets as CSV (COLUMNS) and the facts of each set as JSON."""
    frame = pd.DataFrame([row for scores in sets.values() for row in scores.rows], columns=COLUMNS)
    write_text(table, frame.to_csv(index=False, float_format="%.7g"))
    facts = {
        "model": model,
        "sets": {name: scores.summary for name, scores in sets.items()},
        "networks": instruments.labels,
        "seeded": instruments.seeded,
    }
    write_json(summary, facts)
