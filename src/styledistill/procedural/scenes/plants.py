"""Trees, bushes and flowers."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .light import Light, shadow
from .paints import LEAVES, Array, Rng, ball, mix, mottled, palette, pick, rgb, vary
from .shapes import disc, smooth, symmetric

AUTUMN = palette("c9803a b65c33 d3a040 a8493a")


def tree(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, height: float) -> None:
    """One tree of a random kind with its foot at (x, y)."""
    shadow(canvas, light, x, y, height * 0.3)
    color = vary(rng, pick(rng, AUTUMN if rng.random() < 0.15 else LEAVES))
    kind = pick(rng, [leafy_tree, leafy_tree, pine, poplar])
    kind(canvas, rng, light, x, y, height, color)


def trunk(canvas: Canvas, light: Light, x: float, y: float, height: float, half: float) -> None:
    """A tapering trunk."""
    canvas.polygon(
        symmetric(x, [(half * 0.6, y - height), (half * 0.8, y - height * 0.3), (half * 1.4, y)]),
        light.sides(rgb("7a5a43")),
    )


def leafy_tree(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, height: float, color: Array) -> None:
    """A broad crown of leaf clumps: dark ones first, then brighter ones toward the light."""
    trunk(canvas, light, x, y, height * 0.55, height * 0.035)
    cx, cy, r = x, y - height * 0.66, height * 0.34
    for layer, amount in enumerate((0.12, 0.42, 0.7, 1.0)):
        spread = 0.72 - 0.12 * layer
        for _ in range(9 - layer):
            angle, far = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random()) * spread * r
            px = cx + far * np.cos(angle) + light.side * r * 0.11 * layer
            py = cy + far * np.sin(angle) * 0.85 - r * 0.11 * layer
            clump = r * rng.uniform(0.3, 0.48) * (1 - 0.16 * layer)
            canvas.polygon(disc(px, py, clump, clump * 0.85), light.lit(vary(rng, color, 0.05), amount))


def pine(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, height: float, color: Array) -> None:
    """A conifer of overlapping tiers, each darker underneath."""
    trunk(canvas, light, x, y, height * 0.3, height * 0.025)
    green = mix(color, rgb("2f5a48"), 0.6)
    for i in range(5):
        top, half = y - height * (0.32 + 0.14 * i + 0.1), height * (0.25 - 0.04 * i)
        low = top + height * 0.24
        # The middle of the hem hangs lower than the notches beside it.
        hem = [(half, low), (half * 0.4, low - 0.02 * height), (0, low + 0.015 * height)]
        canvas.polygon(symmetric(x, [(0, top - height * 0.1), *hem]), light.sides(green * (0.8 + 0.08 * i)))


def poplar(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, height: float, color: Array) -> None:
    """A slender flame-shaped tree."""
    trunk(canvas, light, x, y, height * 0.3, height * 0.02)
    half = height * rng.uniform(0.1, 0.14)
    profile = [(0.1, 1.0), (0.8, 0.7), (1.15, 0.4), (0.5, 0.1)]
    crown = smooth(symmetric(x, [(half * wide, y - height * up) for wide, up in profile]))
    canvas.polygon(crown, mottled(rng, light.sides(color), 0.14, 9, 4))


def palm(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, height: float) -> None:
    """A leaning palm with drooping fronds."""
    shadow(canvas, light, x, y, height * 0.22)
    t = np.linspace(0, 1, 12)
    stem = np.stack([x + rng.uniform(-0.2, 0.2) * height * t**2, y - height * t], -1)
    half = (height * 0.028 * (1.2 - 0.6 * t))[:, None] * np.array([1, 0])
    canvas.polygon(np.concatenate([stem - half, (stem + half)[::-1]]), light.sides(rgb("94734f")))
    for i, angle in enumerate(np.linspace(-0.5, np.pi + 0.5, 9) + rng.uniform(-0.12, 0.12, 9)):
        reach = height * rng.uniform(0.3, 0.42)
        out = stem[-1] + reach * np.array([np.cos(angle), -np.sin(angle) * 0.6 + 0.15])
        lift = (stem[-1] + out) / 2 - (0, reach * 0.32)
        drop = (stem[-1] + out) / 2 - (0, reach * 0.1)
        leaf = light.lit(rgb("4d8a45"), 0.35 + 0.6 * (i % 2))
        canvas.polygon(smooth([stem[-1], lift, out, drop], 2), leaf)


def bush(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, w: float) -> None:
    """A low round shrub, sometimes in flower."""
    color = vary(rng, pick(rng, LEAVES))
    shadow(canvas, light, x, y, w)
    for _ in range(5):
        r = w * rng.uniform(0.4, 0.6)
        px = x + w * rng.uniform(-0.6, 0.6)
        canvas.polygon(disc(px, y - r * 0.7, r, r * 0.8), ball(light.lit(color, 0.9), light.side, 0.0))
    if rng.random() < 0.4:
        bloom = light.lit(rgb(pick(rng, ["e4576b", "f2c14e", "f4f0ea", "b26bc4"])), 0.95)
        for px, py in rng.uniform(-1, 1, (9, 2)):
            canvas.polygon(disc(x + px * w * 0.8, y - w * 0.45 + py * w * 0.35, w * 0.09), bloom)


def blossom(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """A flower seen from the front: two rings of petals about a heart."""
    petal = vary(rng, rgb(pick(rng, ["e86a7c", "f3c843", "f6efe6", "b57acb", "ea8f45", "7fa3df", "d9434a"])))
    count, start = int(rng.integers(6, 12)), rng.uniform(0, 1)
    for ring, (reach, amount) in enumerate(((1.0, 0.62), (0.72, 1.0))):
        long, wide = r * reach * 0.46, r * reach * 1.5 / count + r * 0.06
        for k in range(count):
            a = start + 2 * np.pi * (k + ring * 0.5) / count
            tone = light.lit(petal, amount) * (1 + 0.1 * light.side * np.cos(a) - 0.08 * np.sin(a))
            middle = (x + np.cos(a) * r * reach * 0.58, y + np.sin(a) * r * reach * 0.58)
            canvas.polygon(disc(*middle, long, wide, a), tone)
    heart = rgb(pick(rng, ["e0a92f", "6b4527", "f0d060"]))
    canvas.polygon(disc(x, y, r * 0.27), ball(light.lit(heart, 1.0), light.side, 0.1))


def bouquet(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """Flowers standing in a vase whose mouth is at (x, y)."""
    tips = np.stack([x + r * rng.uniform(-1.5, 1.5, 8), y - r * rng.uniform(0.7, 2.3, 8)], -1)
    for tip in tips:
        bend = (mix(x, tip[0], 0.4), mix(y, tip[1], 0.6))
        canvas.line([(x, y + r * 0.1), bend, tip], light.lit(rgb("55803f"), 0.7), r * 0.06)
    for tip in tips[:4]:
        leaf = disc(tip[0] * 0.6 + x * 0.4, tip[1] * 0.6 + y * 0.4, r * 0.45, r * 0.16, rng.uniform(-1, 1))
        canvas.polygon(leaf, light.lit(rgb("5f8f4a"), 0.8))
    for tip in tips:
        blossom(canvas, rng, light, tip[0], tip[1], r * rng.uniform(0.32, 0.48))
