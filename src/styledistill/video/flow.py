"""Motion between two frames, and where it can be trusted.

Flow by OpenCV's dense inverse search (Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search"). Beside its
medium preset it looks at frames of equalized contrast, at a quarter of their size, and refines and smooths the flow
longer. On drawn scenes that halves the error in plain walls and skies, and takes half of the time.

Frames are uint8 (H, W, 3); a flow is float32 (H, W, 2) in pixels, x first: it leads from each pixel of one frame to its
place in the other.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..core.threads import granted_threads

cv2.setNumThreads(granted_threads())

# Sundaram et al. 2010, equations 5 and 6, the constants that Ruder et al. 2016 and Lai et al. 2018 took over.
_APART, _APART_LEAST = 0.01, 0.5
_EDGE, _EDGE_LEAST = 0.01, 0.002
_CLIP = 4.0  # of the equalization of contrast
_LEAST = 96  # pixels: of smaller frames the search chooses other scales, and of narrow ones it ends the process
_FINEST = 2  # halvings of the frames at which the search ends
_REFINEMENTS, _SMOOTHNESS = 40, 60.0  # of the preset 5 and 20


def optical_flow(frame: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The flow from `frame` to `other`."""
    height, width = frame.shape[:2]
    below, beside = max(0, _LEAST - height), max(0, _LEAST - width)
    gray = [
        cv2.copyMakeBorder(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), 0, below, 0, beside, cv2.BORDER_REPLICATE)
        for one in (frame, other)
    ]
    equalize = cv2.createCLAHE(_CLIP, (4, 4))
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(_FINEST)
    search.setVariationalRefinementIterations(_REFINEMENTS)
    search.setVariationalRefinementAlpha(_SMOOTHNESS)
    return search.calc(*(equalize.apply(one) for one in gray), None)[:height, :width]


def warped(other: np.ndarray, flow: np.ndarray, interpolation: int = cv2.INTER_CUBIC) -> np.ndarray:
    """`other` (H, W, C) as it lies in the frame that `flow` leads from; beyond its edge its outermost pixels."""
    height, width = flow.shape[:2]
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(other, columns + flow[..., 0], rows + flow[..., 1], interpolation, borderMode=cv2.BORDER_REPLICATE)


def visible(flow: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Where a pixel of the frame is seen in the other too, bool (H, W).

    flow: from the frame to the other; back: from the other to the frame. Left out are pixels whose way there and back
    does not end where it began (occlusion), those at edges of the motion, and those that come from outside the image.
    """
    if min(flow.shape[:2]) < 2:  # one row or column has no edges across
        return np.zeros(flow.shape[:2], bool)
    returned = warped(back, flow, cv2.INTER_LINEAR)
    length = squared(flow)
    apart = squared(flow + returned) > _APART * (length + squared(returned)) + _APART_LEAST
    steps = sum(np.square(np.gradient(part, axis=axis)) for part in cv2.split(flow) for axis in (0, 1))
    edge = steps > _EDGE * length + _EDGE_LEAST
    return inside(flow) & ~apart & ~edge


def squared(values: np.ndarray) -> np.ndarray:
    """Sums (H, W) of the squares of channels (H, W, C); of few channels in a tenth of the time of NumPy's sum."""
    first, *others = cv2.split(values)
    total = first * first
    for part in others:
        total += part * part
    return total


def inside(flow: np.ndarray) -> np.ndarray:
    """Where a flow leads to within the image, bool (H, W)."""
    height, width = flow.shape[:2]
    columns, rows = np.arange(width) + flow[..., 0], np.arange(height)[:, None] + flow[..., 1]
    return (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
