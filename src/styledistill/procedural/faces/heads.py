"""The head of a portrait: its frame, its pose, its colors and the light on its skin.

The head is built in its own frame: the origin between the eyes' level and the middle of the face, one unit being half
the width of the head, y down. `Head.at` carries points of that frame into the image, with the turn (features slide
sideways over the round face) and the tilt (the whole head leans) of the sitter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scenes.canvas import Canvas
from ..scenes.paints import Array, Rng, blend_columns, mix, palette, pick, vary
from ..scenes.shapes import disc, smooth

SKINS = palette("f6d7bf f0c8a4 e3b08a c98f64 a9714a 8a5636 6b4029 f3cdb4")
HAIRS = palette("1d1816 2f211a 4a3021 6d4527 96602f c08a45 dcb670 a4502a 8f8b88 d8d4ce")


@dataclass(frozen=True)
class Head:
    """Where the head is, how it is posed and what it is made of."""

    x: float
    y: float
    unit: float  # half the width of the head, as a fraction of the image
    turn: float  # -1 .. 1: how far the features slide to the left or right
    tilt: float  # radians
    side: float  # where the light comes from: -1 left, 1 right
    length: float  # of the face below the eyes
    jaw: float  # width of the jaw
    skin: Array
    hair: Array

    def at(self, points: Sequence[Sequence[float]] | Array, depth: float = 0.0) -> Array:
        """Image points of head points (k, 2); `depth` is how far a feature stands out and slides with the turn."""
        p = np.asarray(points, float)
        u, v = p[:, 0] + self.turn * depth, p[:, 1]
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.stack([self.x + self.unit * (u * c - v * s), self.y + self.unit * (u * s + v * c)], -1)

    def outline(self) -> Array:
        """The outline of the face in head points, from the brow round the chin."""
        low, jaw = self.length, self.jaw
        chin = self.turn * 0.12
        right = [(0.55, -1.2), (0.97, -0.7), (1.0, 0.0), (0.93, low * 0.42), (jaw, low * 0.75), (0.36, low * 1.03)]
        left = [(-u, v) for u, v in reversed(right)]
        shifted = [(u + chin * max(0.0, v), v) for u, v in right + left]
        return smooth(shifted)


def random_head(rng: Rng, side: float) -> Head:
    """A random sitter lit from `side`."""
    skin = vary(rng, pick(rng, SKINS), 0.04)
    # Fair hair on dark skin is rare: draw among the dark colors for it.
    hair = vary(rng, pick(rng, HAIRS if skin.mean() > 0.6 else [*HAIRS[:3], HAIRS[8]]), 0.06)
    return Head(
        x=0.5 + rng.uniform(-0.04, 0.04),
        y=rng.uniform(0.41, 0.46),
        unit=rng.uniform(0.185, 0.215),
        turn=rng.uniform(-1, 1),
        tilt=rng.uniform(-0.11, 0.11),
        side=side,
        length=rng.uniform(1.28, 1.42),
        jaw=rng.uniform(0.66, 0.8),
        skin=skin,
        hair=hair,
    )


def shade_of(color: Array, amount: float) -> Array:
    """`color` in shadow (amount < 1) or light (> 1); shadows on skin and hair turn warm, not gray."""
    warm = np.array([1.0, 0.93, 0.9]) if amount < 1 else np.array([1.0, 1.0, 0.98])
    return np.clip(color * amount * warm, 0, 1)


def lit_columns(head: Head, color: Array, dark: float = 0.66, bright: float = 1.06) -> Array:
    """Grid running from the shaded to the lit side of the head."""
    tones = [shade_of(color, dark), shade_of(color, 0.94), shade_of(color, bright)]
    return blend_columns(*tones[:: int(head.side)])


def ears(canvas: Canvas, head: Head) -> None:
    """Both ears; the one turned away hides behind the cheek."""
    for end in (-1, 1):
        ear = head.at(disc(end * 1.0, 0.18, 0.15, 0.27, end * 0.15), -0.1)
        canvas.polygon(ear, shade_of(head.skin, 0.98 if end == head.side else 0.7))
        canvas.soft(head.at(disc(end * 1.03, 0.18, 0.06, 0.14), -0.1), shade_of(head.skin, 0.5), 0.5, 0.03 * head.unit)


def skin_shading(canvas: Canvas, head: Head, outline: Array) -> None:
    """Light and shadow that make the face round: side shadow, brow, cheeks, eye sockets, chin."""
    u, skin = head.unit, head.skin
    dark, bright = shade_of(skin, 0.58), mix(skin, np.array([1.0, 0.96, 0.88]), 0.5)

    def veil(shape: Array, tone: Array, opacity: float, blur: float, depth: float = 0.0) -> None:
        canvas.soft(head.at(shape, depth), tone, opacity, blur * u, clip=outline)

    veil(disc(-head.side * 1.2, 0.25, 0.5, 1.5), dark, 0.6, 0.28)
    veil(disc(head.side * 0.3, -0.68, 0.42, 0.26), bright, 0.42, 0.2, 0.2)
    veil(disc(head.side * 0.5, 0.34, 0.22, 0.2), bright, 0.5, 0.14, 0.2)
    veil(disc(0.0, head.length * 0.88, 0.2, 0.12), bright, 0.35, 0.1, 0.22)
    blush = np.clip(skin * np.array([1.05, 0.78, 0.76]), 0, 1)
    for end in (-1, 1):
        veil(disc(end * 0.55, 0.5, 0.24, 0.19), blush, 0.4, 0.14, 0.2)
        veil(disc(end * 0.4, -0.08, 0.25, 0.15), shade_of(skin, 0.66), 0.42, 0.09, 0.25)
