"""One row of measures per pair, and the measures of a whole set."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .. import perceptual
from ..config import Metrics, Networks
from ..core.colors import color_distance
from ..core.errors import UserError
from ..core.files import atomic_path, write_csv, write_json
from ..core.imports import large_imports
from ..core.progress import Meter
from ..core.tensors import load_images
from ..perceptual import FIRST_BLOCK, STRUCTURE, feature_maps
from ..splits.pairs import Pair
from . import image_measures
from .cfsd import cfsd
from .fid import activations, artfid, frechet_distance
from .kid import kid
from .st_lpips import NETWORK as SHIFT_TOLERANT
from .st_lpips import ShiftTolerantLpips, st_lpips

MEASURES = (
    "lpips",
    "st_lpips",
    "cfsd",
    "cfsd_mean",
    "teacher_mse",
    "teacher_psnr",
    "teacher_ssim",
    "teacher_lpips",
    "teacher_st_lpips",
    "teacher_artifacts",
    "gram_distance",
    "color_distance",
    "laplacian_energy",
    "saturation",
    "brightness",
)
LPIPS = ("lpips", "teacher_lpips")  # those of them that LPIPS's network gives
KID = ("kid", "kid_low", "kid_high")  # of a set
COLUMNS = ("set", "pair", "content", "style", *MEASURES, "networks")

Row = dict[str, str | float]
Activations = dict[Path, np.ndarray]  # of each style image


@dataclass(frozen=True)
class Instruments:
    """The fixed networks that measure, on one device, and how rows name their weights."""

    lpips: nn.Module | None  # None: no LPIPS, and so no ArtFID
    st_lpips: ShiftTolerantLpips
    features: nn.Module  # of structure and Gram distance
    inception: nn.Module | None  # None: no FID, KID and ArtFID
    labels: dict[str, str]  # by network: of LPIPS, of ST-LPIPS, of structure and Gram, of FID, in this order
    seeded: list[str]  # those with random weights, whose numbers do not compare with published ones
    device: torch.device

    @property
    def measures(self) -> tuple[str, ...]:
        """Those of MEASURES that these networks give, in the same order."""
        return tuple(name for name in MEASURES if self.lpips is not None or name not in LPIPS)

    @property
    def of_pairs(self) -> str:
        """How a row names the weights that measured it: all but FID's, which sees whole sets."""
        labels = list(self.labels.items())
        return "; ".join(f"{name} {weights}" for name, weights in (labels[:-1] if self.inception else labels))


def load_instruments(metrics: Metrics, networks: Networks, device: torch.device) -> Instruments:
    """The metric networks of the configuration, in float32 proper. Raises UserError when weights are missing.

    What a network `none` stands for is neither imported nor loaded.
    """
    torch.backends.cudnn.allow_tf32 = False  # its default is 10 bits of mantissa, with which a GPU measures otherwise
    seed = networks.seed
    used = (metrics.lpips, SHIFT_TOLERANT, networks.features, metrics.fid)
    sources = {name: getattr(networks, name) for name in used if name != "none"}
    lpips, inception = None, None
    with large_imports():  # of torchvision, lpips and pytorch_fid, by the networks that take them
        if metrics.lpips != "none":
            lpips = perceptual.lpips(sources[metrics.lpips], seed, metrics.lpips).to(device)
        if metrics.fid != "none":
            build = {"inception": perceptual.inception, "art_inception": perceptual.art_inception}[metrics.fid]
            inception = build(sources[metrics.fid], seed).to(device)
        features = perceptual.features(networks).to(device)
    return Instruments(
        lpips=lpips,
        st_lpips=st_lpips(sources[SHIFT_TOLERANT], seed).to(device),
        features=features,
        inception=inception,
        labels={name: perceptual.label(name, source, seed) for name, source in sources.items()},
        seeded=[name for name, source in sources.items() if source == "seeded"],
        device=device,
    )


@dataclass
class Scores:
    """What one model got on one set: rows in the order of the pairs, and the facts of the set."""

    rows: list[Row]
    summary: dict[str, float | int | None]


