"""Frames held steady: each drawn frame is blended with the one before it, moved along the motion of the content.

A student draws each frame anew, so strokes that follow no edge jump from frame to frame. The former result, warped by
the content's optical flow, says where they were. It takes part where the motion can be trusted and nowhere else: not
where something comes into sight, not at edges of motion, and not where the content itself changes along the motion
(light, shadow, a flow that is wrong). There the new frame stands as it was drawn, so nothing leaves a ghost.

What stands still takes more of the former result: nothing is moved there that could draw streaks, and flicker shows
most.

A mean of two drawings has less contrast than each of them, and so less of the style. The local contrast of the new
frame is given back. Looked at and not taken: a share of 0.7 or more where something moves, which is steadier and draws
streaks along the motion; the mean without its contrast, which is steadier and visibly smooth (docs/video.md has the
figures).
"""

from __future__ import annotations

import cv2
import numpy as np

from ..core.arrays import size_within
from .flow import optical_flow, squared, visible, warped

SHARE = 0.5  # of the former result, where the motion is wholly trusted
STILL_SHARE = 0.8  # the same where nothing moves
_STILL = 0.5  # pixels: the motion at which the share has fallen by two fifths of the way from the one to the other
_FLOW_PIXELS = 1 << 19  # at most, of what the motion is looked for in: more takes longer than the drawing
_TOLERATED = 0.06  # of 1: the content's change along the motion at which trust has fallen to 0.6
_CUT = 0.2  # with less trust than this on average the scene has changed
_WINDOW = 6.0  # pixels: the standard deviation of the window in which contrast is measured
_CONTRAST = 1.6  # at most so much is given back


class Steady:
    """Blends results frame by frame; `content` and `drawn` are those of the frame before, uint8 (H, W, 3), or None."""

    def __init__(self, content: np.ndarray | None = None, drawn: np.ndarray | None = None) -> None:
        self._content, self._drawn = content, drawn

    def blended(self, content: np.ndarray, drawn: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """The result of the next frame, uint8 (H, W, 3).

        content, drawn: the frame and how it is drawn, uint8 (H, W, 3). where: (H, W) in [0, 1], how much a pixel may be
        blended, as in what a mask leaves out of the style it may not.
        """
        if self._content is not None and self._drawn is not None:
            flow, trust = followed(content, self._content)
            if trust.mean() >= _CUT:
                share = most(flow) * (trust if where is None else trust * where)
                drawn = mixed(drawn, warped(self._drawn, flow, cv2.INTER_LANCZOS4), share)
        self._content, self._drawn = content, drawn
        return drawn


def followed(content: np.ndarray, former: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The flow from a content to the one before, and the trust in it, (H, W) in [0, 1]; both uint8 (H, W, 3)."""
    height, width = content.shape[:2]
    small = size_within(height, width, _FLOW_PIXELS)
    here, there = (
        image if small == (height, width) else cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
        for image in (content, former)
    )
    flow, back = optical_flow(here, there), optical_flow(there, here)
    change = (warped(there, flow).astype(np.float32) - here) / 255
    change = cv2.GaussianBlur(squared(change), (0, 0), 1.5)
    seen = cv2.erode(visible(flow, back).astype(np.float32), np.ones((5, 5)))
    trust = cv2.erode(seen * np.exp(-change / (2 * _TOLERATED**2)), np.ones((3, 3)))
    trust = cv2.GaussianBlur(trust, (0, 0), 2) * seen
    if small != (height, width):
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
        flow *= np.float32([width / small[1], height / small[0]])
        trust = cv2.resize(trust, (width, height), interpolation=cv2.INTER_LINEAR)
    return flow, trust


def most(flow: np.ndarray) -> np.ndarray:
    """How much of the former result a pixel may take, (H, W) in [0, 1]; flow: (H, W, 2) in pixels."""
    return SHARE + (STILL_SHARE - SHARE) * np.exp(-squared(flow) / (2 * _STILL**2))


def mixed(drawn: np.ndarray, former: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A drawing, uint8 (H, W, 3), with the former one, which lies where it does, in shares (H, W) in [0, 1]."""
    share = share[..., None].astype(np.float32)
    made = share * former + (1 - share) * drawn
    made = made + np.minimum(1, 4 * share) * (_contrasted(made, drawn.astype(np.float32)) - made)
    return np.rint(made.clip(0, 255)).astype(np.uint8)


def _contrasted(made: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """An image with the local contrast of another where it has less, float32 (H, W, 3) of levels."""
    mean, spread = _local(made)
    _, wanted = _local(drawn)
    gain = np.sqrt((wanted + 1) / (spread + 1)).clip(1, _CONTRAST)[..., None]
    return mean + gain * (made - mean)


def _local(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (H, W, 3) and variance over the colors together (H, W) in a Gaussian window."""
    mean = cv2.GaussianBlur(image, (0, 0), _WINDOW)
    return mean, cv2.GaussianBlur(squared(image - mean) / np.float32(3), (0, 0), _WINDOW)
