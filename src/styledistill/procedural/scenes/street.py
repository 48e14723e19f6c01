"""The composition of a city street in one-point perspective."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .buildings import GLOW, window_grid
from .canvas import Canvas
from .land import sky
from .light import Light
from .paints import COATS, LEAVES, WALLS, Array, Rng, blend_rows, mix, pick, rgb, vary
from .people import car, person
from .plants import leafy_tree

FAR_END = 12.0  # depth at which the street is closed by a house


@dataclass(frozen=True)
class Street:
    """The perspective of a street: where it vanishes in the image."""

    x: float
    y: float

    def at(self, side: float, z: Array | float, height: Array | float) -> Array:
        """Image points of the wall plane on `side` (in street half widths) at depths z and heights above ground."""
        z, height = np.broadcast_arrays(np.asarray(z, float), np.asarray(height, float))
        return np.stack([self.x + 0.62 * side / z, self.y + (0.3 - height) / z], -1)

    def strip(self, half: float, near: float, far: float) -> Array:
        """Outline (4, 2) of a strip of ground, `half` street half widths to both sides, between two depths."""
        return np.concatenate([self.at(-half, [near, far], 0.0), self.at(half, [far, near], 0.0)])

    def band(self, side: float, near: float, far: float, low: float, high: float) -> Array:
        """Outline (4, 2) of a part of the wall on `side` between two depths and two heights."""
        return self.at(side, [near, far, far, near], [low, low, high, high])


def street(canvas: Canvas, rng: Rng, light: Light) -> None:
    """A city street with its houses, trees, cars and people."""
    way = Street(rng.uniform(0.38, 0.62), rng.uniform(0.5, 0.6))
    sky(canvas, rng, light, way.y)
    roadway(canvas, light, way)
    end = light.far(light.lit(pick(rng, WALLS), 0.6), 0.5)
    left, right = way.at(-1.0, FAR_END, [0.0, 1.5]), way.at(1.0, FAR_END, [2.2, 0.0])
    canvas.polygon(np.concatenate([left, right]), end)
    for side in (-1.0, 1.0):
        house_row(canvas, rng, light, way, side)
    street_life(canvas, rng, light, way)


def roadway(canvas: Canvas, light: Light, way: Street) -> None:
    """Pavements, asphalt and the dashes in the middle of the road."""
    pavement, asphalt = light.lit(rgb("b9b2a6"), 0.9), light.lit(rgb("74757c"), 0.8)
    for half, tone in ((1.0, pavement), (0.62, asphalt)):
        canvas.polygon(way.strip(half, 0.4, FAR_END), blend_rows(light.far(tone, 0.35), tone, tone * 0.85))
    for z in (0.62, 0.9, 1.3, 1.9, 2.8, 4.2):
        canvas.polygon(way.strip(0.02, z, z * 1.2), light.lit(rgb("eee6cf"), 0.9))


def house_row(canvas: Canvas, rng: Rng, light: Light, way: Street, side: float) -> None:
    """The row of house fronts on one side of a street, far ones first."""
    edges = np.array([0.55, 0.95, 1.45, 2.1, 3.0, 4.4, 7.0, FAR_END]) * rng.uniform(0.9, 1.1)
    for near, far in reversed(list(pairwise(edges))):
        row_house(canvas, rng, light, way, side, near, far)


def row_house(canvas: Canvas, rng: Rng, light: Light, way: Street, side: float, near: float, far: float) -> None:
    """One house front between two depths: wall, cornice, shop and windows."""
    amount = 0.95 if side != light.side else 0.4
    height, haze = rng.uniform(1.0, 2.1), 0.5 * min(near / 8, 1)
    wall = light.far(light.lit(vary(rng, pick(rng, WALLS)), amount), haze)
    # Where a house overtops its neighbor, its gable wall shows, square to the street.
    gable = np.concatenate([way.at(side, near, [0.0, height]), way.at(side * 2.4, near, [height, 0.0])])
    canvas.polygon(gable, wall * 0.82)
    canvas.polygon(way.band(side, near, far, 0.0, height), wall)
    canvas.polygon(way.band(side, near, far, height - 0.04, height + 0.03), wall * 0.75)
    canvas.polygon(way.band(side, near, far, 0.0, 0.27), wall * 0.6)
    glass = GLOW * 0.95 if light.sun[2] < 0.9 else mix(wall, light.zenith, 0.5) * 0.75
    for left, right in ((0.08, 0.42), (0.58, 0.92)):
        pane = way.band(side, far + (near - far) * left, far + (near - far) * right, 0.04, 0.22)
        canvas.polygon(pane, light.far(glass, haze))
    awning = light.far(light.lit(vary(rng, pick(rng, COATS)), amount), haze)
    canvas.polygon(way.band(side, near, far, 0.24, 0.32), awning)

    def on_wall(points: Array) -> Array:
        # Equal steps along the wall are equal steps in depth, not in the image.
        return way.at(side, far + (near - far) * points[:, 0], height * (0.94 - 0.72 * points[:, 1]))

    window_grid(canvas, rng, light, on_wall, round(height / 0.35), 3)


def street_life(canvas: Canvas, rng: Rng, light: Light, way: Street) -> None:
    """Trees, cars and people of a street, far ones first."""
    greenery = rng.random() < 0.6
    for z in np.sort(rng.uniform(0.75, 4.0, int(rng.integers(4, 9))))[::-1]:
        side = float(rng.choice([-1.0, 1.0]))
        kind = rng.random()
        if kind < 0.3 and greenery:
            x, y = way.at(side * 0.78, z, 0.0)
            leafy_tree(canvas, rng, light, x, y, 0.75 / z, vary(rng, pick(rng, LEAVES)))
        elif kind < 0.55:
            x, y = way.at(side * 0.32, max(z, 1.1), 0.0)
            car(canvas, rng, light, x, y, 0.15 / max(z, 1.1))
        else:
            x, y = way.at(side * rng.uniform(0.68, 0.9), z, 0.0)
            person(canvas, rng, light, x, y, 0.28 / z)