@torch.no_grad()
def score_set(
    pairs: Sequence[Pair],
    stylized: Path,
    teacher: Path | None,
    styles: Activations,
    instruments: Instruments,
    batch: int,
) -> Scores:
    """Score the images `<pair>.png` of a folder against contents, styles and the teacher's images.

    teacher: its images of the same pairs; without them the distances to it are not a number. styles: as
    `style_activations` makes them, once for all models. batch: images per forward. FID compares the stylized images
    with the style images, each repeated as often as it was used (the published protocol); None below two pairs. Rows
    and summary have no measures of networks that `instruments` lacks. Raises UserError for images that cannot be read.
    """
    rows: dict[str, Row] = {}
    seen: dict[str, np.ndarray] = {}
    grams = _StyleGrams(instruments, pairs, batch)
    inception = None if instruments.inception is None else _SetActivations(instruments.inception)
    meter = Meter(unit="pair", total=len(pairs), label=pairs[0].set)
    for content_file, chunks in _by_content(pairs, batch):
        content = load_images([content_file]).to(instruments.device)
        structure = feature_maps(instruments.features, content)[STRUCTURE]
        content_seen = instruments.st_lpips.features(content)
        for chunk in chunks:
            output = _images(stylized, chunk, instruments)
            features = feature_maps(instruments.features, output)
            goal = _images(teacher, chunk, instruments) if teacher else None
            columns = {
                **_to_content(output, content, features[STRUCTURE], structure, instruments),
                **({} if goal is None else _to_teacher(output, goal, instruments)),
                **_st_lpips(output, content_seen, goal, instruments.st_lpips),
                **grams.distances(output, features, chunk),
                **_alone(output),
            }
            rows |= _rows(chunk, columns, instruments)
            if inception:
                seen |= {pair.name: one for pair, one in zip(chunk, inception.of(output), strict=True)}
            meter.advance(len(chunk))
    meter.close()
    ordered = [rows[pair.name] for pair in pairs]
    summary: dict[str, float | int | None] = {"pairs": len(ordered)}
    if instruments.lpips is not None:
        summary["lpips"] = float(np.mean([row["lpips"] for row in ordered]))
    if inception:
        of_outputs = np.stack([seen[pair.name] for pair in pairs])
        of_styles = np.stack([styles[pair.style_file] for pair in pairs])
        summary |= _of_inception(ordered, of_outputs, of_styles)
    if {"lpips", "fid"} <= summary.keys():
        summary["artfid"] = artfid(summary["lpips"], summary["fid"])
    return Scores(ordered, summary)


def style_activations(pairs: Iterable[Pair], instruments: Instruments, batch: int) -> Activations:
    """Inception activations of every style image of `pairs`, each computed once; none without Inception."""
    found: Activations = {}
    if instruments.inception is None:
        return found
    files = sorted({pair.style_file for pair in pairs})
    for start in range(0, len(files), batch):
        some = files[start : start + batch]
        seen = activations(load_images(some).to(instruments.device), instruments.inception)
        found |= dict(zip(some, seen, strict=True))
    return found


def write_activations(path: Path, styles: Activations, images: Path) -> None:
    """Keep activations for other jobs (npz: names relative to `images`, float32 as the network gave them)."""
    names = [str(file.relative_to(images)) for file in styles]
    for file, seen in styles.items():
        if not np.isfinite(seen).all():
            raise UserError(f"{file}: its activations are not finite. Are the weights of the network whole?")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, names=np.array(names), activations=np.stack(list(styles.values())).astype(np.float32))


def read_activations(path: Path, images: Path) -> Activations:
    """What `write_activations` kept, in float64."""
    with np.load(path) as kept:
        found = zip(kept["names"], kept["activations"].astype(float), strict=True)
        return {images / name: seen for name, seen in found}


class _SetActivations:
    """Inception activations of the images of one set; those of equal images, as baselines repeat them, once."""

    def __init__(self, inception: nn.Module) -> None:
        self._inception = inception
        self._known: dict[bytes, np.ndarray] = {}  # by hashes of images

    def of(self, images: Tensor) -> list[np.ndarray]:
        keys = [hashlib.sha256(image.cpu().contiguous().numpy()).digest() for image in images]
        first = {key: number for number, key in enumerate(keys) if key not in self._known}
        if first:
            self._known |= zip(first, activations(images[list(first.values())], self._inception), strict=True)
        return [self._known[key] for key in keys]


class _StyleGrams:
    """Gram matrices of the styles, each computed once however often the style is used."""

    def __init__(self, instruments: Instruments, pairs: Sequence[Pair], batch: int) -> None:
        self._grams: dict[Path, list[Tensor]] = {}
        files = sorted({pair.style_file for pair in pairs})
        for start in range(0, len(files), batch):
            some = files[start : start + batch]
            maps = feature_maps(instruments.features, load_images(some).to(instruments.device))
            grams = [image_measures.gram(layer) for layer in maps]
            self._grams |= {file: [layer[i] for layer in grams] for i, file in enumerate(some)}

    def distances(self, output: Tensor, features: list[Tensor], pairs: list[Pair]) -> dict[str, Tensor]:
        layers = [torch.stack(layer) for layer in zip(*(self._grams[pair.style_file] for pair in pairs), strict=True)]
        images = load_images([pair.style_file for pair in pairs]).to(output.device)
        return {
            "gram_distance": image_measures.gram_distance([image_measures.gram(layer) for layer in features], layers),
            "color_distance": color_distance(output, images),
        }


