"""People, and what they bring into the open: boats, balloons, parasols, cars, fences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .canvas import Canvas
from .light import Light, shadow
from .paints import COATS, Array, Rng, ball, blend_rows, mix, palette, pick, rgb, vary
from .shapes import box, disc, smooth, symmetric

SKINS = palette("f1c9a5 d9a074 a86f48 7a4a2f 4f3122")


def person(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, height: float) -> None:
    """A standing or walking figure with its feet at (x, y)."""
    coat, legs = light.sides(vary(rng, pick(rng, COATS))), light.lit(vary(rng, rgb("3a3f52"), 0.2), 0.6)
    skin = light.lit(pick(rng, SKINS), 0.85)
    shadow(canvas, light, x, y, height * 0.16)
    step = height * rng.uniform(0.02, 0.1)
    for foot in (-step, step):
        canvas.line([(x + foot * 0.3, y - height * 0.48), (x + foot, y)], legs, height * 0.085)
    w = height * 0.13
    for arm in (-1, 1):
        sleeve = [(x + arm * w * 0.85, y - height * 0.77), (x + arm * w * 1.35, y - height * 0.45)]
        canvas.line(sleeve, light.lit(coat[0, 12], 0.85), height * 0.06)
    profile = [(0.5, 0.84), (1, 0.78), (0.85, 0.55), (1.05, 0.38)]
    torso = symmetric(x, [(w * half, y - height * up) for half, up in profile])
    canvas.polygon(smooth(torso, 1), coat)
    head = y - height * 0.91
    hair = light.lit(rgb(pick(rng, ["3a2a20", "1f1a18", "8a5a2f", "d8b26a", "6e6a68"])), 0.7)
    canvas.polygon(disc(x, head - height * 0.012, height * 0.078, height * 0.085), hair)
    canvas.polygon(disc(x + light.side * height * 0.012, head + height * 0.012, height * 0.06, height * 0.068), skin)


def sailboat(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, w: float) -> None:
    """A small sailing boat on the water line `y`, with a broken reflection."""
    sail = light.lit(rgb(pick(rng, ["f7f3ea", "f7f3ea", "d9583f", "e8b04a"])), 1.0)
    hull = light.lit(rgb(pick(rng, ["f1ece2", "8c3b34", "2f4f73", "7a5538"])), 0.8)

    def at(points: list[tuple[float, float]]) -> Array:
        """Image points of boat points: the origin amidships on the water line, one unit being half the length."""
        return np.array([x, y]) + np.array(points) * w

    for i in range(5):
        half = w * (1 - 0.15 * i)
        canvas.polygon(disc(x, y + w * (0.12 + 0.16 * i), half, w * 0.05), mix(sail, light.shade, 0.4), 0.35)
    canvas.line(at([(0, 0), (0, -2.3)]), light.lit(rgb("6b4a33"), 0.6), w * 0.05)
    mainsail = at([(0.06, -2.2), (0.65, -1.2), (0.95, -0.35), (0.06, -0.3)])
    canvas.polygon(smooth(mainsail, 1), light.sides(sail))
    canvas.polygon(at([(-0.07, -1.9), (-0.7, -0.35), (-0.07, -0.3)]), sail * 0.85)
    deck = at([(-1, -0.22), (1.15, -0.26), (0.75, 0.14), (-0.75, 0.14)])
    canvas.polygon(deck, blend_rows(hull, hull * 0.65))


def balloon(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, r: float) -> None:
    """A hot-air balloon with colored gores."""
    base, stripe = (light.lit(vary(rng, pick(rng, COATS)), 1.0) for _ in range(2))
    body = [(r * 0.6, y - r), (r * 1.15, y - r * 0.6), (r * 1.15, y + r * 0.3), (r * 0.25, y + r * 1.3)]
    canvas.polygon(smooth(symmetric(x, body)), ball(base, light.side, 0.15))
    for share in (0.62, 0.2):
        inner = smooth(symmetric(x, [(half * share, at) for half, at in body]))
        canvas.polygon(inner, ball(stripe if share > 0.5 else base, light.side, 0.1))
    for end in (-1, 1):
        canvas.line([(x + end * r * 0.22, y + r * 1.1), (x + end * r * 0.13, y + r * 1.6)], rgb("5a4636"), r * 0.04)
    canvas.polygon(box(x - r * 0.17, y + r * 1.55, x + r * 0.17, y + r * 1.8), light.sides(rgb("8a6038")))


def parasol(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, height: float) -> None:
    """A striped beach umbrella."""
    shadow(canvas, light, x, y, height * 0.45)
    canvas.line([(x, y), (x, y - height)], light.lit(rgb("c9b08a"), 0.7), height * 0.04)
    colors = [light.lit(vary(rng, pick(rng, COATS)), 1.0), light.lit(rgb("f7f2e8"), 1.0)]
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 8)) * height * 0.6
    low = y - height * 0.72
    for i, (left, right) in enumerate(pairwise(edges)):
        half = right + left
        shoulder = y - height * 1.0 + abs(half) * 0.08
        tip = (x + half * 0.06, y - height * 1.08)
        gore = [tip, (x + right * 0.75, shoulder), (x + right, low), (x + left, low), (x + left * 0.75, shoulder)]
        shine = 1 - 0.22 * (1 - light.side * half / height)
        canvas.polygon(np.array(gore), colors[i % 2] * shine)


def car(canvas: Canvas, rng: Rng, light: Light, x: float, y: float, half: float) -> None:
    """A car seen from behind with half width `half`."""
    paint = light.lit(vary(rng, pick(rng, COATS)), 0.95)
    canvas.soft(disc(x, y, half * 1.2, half * 0.2), light.shade * 0.25, 0.6, max(0.006, half * 0.1))
    for end in (-1, 1):
        wheel = x + end * half * 0.75
        canvas.polygon(box(wheel - half * 0.16, y - half * 0.35, wheel + half * 0.16, y), rgb("222326"))

    def part(*profile: tuple[float, float]) -> Array:
        """Symmetric outline from (half width, height) pairs in units of `half`."""
        return symmetric(x, [(half * wide, y - half * up) for wide, up in profile])

    canvas.polygon(part((0.62, 1.35), (0.7, 1.3), (0.92, 0.75)), blend_rows(paint, paint * 0.85))
    canvas.polygon(part((0.56, 1.25), (0.75, 0.8)), mix(rgb("33404d"), light.zenith, 0.3))
    body = smooth(part((0.95, 0.82), (1, 0.6), (1, 0.2)), 1)
    canvas.polygon(body, blend_rows(np.clip(paint * 1.1, 0, 1), paint * 0.6))
    for end in (-1, 1):
        canvas.polygon(disc(x + end * half * 0.78, y - half * 0.58, half * 0.13, half * 0.08), rgb("e2463a"))


def fence(canvas: Canvas, rng: Rng, light: Light, y: float) -> None:
    """A wooden fence across the foreground."""
    tone, h, tilt = rgb(pick(rng, ["efe9dc", "8a6a4c", "a68a66"])), rng.uniform(0.06, 0.1), rng.uniform(-0.05, 0.05)
    for level in (0.35, 0.75):
        canvas.line([(-0.02, y - h * level), (1.02, y - h * level + tilt)], light.lit(tone, 0.7), h * 0.14)
    for x in np.linspace(0.02, 0.98, int(rng.integers(6, 11))):
        foot = y + tilt * x
        canvas.polygon(box(x - h * 0.1, foot - h, x + h * 0.1, foot + h * 0.1), light.sides(tone))
