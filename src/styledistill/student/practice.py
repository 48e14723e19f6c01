"""Perceptual training: contents and styles by chance, no teacher. It made the embedded students.

Loss of a pair, weighted: the texture of the style (feature statistics and balanced Gram matrices at five depths of
EfficientNet-Lite0), the style's colors, the content's structure, the content's tones (correlation of lightness at two
coarse scales, without which a network keeps outlines and loses light and dark), and two small terms that keep the
output in range and smooth. Styles are turned and recolored by chance, since a hundred paintings are few.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.averages import follow, start_average, use_average
from ..core.errors import UserError
from ..core.fingerprint import fingerprint_modules
from ..core.progress import Meter
from ..core.tensors import from_uint8
from ..perceptual import denormalize, feature_maps, normalize
from ..sources.crops import Group, crop
from .distances import color_moments, grain_distance, sliced_distance, structure_parts, texture_distance, tone_distance
from .modulation import StyleEncoder
from .training import NETWORK_MODULES, Row, StateFile

MODULES = [
    *NETWORK_MODULES,
    *(f"styledistill.{name}" for name in ("core.averages", "sources.crops", "student.practice")),
]
ROW_STEPS = 100  # steps that one row of the history averages
SAVE_STEPS = 300
MEASURED_BATCHES = 32  # of 16 styles each, whose statistics scale the style encoder's inputs
PIXELS = 2048  # of each image, whose colors are compared


@dataclass(frozen=True)
class Weights:
    """Weights of the terms."""

    texture: float = 4.0
    colors: float = 20.0
    content: float = 0.4
    places: float = 0.5
    tone: float = 2.0
    grain: float = 0.5
    range: float = 2.0
    tv: float = 0.02


@dataclass(frozen=True)
class Recipe:
    """How long and on what: 300 steps of warm-up, then half a cosine to zero."""

    steps: int
    learning_rate: float = 1e-3
    # (part of the steps until which it holds, pairs in a batch, side of the crops in pixels)
    sizes: tuple[tuple[float, int, int], ...] = ((0.7, 4, 128), (1.0, 4, 160))
    weights: Weights = field(default_factory=Weights)
    warm_up: int = 300
    clip: float = 5.0
    ema: float = 0.999
    recolored: float = 0.4  # part of the styles whose colors are turned

    def size(self, step: int) -> tuple[int, int]:
        """Pairs and side of a step's batch."""
        return next((count, side) for until, count, side in self.sizes if step < until * self.steps or until == 1)

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warm_up)
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / self.steps)) + 1e-6


# --- images -----------------------------------------------------------------------------------------------------


