"""Smooth random fields over the unit square. All draws are independent of the resolution they are shown at."""

from __future__ import annotations

import numpy as np
from PIL import Image

FLOW_CELLS = 64


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centers x (1, side) and y (side, 1), float32 in (0, 1)."""
    centers = (np.arange(side, dtype=np.float32) + 0.5) / side
    return centers[None, :], centers[:, None]


def enlarge(field: np.ndarray, side: int) -> np.ndarray:
    """(h, w) or (h, w, c) float -> (side, side[, c]) float32, smoothly interpolated."""
    if field.ndim == 3:
        return np.stack([enlarge(channel, side) for channel in np.moveaxis(field, -1, 0)], axis=-1)
    return np.asarray(Image.fromarray(field.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))


def noise(rng: np.random.Generator, side: int, cells: float) -> np.ndarray:
    """(side, side) float32: smooth noise, mean 0 and spread about 1, with `cells` features across the image."""
    lattice = rng.standard_normal((int(cells) + 4, int(cells) + 4)).astype(np.float32)
    window = (1.5, 1.5, 1.5 + cells, 1.5 + cells)
    image = Image.fromarray(lattice).resize((side, side), Image.Resampling.BICUBIC, box=window)
    return np.asarray(image) * 1.5


def curve(rng: np.random.Generator, waves: int, length: int = 2048) -> np.ndarray:
    """(length,) float32: a smooth curve of at most `waves` waves, mean 0, about within [-1, 1]."""
    along = np.linspace(0.0, 2 * np.pi, length)
    total = np.zeros(length)
    for count in range(1, waves + 1):
        total += np.sin(count * along + rng.uniform(0, 2 * np.pi)) * rng.uniform(0.4, 1.0) / count**0.7
    return (total / max(1.0, float(np.abs(total).max()))).astype(np.float32)


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, an S-curve between; the shape of `value`."""
    part = np.clip((value - low) / (high - low), 0.0, 1.0)
    return part * part * (3.0 - 2.0 * part)


def sample(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (..., c) of a field (h, w, c) nearest to points (..., 2), (x, y) in or near the unit square."""
    height, width = field.shape[:2]
    columns = np.clip((points[..., 0] * width).astype(int), 0, width - 1)
    rows = np.clip((points[..., 1] * height).astype(int), 0, height - 1)
    return field[rows, columns]


def jittered(rng: np.random.Generator, across: int, jitter: float = 0.9, margin: float = 0.04) -> np.ndarray:
    """(across * across, 2) points in shuffled order that cover the image and `margin` around it evenly."""
    cells = np.stack(np.meshgrid(np.arange(across), np.arange(across)), axis=-1).reshape(-1, 2)
    points = (cells + 0.5 + rng.uniform(-0.5, 0.5, cells.shape) * jitter) / across
    return rng.permutation(points * (1 + 2 * margin) - margin)


def flow(rng: np.random.Generator) -> np.ndarray:
    """(FLOW_CELLS, FLOW_CELLS, 2) unit vectors: a bent main direction, in half of the images with vortices."""
    angle = rng.uniform(0, np.pi) + noise(rng, FLOW_CELLS, rng.uniform(1.2, 2.5)) * rng.uniform(0.3, 0.9)
    field = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    x, y = grid(FLOW_CELLS)
    for _ in range(int(rng.integers(0, 4))):
        dx, dy = x - rng.uniform(0.1, 0.9), y - rng.uniform(0.1, 0.9)
        reach = np.hypot(dx, dy) + 1e-3
        strength = np.exp(-((reach / rng.uniform(0.2, 0.35)) ** 2)) * rng.choice([-3.0, 3.0]) / reach
        field = field + np.stack([-dy * strength, dx * strength], axis=-1)
    return field / (np.linalg.norm(field, axis=-1, keepdims=True) + 1e-6)


def along(field: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """The flow (n, n, 2) turned along the outlines of `tone` (n, n), as a painter follows shapes."""
    down, across = np.gradient(tone * tone.shape[0] / 12.0)
    edge = np.stack([-down, across], axis=-1)
    # An outline has no sense of direction: take the one that agrees with the flow.
    edge *= np.where((edge * field).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    turned = field * 0.35 + edge * 2.0
    return turned / (np.linalg.norm(turned, axis=-1, keepdims=True) + 1e-6)


def trace(field: np.ndarray, middles: np.ndarray, lengths: np.ndarray, steps: int) -> np.ndarray:
    """Stream lines (n, 2 * steps + 1, 2) of `lengths` (n,) through `middles` (n, 2)."""
    stride = (lengths / (2 * steps))[:, None]
    line = [middles]
    for sense in (-1.0, 1.0):
        point, heading = middles, sample(field, middles) * sense
        for _ in range(steps):
            step = sample(field, point) * sense
            # Smoothing the heading keeps a broad stroke from folding over itself in a tight vortex.
            heading = heading * 0.5 + step * 0.5
            point = point + heading * stride
            line = [point, *line] if sense < 0 else [*line, point]
    return np.stack(line, axis=1)
