"""A working size below the image's own, and the way back: for networks whose time grows faster than the pixels, and for
whoever wants larger strokes.

The content is drawn at the working size and enlarged. The light and dark of the content that the working size could not
hold is added, as strong as the stylized image's contrast is beside the content's. Strokes stay whole and edges are
sharp. Looked at and not taken: guided filtering (He et al., 2013; the content as guide), which keeps the edges and
wipes the strokes out, and detail at full strength, which is grain on styles of little contrast.
"""

from __future__ import annotations

import numpy as np

from ..core.arrays import LUMA, resized

WORKING_PIXELS = 1 << 19  # at most, where time is not linear: seconds and a gigabyte on a CPU


def carried(content: np.ndarray, small: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Images (N, 3, H, W) from what was drawn of their small contents; small, drawn: (N, 3, h, w); all in [0, 1]."""
    size = content.shape[2:]
    made = resized(drawn, *size)
    for number in range(len(content)):  # one at a time: a large image is held few times
        lost = _luminance(content[number]) - resized(_luminance(small[number])[None, None], *size)[0, 0]
        contrasts = _luminance(drawn[number]).std(), _luminance(small[number]).std()
        lost *= min(1.0, contrasts[0] / max(contrasts[1], 1e-6))
        made[number] += lost
    return made.clip(0, 1, out=made)


def _luminance(image: np.ndarray) -> np.ndarray:
    """(3, H, W) to (H, W)."""
    return np.tensordot(np.float32(LUMA), image, 1)
