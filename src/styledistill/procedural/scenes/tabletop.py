"""Things that stand on a table: fruit, pots, bowls and cups."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .light import Light
from .paints import GLAZES, Rng, ball, blend_rows, cylinder, palette, pick, rgb, vary
from .shapes import box, disc, smooth, symmetric

FRUITS = palette("cf3b2f e0902f d9c23a 8fae3f b8432f 6a2f55 e6b04a")
# Profiles of a vase, a bottle, a jar and a jug, from mouth to foot: (half width, height) in units of the radius.
POTS = (
    [(0.45, 2.9), (0.36, 2.6), (0.5, 2.2), (1.0, 1.5), (0.95, 0.7), (0.6, 0.0)],
    [(0.22, 3.6), (0.22, 2.5), (0.3, 2.2), (0.75, 1.7), (0.75, 0.3), (0.7, 0.0)],
    [(0.8, 2.2), (0.7, 2.0), (0.95, 1.2), (0.9, 0.4), (0.7, 0.0)],
    [(0.6, 2.6), (0.62, 2.0), (0.8, 1.2), (0.85, 0.5), (0.8, 0.0)],
)


def cast(canvas: Canvas, light: Light, x: float, y: float, r: float) -> None:
    """Contact shadow and longer cast shadow of a thing of radius `r` standing on a table at (x, y)."""
    tone = light.shade * rgb("4a3a38")
    canvas.soft(disc(x - light.side * r * 0.9, y - r * 0.02, r * 1.5, r * 0.3), tone, 0.45, max(0.01, r * 0.16))
    canvas.soft(disc(x - light.side * r * 0.1, y, r * 0.85, r * 0.16), tone, 0.6, 0.008)


def fruit(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """An apple-, orange- or plum-like fruit resting at (x, y)."""
    color = vary(rng, pick(rng, FRUITS))
    cast(canvas, light, x, y, r)
    wide = r * rng.uniform(0.96, 1.08)
    profile = [(0.35, 1.82), (0.8, 1.95), (1.15, 1.25), (0.98, 0.45), (0.5, -0.02)]
    body = smooth(symmetric(x, [(wide * half, y - r * up) for half, up in profile]))
    canvas.polygon(body, ball(color, light.side))
    canvas.soft(disc(x, y - r * 1.72, r * 0.22, r * 0.09), color * 0.4, 0.7, r * 0.06)
    canvas.line([(x, y - r * 1.7), (x + r * 0.12, y - r * 2.1)], rgb("5a4028"), r * 0.08)
    if rng.random() < 0.4:
        leaf = np.array([x, y]) + r * np.array([(0.1, -2.0), (0.4, -2.35), (0.85, -2.2), (0.5, -1.95)])
        canvas.polygon(smooth(leaf, 2), blend_rows(rgb("8ab04e"), rgb("4f7a38")))


def pot(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> float:
    """A vase, jug or bottle of radius `r` standing at (x, y); returns the height of its mouth."""
    profile = pick(rng, POTS)
    color = vary(rng, pick(rng, GLAZES))
    cast(canvas, light, x, y, r)
    outline = symmetric(x, [(half * r, y - up * r) for half, up in profile])
    # The doubled end points keep the mouth and the foot wide where the corners are cut.
    rounded = smooth(np.concatenate([outline[:1], outline, outline[-1:]]), 2)
    canvas.polygon(rounded, cylinder(light.lit(color, 0.95), light.side))
    if rng.random() < 0.4:
        band = cylinder(light.lit(vary(rng, pick(rng, GLAZES)), 0.95), light.side)
        canvas.polygon(box(x - 0.74 * r, y - 1.1 * r, x + 0.74 * r, y - 0.8 * r), band)
    top, mouth = y - profile[0][1] * r, profile[0][0] * r
    canvas.polygon(disc(x, top + mouth * 0.1, mouth * 0.92, mouth * 0.24), color * 0.35)
    return top


def bowl(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """A bowl heaped with fruit."""
    cast(canvas, light, x, y, r * 1.2)
    for dx, dy in ((-0.62, 1.0), (0.0, 1.1), (0.62, 1.0), (-0.32, 1.35), (0.34, 1.35)):
        color = vary(rng, pick(rng, FRUITS))
        canvas.polygon(disc(x + dx * r, y - dy * r, r * 0.42), ball(color, light.side))
    glaze = light.lit(vary(rng, pick(rng, GLAZES)), 0.95)
    rim, foot = [(r * 1.32, y - r * 0.98), (r * 1.3, y - r * 0.93)], [(r * 0.4, y - r * 0.02), (r * 0.38, y)]
    angle = np.linspace(0.1, 1.15, 8)
    belly = [(r * 1.3 * np.cos(a), y - r * 0.98 + r * 1.05 * np.sin(a)) for a in angle]
    dish = symmetric(x, [*rim, *belly, *foot])
    canvas.polygon(dish, cylinder(glaze, light.side))


def cup(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """A cup with a handle and something dark in it."""
    glaze = light.lit(vary(rng, pick(rng, GLAZES)), 0.95)
    cast(canvas, light, x, y, r)
    handle = disc(x + r * 0.95, y - r * 0.85, r * 0.42, r * 0.4)
    canvas.line(np.concatenate([handle, handle[:2]]), glaze * 0.75, r * 0.16)
    side = [(r, y - r * 1.75), (r, y - r * 1.3), (r * 0.95, y - r * 0.35), (r * 0.7, y)]
    canvas.polygon(smooth(symmetric(x, side)), cylinder(glaze, light.side))
    canvas.polygon(disc(x, y - r * 1.5, r * 0.97, r * 0.24), np.clip(glaze * 1.1, 0, 1))
    canvas.polygon(disc(x, y - r * 1.46, r * 0.86, r * 0.18), rgb("4a2f22"))
