"""Compositions in the open: landscape, lake, coast and skyline."""

from __future__ import annotations

import numpy as np

from .buildings import house, tower
from .canvas import Canvas
from .land import meadows, mountains, path, sky, water
from .light import Light
from .paints import GREENS, Rng, ground_paint, pick, rgb, vary
from .people import balloon, fence, parasol, person, sailboat
from .plants import bush, palm, tree
from .shapes import box, ridge


def landscape(canvas: Canvas, rng: Rng, light: Light) -> None:
    """Hills, fields, trees, perhaps a village, a path, a lake, a fence, balloons, walkers."""
    horizon = rng.uniform(0.38, 0.62)
    sky(canvas, rng, light, horizon)
    if rng.random() < 0.8:
        mountains(canvas, rng, light, horizon)
    for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.2 else 0):
        balloon(canvas, rng, light, rng.uniform(0.15, 0.85), horizon * rng.uniform(0.25, 0.5), rng.uniform(0.03, 0.09))
    meadows(canvas, rng, light, horizon)
    if rng.random() < 0.55:
        path(canvas, rng, light, horizon)
    scatter(canvas, rng, light, horizon)
    if rng.random() < 0.25:
        fence(canvas, rng, light, rng.uniform(0.86, 0.96))


def scatter(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """Trees, houses, bushes and people on the land, far ones first, all sized by their distance."""
    kinds = [tree] * int(rng.integers(3, 9)) + [house] * int(rng.integers(0, 4)) + [bush] * int(rng.integers(0, 4))
    kinds += [person] * int(rng.integers(0, 3))
    scale = {tree: 0.62, house: 0.4, bush: 0.12, person: 0.3}
    depths = np.sort(rng.uniform(0.06, 0.75, len(kinds)))
    for depth, index in zip(depths, rng.permutation(len(kinds)), strict=True):
        kind = kinds[index]
        y = horizon + 0.03 + (1 - horizon) * depth
        # The middle is left freer than the sides, so that there is a view.
        x = 0.5 + float(rng.choice([-1.0, 1.0])) * rng.uniform(0.1, 0.5)
        kind(canvas, rng, light, x, y, scale[kind] * (0.12 + depth) * rng.uniform(0.8, 1.15))


def lake(canvas: Canvas, rng: Rng, light: Light) -> None:
    """Still water mirroring mountains and a far shore with trees, perhaps with boats and a near bank."""
    horizon = rng.uniform(0.42, 0.58)
    sky(canvas, rng, light, horizon)
    mountains(canvas, rng, light, horizon)
    shore = light.far(light.lit(vary(rng, pick(rng, GREENS)), 0.7), 0.25)
    canvas.polygon(ridge(rng, horizon + 0.01, 0.04, 3, False), shore)
    for x in np.sort(rng.uniform(0, 1, int(rng.integers(4, 12)))):
        tree(canvas, rng, light, x, horizon + 0.012, rng.uniform(0.08, 0.2))
    if rng.random() < 0.5:
        house(canvas, rng, light, rng.uniform(0.2, 0.8), horizon + 0.014, rng.uniform(0.05, 0.09))
    water(canvas, rng, light, horizon + 0.015)
    for _ in range(int(rng.integers(0, 3))):
        depth = rng.uniform(0.1, 0.6)
        sailboat(canvas, rng, light, rng.uniform(0.15, 0.85), horizon + (1 - horizon) * depth, 0.03 + 0.1 * depth)
    if rng.random() < 0.5:
        bank = ridge(rng, 1.0, 0.16, 2, False)
        canvas.polygon(bank, ground_paint(rng, light.lit(GREENS[0], 0.9), light.lit(GREENS[2], 0.4)))
        tree(canvas, rng, light, 0.5 - light.side * rng.uniform(0.25, 0.42), 0.97, rng.uniform(0.45, 0.75))


def coast(canvas: Canvas, rng: Rng, light: Light) -> None:
    """Sea, waves and sand, with boats, palms, parasols and bathers."""
    horizon, beach = rng.uniform(0.36, 0.5), rng.uniform(0.66, 0.8)
    sky(canvas, rng, light, horizon)
    if rng.random() < 0.5:
        mountains(canvas, rng, light, horizon)
    water(canvas, rng, light, horizon)
    shallow = light.lit(rgb("5fb3b3"), 0.8)
    canvas.soft(box(-0.1, beach - 0.12, 1.1, 1.1), shallow, 0.75, 0.06)
    for _ in range(int(rng.integers(1, 4))):
        depth = rng.uniform(0.05, 0.5)
        sailboat(canvas, rng, light, rng.uniform(0.1, 0.9), horizon + (beach - horizon) * depth, 0.02 + 0.09 * depth)
    sand = light.lit(rgb("e8d2a2"), 1.0)
    shoreline = ridge(rng, beach + 0.06, 0.1, 2, False)
    canvas.polygon(shoreline - (0, 0.014), light.lit(rgb("ffffff"), 0.85))
    canvas.polygon(shoreline, ground_paint(rng, sand * 0.84, sand, 0.06))
    beach_life(canvas, rng, light, beach + 0.07)


def beach_life(canvas: Canvas, rng: Rng, light: Light, top: float) -> None:
    """What stands on the sand below `top`, far things first."""
    for y in np.sort(rng.uniform(top, 0.97, int(rng.integers(1, 5)))):
        x, size = rng.uniform(0.08, 0.92), 0.1 + (y - top) * 0.6
        (person if rng.random() < 0.6 else parasol)(canvas, rng, light, x, y, size)
    if rng.random() < 0.5:
        palm(canvas, rng, light, 0.5 - light.side * rng.uniform(0.2, 0.42), 0.95, rng.uniform(0.5, 0.75))


def skyline(canvas: Canvas, rng: Rng, light: Light) -> None:
    """City towers behind one another over a river or a park."""
    base = rng.uniform(0.6, 0.74)
    sky(canvas, rng, light, base)
    for row, haze in enumerate((0.6, 0.3, 0.05)):
        x = rng.uniform(-0.1, 0)
        while x < 1:
            w = rng.uniform(0.09, 0.2)
            top = base - rng.uniform(0.12, 0.42) * (1.15 - 0.3 * row)
            tower(canvas, rng, light, np.array([x, top, x + w, base]), haze)
            x += w + (rng.uniform(0, 0.08) if row < 2 else rng.uniform(0, 0.25))
    if rng.random() < 0.6:
        water(canvas, rng, light, base)
        sailboat(canvas, rng, light, rng.uniform(0.2, 0.8), base + 0.1, 0.05)
    else:
        canvas.polygon(
            box(0, base - 0.005, 1, 1), ground_paint(rng, light.lit(GREENS[0], 1.0), light.lit(GREENS[2], 0.5))
        )
        path(canvas, rng, light, base)
        scatter_park(canvas, rng, light, base)


def scatter_park(canvas: Canvas, rng: Rng, light: Light, top: float) -> None:
    """Trees and walkers of a park whose lawn begins at `top`."""
    for y in np.sort(rng.uniform(top + 0.02, 0.97, 7)):
        depth = (y - top) / (1 - top)
        x = 0.5 + float(rng.choice([-1.0, 1.0])) * rng.uniform(0.12, 0.5)
        if rng.random() < 0.6:
            tree(canvas, rng, light, x, y, 0.14 + 0.35 * depth)
        else:
            person(canvas, rng, light, x, y, 0.08 + 0.16 * depth)
