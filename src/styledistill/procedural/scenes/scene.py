"""Procedural content images: landscapes, coasts, streets, interiors, still lifes and close-ups.

No random draw depends on the size, so one seed gives one composition at every size.
"""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .closeups import big_flower, big_object
from .indoors import room, still_life
from .light import PLAIN_DAY, choose_light
from .outdoors import coast, lake, landscape, skyline
from .paints import Array
from .street import street

SCENE_TAG = 1  # keeps the random stream of scenes apart from that of faces

# What a scene may show, with relative frequencies.
COMPOSITIONS = (
    (landscape, 6),
    (lake, 4),
    (coast, 4),
    (street, 4),
    (skyline, 3),
    (still_life, 5),
    (room, 3),
    (big_flower, 2),
    (big_object, 3),
)
# Lit by day: at night there would be nothing to see.
DAYTIME = (still_life, room, big_flower, big_object)


def scene(seed: int, size: int) -> Array:
    """An image of a place or of things, uint8 (size, size, 3) RGB in [0, 255]; the same composition at every size."""
    rng = np.random.default_rng([seed, SCENE_TAG])
    canvas = Canvas(size)
    odds = np.array([weight for _, weight in COMPOSITIONS], float)
    compose = COMPOSITIONS[int(rng.choice(len(COMPOSITIONS), p=odds / odds.sum()))][0]
    light = choose_light(rng)
    if light.night and compose in DAYTIME:
        light = PLAIN_DAY.light(light.side)
    compose(canvas, rng, light)
    return canvas.result()
