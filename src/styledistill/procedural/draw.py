"""The drawn images by kind and number."""

from __future__ import annotations

import numpy as np

from .faces.face import face
from .scenes.scene import scene
from .styles.style import style

PAINTERS = {"scenes": scene, "faces": face, "styles": style}

# Numbers of a run's images start here, so that none of them is among those the embedded networks were trained on.
FIRST_SEED = 2_000_000_000


def draw(images: str, number: int, size: int) -> np.ndarray:
    """Image `number` of `scenes`, `faces` or `styles`, uint8 (size, size, 3)."""
    return PAINTERS[images](FIRST_SEED + number, size)
