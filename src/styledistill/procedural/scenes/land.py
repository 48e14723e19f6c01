"""Sky, mountains, meadows and water: the ground on which outdoor scenes are set."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .light import Light
from .paints import GREENS, Rng, blend_rows, ground_paint, mix, noise, palette, pick, rgb, vary
from .shapes import box, disc, ridge

EARTHS = palette("c9a15f d8c079 b98f5c a8a05a")


def sky(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """Sky down to `horizon`, often plain, sometimes with a sun or moon and clouds."""
    middle = mix(light.zenith, light.horizon, 0.45)
    canvas.polygon(box(0, 0, 1, horizon + 0.02), blend_rows(light.zenith, middle, light.horizon))
    if rng.random() < 0.45 or light.night:
        sun_or_moon(canvas, rng, light, horizon)
    kind = rng.random()
    if kind < 0.25:
        veil_clouds(canvas, rng, light, horizon)
    elif kind < 0.6:
        for _ in range(int(rng.integers(2, 5))):
            heap_cloud(canvas, rng, light, horizon)


def sun_or_moon(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """A glowing disc on the side the light comes from."""
    x, y = 0.5 + light.side * rng.uniform(0.12, 0.38), horizon * rng.uniform(0.2, 0.75)
    color = rgb("eef0e4") if light.night else mix(rgb("fff6d8"), light.sun / light.sun.max(), 0.35)
    r = rng.uniform(0.03, 0.055)
    canvas.soft(disc(x, y, r * 2.6), color, 0.35, r * 1.4)
    canvas.soft(disc(x, y, r * 1.3), color, 0.5, r * 0.5)
    canvas.polygon(disc(x, y, r), color)


def veil_clouds(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """Thin streaks of cloud across the whole sky, fading out at the horizon."""
    fade = np.interp(np.linspace(0, 1, 96), [0, horizon * 0.6, horizon, 1], [0.9, 0.7, 0, 0])[:, None]
    alpha = np.clip(noise(rng, 9, 3) * 1.3 - 0.05, 0, 0.8) * fade
    canvas.overlay(light.lit(rgb("ffffff"), 0.9), alpha)


def heap_cloud(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """A heap of soft puffs, shaded below and bright toward the light."""
    x, y, w = rng.uniform(0, 1), horizon * rng.uniform(0.12, 0.7), rng.uniform(0.08, 0.2)
    puffs = [(x + w * rng.uniform(-1, 1), y - w * rng.uniform(0, 0.25), w * rng.uniform(0.22, 0.45)) for _ in range(7)]
    canvas.soft(disc(x, y + w * 0.08, w * 1.25, w * 0.2), light.lit(rgb("e6ebf2"), 0.55), 0.8, 0.012)
    for shift, amount, opacity in ((0.05, 0.55, 0.7), (-0.03, 1.0, 0.75)):
        for px, py, r in puffs:
            tone = light.lit(rgb("fbfbf9"), amount)
            canvas.soft(disc(px + shift * -w * light.side, py + shift * w, r, r * 0.75), tone, opacity, 0.012)


def mountains(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """Two or three ranges behind one another, paler with distance."""
    ranges = int(rng.integers(1, 4))
    jagged = bool(rng.random() < 0.5)
    base = rgb(pick(rng, ["5d7187", "6b7a6a", "7a6f78", "4f6d6a"]))
    for i in range(ranges):
        distance = 0.72 - 0.5 * i / max(ranges - 1, 1)
        height = rng.uniform(0.1, 0.24) * (1 - 0.25 * i)
        top = light.far(light.lit(base, 0.8), distance)
        foot = light.far(light.lit(base, 0.6), min(distance + 0.25, 0.9))
        outline = ridge(rng, horizon + 0.02, height, int(rng.integers(3, 7)), jagged)
        outline[-2:, 1] = horizon + 0.03
        canvas.polygon(outline, blend_rows(top, foot))


def meadows(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """Rolling meadows and crop fields from the horizon to the viewer."""
    layers = int(rng.integers(2, 5))
    for i in range(layers):
        nearness = (i + 1) / layers
        y = horizon + (1 - horizon) * (i / layers) ** 1.4
        color = vary(rng, pick(rng, GREENS if rng.random() < 0.7 else EARTHS))
        far = light.far(light.lit(color, 1.0), 0.4 * (1 - nearness))
        near = light.far(light.lit(color, 0.55), 0.25 * (1 - nearness))
        outline = ridge(rng, y + 0.03, 0.05 + 0.03 * nearness, int(rng.integers(2, 4)), False)
        canvas.polygon(outline, ground_paint(rng, far, near))


def water(canvas: Canvas, rng: Rng, light: Light, y: float) -> None:
    """Water from `y` down, mirroring what is above, with long flat ripples."""
    deep = mix(light.lit(rgb("2f6f86"), 0.7), light.zenith, 0.35)
    canvas.mirror_below(y, blend_rows(light.horizon, mix(light.horizon, deep, 0.7), deep), rng.uniform(0.3, 0.55))
    for _ in range(26):
        t = rng.random() ** 0.7
        x, at, w = rng.uniform(0, 1), y + (1 - y) * t, 0.03 + 0.12 * t * rng.random()
        tone = light.horizon if rng.random() < 0.6 else deep * 0.8
        canvas.polygon(disc(x, at, w, 0.0015 + 0.005 * t), tone, 0.3)


def path(canvas: Canvas, rng: Rng, light: Light, horizon: float) -> None:
    """A winding road that narrows toward the horizon."""
    t = np.linspace(0, 1, 30)
    end, bend = rng.uniform(0.3, 0.7), rng.uniform(-0.25, 0.25)
    middle = mix(rng.uniform(0.3, 0.7), end, t) + bend * np.sin(t * np.pi * 1.6) * (1 - t)
    half = 0.006 + 0.13 * (1 - t) ** 2
    y = 1.02 + (horizon + 0.045 - 1.02) * (1 - (1 - t) ** 1.5)
    outline = np.concatenate([np.stack([middle - half, y], -1), np.stack([middle + half, y], -1)[::-1]])
    tone = rgb(pick(rng, ["d9c7a0", "cbb89a", "a9a6a2", "c7b08a"]))
    canvas.polygon(outline, blend_rows(light.lit(tone, 1.0), light.lit(tone, 0.7)))