def _of_inception(rows: list[Row], outputs: np.ndarray, styles: np.ndarray) -> dict[str, float | None]:
    """FID and KID of a whole set, from activations of the outputs and of the style of each."""
    (outputs_early, outputs_pool3), (styles_early, styles_pool3) = (
        np.split(side, [FIRST_BLOCK], axis=1) for side in (outputs, styles)
    )
    contents, used = ([row[name] for row in rows] for name in ("content", "style"))
    return {
        "fid": frechet_distance(outputs_pool3, styles_pool3),
        "fid_64": frechet_distance(outputs_early, styles_early),
        **dict(zip(KID, kid(outputs_pool3, styles_pool3, contents, used), strict=True)),
    }


def _images(folder: Path, pairs: list[Pair], instruments: Instruments) -> Tensor:
    return load_images([folder / f"{pair.name}.png" for pair in pairs]).to(instruments.device)


def _by_content(pairs: Iterable[Pair], batch: int) -> Iterator[tuple[Path, list[list[Pair]]]]:
    """Pairs grouped by content, so that each content's features are computed once and held no longer than needed."""
    for content, group in groupby(sorted(pairs, key=lambda p: (p.content_file, p.name)), key=lambda p: p.content_file):
        members = list(group)
        yield content, [members[i : i + batch] for i in range(0, len(members), batch)]


def _to_content(
    output: Tensor, content: Tensor, features: Tensor, structure: Tensor, instruments: Instruments
) -> dict[str, Tensor]:
    distance = cfsd(features, structure)
    found = {"cfsd": distance, "cfsd_mean": distance / structure[0, 0].numel()}
    if instruments.lpips is not None:
        found["lpips"] = instruments.lpips(output, content.expand_as(output))
    return found


def _to_teacher(output: Tensor, goal: Tensor, instruments: Instruments) -> dict[str, Tensor]:
    error = image_measures.mse(output, goal)
    found = {
        "teacher_mse": error,
        "teacher_psnr": image_measures.psnr(error),
        "teacher_ssim": image_measures.ssim(output, goal),
        "teacher_artifacts": image_measures.artifact_energy(output, goal),
    }
    if instruments.lpips is not None:
        found["teacher_lpips"] = instruments.lpips(output, goal)
    return found


def _st_lpips(
    output: Tensor, content: list[Tensor], goal: Tensor | None, network: ShiftTolerantLpips
) -> dict[str, Tensor]:
    """content: `network.features` of it. One image at a time: the first layer keeps 64 channels of every pixel."""
    rows = []
    for place, image in enumerate(output):
        seen = network.features(image[None])
        row = {"st_lpips": network.distance(seen, content)}
        if goal is not None:
            row["teacher_st_lpips"] = network.distance(seen, network.features(goal[place : place + 1]))
        rows.append(row)
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def _alone(output: Tensor) -> dict[str, Tensor]:
    return {
        "laplacian_energy": image_measures.laplacian_energy(output),
        "saturation": image_measures.saturation(output),
        "brightness": image_measures.brightness(output),
    }


def _rows(pairs: list[Pair], columns: dict[str, Tensor], instruments: Instruments) -> dict[str, Row]:
    values = {name: column.double().cpu().tolist() for name, column in columns.items()}
    for name, column in values.items():
        for pair, value in zip(pairs, column, strict=True):
            if not math.isfinite(value) and (name != "teacher_psnr" or value != math.inf):  # of equal images
                raise UserError(f"{pair.name}: its {name} is not finite. Are the weights of the networks whole?")
    return {
        pair.name: {
            "set": pair.set,
            "pair": pair.name,
            "content": pair.content,
            "style": pair.style,
            **{name: values[name][i] if name in values else math.nan for name in instruments.measures},
            "networks": instruments.of_pairs,
        }
        for i, pair in enumerate(pairs)
    }


def write_scores(model: str, sets: dict[str, Scores], instruments: Instruments, table: Path, summary: Path) -> None:
    """Write the rows of all sets as CSV (see `write_rows`) and the facts of each set as JSON."""
    write_rows([row for scores in sets.values() for row in scores.rows], table)
    facts = {
        "model": model,
        "sets": {name: scores.summary for name, scores in sets.items()},
        "networks": instruments.labels,
        "seeded": instruments.seeded,
    }
    write_json(summary, facts)


def write_rows(rows: Sequence[Row], table: Path, columns: Sequence[str] = COLUMNS) -> None:
    """Write rows as CSV: those of `columns` that they have, seven significant digits, what is not a number empty."""
    columns = [name for name in columns if name in rows[0]]
    write_csv(table, columns, ([row[name] for name in columns] for row in rows), digits=7)
