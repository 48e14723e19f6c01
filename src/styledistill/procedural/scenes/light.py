"""The hour and weather of an image: its sky, the tints of lit and shaded sides, its haze and its shadows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .canvas import Canvas
from .paints import Array, Rng, blend_columns, mix, rgb, vary
from .shapes import disc


@dataclass(frozen=True)
class Light:
    """The hour and weather of an image: sky colors, the tint of lit and of shaded sides, where light comes from."""

    zenith: Array
    horizon: Array
    sun: Array
    shade: Array
    side: float  # -1: from the left, 1: from the right
    night: bool

    def lit(self, color: Array, amount: float) -> Array:
        """`color` as seen with `amount` (0 shaded, 1 fully lit) of this light on it."""
        return np.clip(color * mix(self.shade, self.sun, amount), 0, 1)

    def far(self, color: Array, distance: float) -> Array:
        """`color` behind haze: 0 near, 1 lost in the sky."""
        return mix(color, mix(self.horizon, self.zenith, 0.25), distance)

    def sides(self, color: Array) -> Array:
        """Grid of an upright thing in `color`, brighter on the side of the light."""
        ends = [self.lit(color, 0.25), self.lit(color, 0.7), self.lit(color, 1.0)]
        return blend_columns(*ends[:: int(self.side)])


class Mood(NamedTuple):
    """An hour and weather to choose from."""

    zenith: str
    horizon: str
    sun: tuple[float, float, float]  # tint of the lit side
    shade: tuple[float, float, float]  # tint of the shaded side
    weight: int  # relative frequency
    night: bool = False

    def light(self, side: float) -> Light:
        """This mood exactly, with light from `side` (-1 left, 1 right)."""
        return Light(rgb(self.zenith), rgb(self.horizon), np.array(self.sun), np.array(self.shade), side, self.night)


PLAIN_DAY = Mood("74b0e2", "f0f3ea", (1.06, 1.03, 0.96), (0.58, 0.63, 0.72), 4)
MOODS = (
    Mood("3f86cf", "cfe6f3", (1.08, 1.04, 0.94), (0.55, 0.61, 0.74), 5),
    PLAIN_DAY,
    Mood("9fb0bd", "e3e6e4", (0.96, 0.97, 0.98), (0.64, 0.67, 0.72), 2),
    Mood("6aa2c9", "fce3ab", (1.12, 0.98, 0.76), (0.52, 0.52, 0.62), 3),
    Mood("46539a", "f8b078", (1.12, 0.80, 0.58), (0.44, 0.40, 0.55), 3),
    Mood("7c88c8", "f8cfc2", (1.06, 0.90, 0.85), (0.52, 0.50, 0.65), 3),
    Mood("51606f", "bfc6c2", (0.88, 0.90, 0.92), (0.50, 0.54, 0.60), 1),
    Mood("0c1538", "3f5592", (0.56, 0.63, 0.88), (0.22, 0.26, 0.44), 2, night=True),
)


def choose_light(rng: Rng) -> Light:
    """A random hour and weather, its sky varied a little."""
    odds = np.array([mood.weight for mood in MOODS], float)
    mood = MOODS[int(rng.choice(len(MOODS), p=odds / odds.sum()))]
    plain = mood.light(side=float(rng.choice([-1.0, 1.0])))
    return replace(plain, zenith=vary(rng, plain.zenith), horizon=vary(rng, plain.horizon, 0.03))


def shadow(canvas: Canvas, light: Light, x: float, y: float, w: float, strength: float = 0.4) -> None:
    """Soft shadow of a thing of half width `w` standing at (x, y), falling away from the light."""
    canvas.soft(disc(x - light.side * w * 0.6, y, w * 1.3, w * 0.28), light.shade * 0.3, strength, max(0.006, w * 0.12))
