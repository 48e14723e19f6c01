"""How unsteady a stylized video is: its change along the motion of the content. No torch here.

The warping error of Lai et al. 2018, "Learning Blind Video Temporal Consistency" (ECCV, arXiv:1808.00449, section 4.2):
for frames V_t, with V'_{t+1} the next frame warped back by the content's flow and M_t the pixels that are seen in both,

    E(V_t, V_{t+1}) = sum_i M_t^i |V_t^i - V'_{t+1}^i|^2 / sum_i M_t^i,

and the mean of it over t. As in the authors' program, the square is the mean over the three channels. Colors are in
[0, 1]. M_t by forward-backward consistency and edges of the motion (Ruder et al. 2016). The flow is TV-L1 of
scikit-image (Zach et al. 2007) and not the one that frames are blended along: who steers must not measure. Over a cut
there is no motion; the pixels that fit by chance say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..core.arrays import LUMA
from ..video.flow import visible, warped

_CUT = 0.2  # where less than this share of the pixels is seen in both frames, the scene has changed


class Motion(NamedTuple):
    """From a frame to the next: flow (H, W, 2) in pixels, x first, and which pixels are seen in both, bool (H, W)."""

    flow: np.ndarray
    seen: np.ndarray


def motions(contents: Sequence[np.ndarray]) -> list[Motion]:
    """The motion from each content, uint8 (H, W, 3), to the next; seconds for each."""
    grays = [(frame @ np.float32(LUMA)) / np.float32(255) for frame in contents]
    return [_motion(here, there) for here, there in pairwise(grays)]


def warp_error(frames: Iterable[np.ndarray], motion: Sequence[Motion]) -> float:
    """The warping error of frames, uint8 (H, W, 3); `motion` is that of their contents, one less than the frames.

    NaN for a single frame, and where no pixel is seen twice.
    """
    errors = [
        np.square((frame.astype(np.float32) - warped(after.astype(np.float32), flow)) / 255)[seen].mean()
        for (frame, after), (flow, seen) in zip(pairwise(frames), motion, strict=True)
        if seen.any()
    ]
    return float(np.mean(errors)) if errors else float("nan")


def _motion(here: np.ndarray, there: np.ndarray) -> Motion:
    flow = _flow(here, there)
    seen = visible(flow, _flow(there, here))
    return Motion(flow, seen & (seen.mean() >= _CUT))


def _flow(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    from skimage.registration import optical_flow_tvl1

    rows, columns = optical_flow_tvl1(here, there)
    return np.stack([columns, rows], -1).astype(np.float32)
