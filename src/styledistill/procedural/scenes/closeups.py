"""Compositions with one large subject near the viewer: a flower or a thing."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .indoors import indoor_wall
from .light import Light
from .paints import COATS, GREENS, Array, Rng, ball, blend_rows, cylinder, mix, mottled, palette, pick, rgb, vary
from .plants import blossom
from .shapes import box, disc, smooth, symmetric
from .tabletop import bowl, cast, cup, fruit, pot

# Spots of a toadstool in units of its radius: x, height, radius.
SPOTS = (
    (-0.5, 1.6, 0.13),
    (0.1, 1.95, 0.14),
    (0.55, 1.55, 0.12),
    (0.05, 1.42, 0.16),
    (-0.25, 2.05, 0.08),
    (0.8, 1.25, 0.08),
)


def out_of_focus(canvas: Canvas, rng: Rng, light: Light) -> None:
    """A blurred garden or meadow, as behind a close-up."""
    green = light.lit(vary(rng, pick(rng, GREENS)), 0.8)
    canvas.fill(mottled(rng, blend_rows(light.horizon, mix(light.horizon, green, 0.6), green, green * 0.6), 0.3, 4, 4))
    for _ in range(8):
        tone = pick(rng, [light.horizon, green * 1.3, light.sun * 0.9, rgb("e9a0a8")])
        canvas.soft(disc(rng.random(), rng.uniform(0, 0.75), rng.uniform(0.03, 0.08)), tone, 0.35, 0.012)


def big_flower(canvas: Canvas, rng: Rng, light: Light) -> None:
    """One or more large flowers with stems before a blurred garden."""
    out_of_focus(canvas, rng, light)
    count = int(rng.integers(1, 4))
    r = (0.3, 0.22, 0.18)[count - 1]
    leaf = blend_rows(light.lit(rgb("7fae52"), 0.95), light.lit(rgb("4a7a3a"), 0.6))
    for i in range(count):
        x, y = (i + 0.5 + rng.uniform(-0.1, 0.1)) / count, rng.uniform(0.3, 0.5)
        stem = np.array([(x, y), (x + rng.uniform(-0.05, 0.05), 0.75), (x + rng.uniform(-0.08, 0.08), 1.05)])
        canvas.line(stem, light.lit(rgb("4f7f3c"), 0.7), r * 0.1)
        for end in (-1, 1):
            canvas.polygon(disc(x + end * r * 0.55, 0.83, r * 0.6, r * 0.16, -end * 0.5), leaf)
        blossom(canvas, rng, light, x, y, r)


def big_object(canvas: Canvas, rng: Rng, light: Light) -> None:
    """One large thing on a surface before a plain or blurred ground."""
    if rng.random() < 0.5:
        out_of_focus(canvas, rng, light)
    else:
        indoor_wall(canvas, rng, light, 0.75)
    tone = light.lit(vary(rng, pick(rng, palette("b98a5a d9cdb8 8f9f97 6a4530 c9b79c"))), 0.9)
    table = rng.uniform(0.66, 0.76)
    canvas.polygon(box(0, table, 1, 1), mottled(rng, blend_rows(tone * 0.75, tone), 0.07, 10, 2))
    x, y = rng.uniform(0.4, 0.6), rng.uniform(0.84, 0.92)
    kind = pick(rng, [fruit, cup, bowl, pot, mushroom, beach_ball])
    kind(canvas, rng, light, x, y, 0.2 if kind is pot else 0.29)
    if rng.random() < 0.5:
        fruit(canvas, rng, light, x - light.side * 0.3, 0.95, rng.uniform(0.07, 0.1))


def mushroom(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """A toadstool with a spotted cap."""

    def part(*profile: tuple[float, float]) -> Array:
        """Symmetric outline from (half width, height) pairs in units of `r`."""
        return symmetric(x, [(r * half, y - r * up) for half, up in profile])

    cast(canvas, light, x, y, r * 0.6)
    stalk = smooth(part((0.3, 1.3), (0.28, 0.7), (0.45, 0.1), (0.4, 0)), 2)
    canvas.polygon(stalk, cylinder(light.lit(rgb("efe4cf"), 0.9), light.side, 0.0))
    cap = smooth(part((0.35, 2.3), (1.0, 1.9), (1.25, 1.1), (0.5, 1.0)))
    canvas.polygon(cap, ball(light.lit(rgb(pick(rng, ["c8372d", "b5713a", "8f5a3a"])), 1.0), light.side))
    for dx, dy, s in SPOTS:
        tone = light.lit(rgb("f6eee0"), 0.7 + 0.25 * light.side * dx)
        canvas.polygon(disc(x + dx * r, y - dy * r, s * r, s * r * 0.75), tone)


def beach_ball(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """A ball of colored gores, shaded as a sphere."""
    cast(canvas, light, x, y, r)
    colors = [light.lit(vary(rng, pick(rng, COATS)), 1.0), light.lit(rgb("f5f1e8"), 1.0)]
    center, tilt = y - r, rng.uniform(-0.6, 0.6)
    grain = ball(np.ones(3), light.side, 0.0)
    for i, width in enumerate((1.0, 0.72, 0.4, 0.12)):
        gore = disc(x, center, r * width, r, tilt)
        # The sphere's shading spans the whole ball, so cut the part of it that lies behind this gore.
        low, high = (gore.min(0) - (x, center)) / r, (gore.max(0) - (x, center)) / r
        part = grain[slice(*spanned(low[1], high[1])), slice(*spanned(low[0], high[0]))]
        canvas.polygon(gore, part * colors[i % 2])
    canvas.soft(disc(x + light.side * r * 0.36, center - r * 0.42, r * 0.12), np.ones(3), 0.6, r * 0.06)


def spanned(low: float, high: float) -> tuple[int, int]:
    """First and last row of a 40-row grid over [-1, 1] that covers [low, high]."""
    return max(0, int((low + 1) * 20)), min(40, int(np.ceil((high + 1) * 20)))