def turned_colors(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """The image with its colors turned around the gray axis, scaled and moved a little, now and then inverted."""
    angle = rng.uniform(-math.pi, math.pi)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = np.eye(3) + math.sin(angle) * across + (1 - math.cos(angle)) * across @ across
    pixels = (image / np.float32(255) - 0.5) @ turn.T * rng.uniform(0.7, 1.2) + 0.5 + rng.normal(size=3) * 0.05
    if rng.random() < 0.15:
        pixels = 1 - pixels
    return np.uint8(np.clip(pixels, 0, 1) * 255)


@dataclass(frozen=True)
class PairsByChance:
    """Batches of contents and styles; each is a function of (seed, step)."""

    contents: Sequence[Group]
    styles: Sequence[Group]
    recolored: float
    seed: int

    def batch(self, step: int, count: int, side: int) -> tuple[Tensor, Tensor]:
        """Contents and styles (count, 3, side, side) in [0, 1]."""
        rng = np.random.default_rng([self.seed, step])
        contents, styles = [], []
        for _ in range(count):
            contents.append(crop(rng, self.contents, side))
            style = crop(rng, self.styles, side)
            if rng.random() < 0.25:
                style = np.ascontiguousarray(np.rot90(style))
            styles.append(turned_colors(rng, style) if rng.random() < self.recolored else style)
        return from_uint8(np.stack(contents)), from_uint8(np.stack(styles))


# --- training -----------------------------------------------------------------------------------------------------


def terms(
    output: Tensor, content: Tensor, style: Tensor, network: nn.Module, random: torch.Generator
) -> dict[str, Tensor]:
    """The terms of the loss, unweighted, of outputs (B, 3, H, W) in [0, 1] space; network: `perceptual.features`."""
    features = feature_maps(network, output)
    with torch.no_grad():
        of_style, of_content = feature_maps(network, style), feature_maps(network, content)
    structure, places = structure_parts(features, of_content)
    directions = F.normalize(torch.randn(12, 3, generator=random), dim=1)
    chosen = torch.randint(output[0, 0].numel(), (PIXELS,), generator=random)
    pixels = (images.flatten(2)[:, :, chosen] for images in (output, style))
    return {
        "texture": texture_distance(features, of_style).mean(),
        "colors": color_moments(output, style).mean() + sliced_distance(*pixels, directions, squared=True).mean() * 2,
        "content": structure.mean(),
        "places": places.mean(),
        "tone": tone_distance(output, content).mean(),
        "grain": grain_distance(output, style).mean(),
        "range": (F.relu(output - 1) + F.relu(-output)).mean(),
        "tv": output.diff(dim=2).abs().mean() + output.diff(dim=3).abs().mean(),
    }


def moved(images: Tensor, step: int) -> Tensor:
    """Images (B, 3, H, W) moved by a pixel to the left, upwards, both or not, by turns; the last column or row stays.

    Features of stride 2 see a pattern of period 2 only if its phase changes.
    """
    down, right = step % 2, step // 2 % 2
    return F.pad(images, (0, right, 0, down), mode="replicate")[:, :, down:, right:].contiguous()


def state_file(root: Path, network: nn.Module, features: nn.Module, pairs: PairsByChance, recipe: Recipe) -> StateFile:
    """Where the state of a training from these weights lies below `root`: another recipe, seed or image has its own."""
    decides = {
        "stage": "practice",
        "network": _hash_of(value.numpy() for value in network.state_dict().values()),
        "features": _hash_of(value.numpy() for value in features.state_dict().values()),
        "recipe": asdict(recipe),
        "seed": pairs.seed,
        "recolored": pairs.recolored,
        "images": {
            role: [[_hash_of(group.images), group.share, group.zoom] for group in groups]
            for role, groups in (("contents", pairs.contents), ("styles", pairs.styles))
        },
        "code": fingerprint_modules(MODULES),
    }
    return StateFile(root, decides)


def _hash_of(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}\n".encode() + array.tobytes())
    return digest.hexdigest()


@dataclass
class Practice:
    """A network in perceptual training, its moving average, and how far it has come.

    features: `perceptual.features`. state: of `state_file`.
    """

    network: nn.Module
    features: nn.Module
    pairs: PairsByChance
    recipe: Recipe
    state: StateFile
    step: int = 0
    rows: list[Row] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.eval()
        self.parameters = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.Adam(self.parameters.values(), betas=(0.9, 0.99))
        if saved := self.state.load():
            self._restore(saved)
        else:
            self._measure_styles()
            self.average = start_average(self.parameters)

    def run(self) -> Iterator[int]:
        """Train to the last step; yields the step after each save. Raises UserError where a gradient is not finite."""
        meter = Meter(unit="step", total=self.recipe.steps - self.step, label="practice")
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self.pairs.batch, self.step, *self.recipe.size(self.step))
            while self.step < self.recipe.steps:
                content, style = coming.result()
                coming = reader.submit(self.pairs.batch, self.step + 1, *self.recipe.size(self.step + 1))
                meter.advance(note=f"texture {self._advance(content, style):.3f}")
                if self.step % SAVE_STEPS == 0 or self.step == self.recipe.steps:
                    self.state.save(self._snapshot())
                    yield self.step
        meter.close()

    def use_average(self) -> None:
        """Put the moving average in place of the weights."""
        use_average(self.average, self.parameters)

    def _advance(self, content: Tensor, style: Tensor) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        output = denormalize(self.network(normalize(content), normalize(style)))
        images = (moved(images, self.step) for images in (output, content, style))
        values = terms(*images, self.features, torch.Generator().manual_seed(self.step))
        loss = sum(weight * values[name] for name, weight in asdict(self.recipe.weights).items())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.recipe.clip))
        if not math.isfinite(norm):
            raise UserError(f"practice: the gradient of step {self.step} is not finite. Lower the learning rate.")
        self.optimizer.step()
        self.step += 1
        follow(self.average, self.parameters, min(self.recipe.ema, 1 - 1 / (self.step + 1)))
        self._note({name: float(value.detach()) for name, value in values.items()} | {"gradient_norm": norm})
        return float(values["texture"].detach())

    def _note(self, values: dict[str, float]) -> None:
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in values.items()}
        if self.step % ROW_STEPS == 0:
            means = {name: total / ROW_STEPS for name, total in self.sums.items()}
            self.rows.append({"step": self.step, "rate": self.recipe.rate(self.step - 1), **means})
            self.sums = {}

    @torch.no_grad()
    def _measure_styles(self) -> None:
        """Give style encoders the mean and spread of the statistics of styles, so that their inputs are of one size."""
        for encoder in (module for module in self.network.modules() if isinstance(module, StyleEncoder)):
            batches = (self.pairs.batch(10**6 + number, 16, 128)[1] for number in range(MEASURED_BATCHES))
            statistics = torch.cat([encoder.statistics(styles) for styles in batches])
            encoder.mean.copy_(statistics.mean(0))
            encoder.scale.copy_(1 / (statistics.std(0) + 1e-3))

    def _snapshot(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "rows": self.rows,
            "sums": self.sums,
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["network"])
        self.average = saved["average"]
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.rows, self.sums = saved["step"], saved["rows"], saved["sums"]
