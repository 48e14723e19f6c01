"""Outlines of the drawn scenes and faces: points (k, 2) in fractions of the image, x to the right, y down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .paints import Array, Rng


def disc(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> Array:
    """Points (48, 2) of an ellipse about (x, y), turned by `turn` radians."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    u, v = rx * np.cos(angle), (rx if ry is None else ry) * np.sin(angle)
    return np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], -1)


def box(x0: float, y0: float, x1: float, y1: float) -> Array:
    """Points (4, 2) of an upright rectangle."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def block(x: float, y: float, half: float, tall: float) -> Array:
    """Points (4, 2) of an upright rectangle about (x, y), `half` half its width and `tall` half its height."""
    return box(x - half, y - tall, x + half, y + tall)


def arc(x0: float, y: float, bulge: float, x1: float) -> Array:
    """Points (17, 2) of an open arc from (x0, y) to (x1, y) that bulges by `bulge`."""
    t = np.linspace(-1, 1, 17)
    return np.stack([x0 + (x1 - x0) * (t + 1) / 2, y + bulge * (1 - t * t)], -1)


def smooth(points: Sequence[Sequence[float]] | Array, rounds: int = 3) -> Array:
    """Closed outline with its corners cut `rounds` times (Chaikin), which turns a rough polygon into a soft shape."""
    outline = np.asarray(points, float)
    for _ in range(rounds):
        following = np.roll(outline, -1, axis=0)
        outline = np.stack([outline * 0.75 + following * 0.25, outline * 0.25 + following * 0.75], 1).reshape(-1, 2)
    return outline


def symmetric(x: float, profile: Sequence[tuple[float, float]]) -> Array:
    """Outline with a vertical axis at `x` from (half width, y) pairs listed from top to bottom."""
    right = [(x + half, y) for half, y in profile]
    return np.array(right + [(x - half, y) for half, y in reversed(profile)])


def ridge(rng: Rng, y: float, height: float, knots: int, jagged: bool) -> Array:
    """Outline of a range of hills (soft) or mountains (jagged) whose foot reaches below the image."""
    heights = rng.uniform(0, 1, knots + 1)
    at = np.linspace(0, knots, 97)
    if jagged:
        rough = np.interp(at, range(knots + 1), heights)
        rough += np.interp(np.linspace(0, 1, 97), np.linspace(0, 1, 33), rng.uniform(-0.12, 0.12, 33))
    else:
        left = np.floor(at).clip(0, knots - 1).astype(int)
        t = at - left
        rough = heights[left] + (heights[left + 1] - heights[left]) * (t * t * (3 - 2 * t))
    top = np.stack([np.linspace(-0.02, 1.02, 97), y - height * rough], -1)
    return np.concatenate([top, [(1.02, 1.02), (-0.02, 1.02)]])
