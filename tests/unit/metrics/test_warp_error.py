"""The warping error by its definition, and its own flow."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs styledistill[video]")

from styledistill.metrics.warp_error import Motion, motions, warp_error


def test_a_shift_that_the_flow_knows_is_no_error() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    frames = [noise[:, :50], noise[:, 4:54]]
    flow = np.zeros((40, 50, 2), np.float32)
    flow[..., 0] = -4  # what stands at x is seen at x - 4 in the next
    seen = np.ones((40, 50), bool)
    seen[:, :4] = False
    assert warp_error(frames, [Motion(flow, seen)]) == 0
    assert warp_error(frames, [Motion(np.zeros_like(flow), seen)]) > 0.1


def test_the_error_is_the_mean_square_over_what_is_seen() -> None:
    """By hand: half of the pixels differ by 51 levels in one of three channels."""
    frames = np.zeros((3, 10, 10, 3), np.uint8)
    frames[1, :5, :, 0] = 51
    still = np.zeros((10, 10, 2), np.float32)
    everywhere = np.ones((10, 10), bool)
    below = everywhere.copy()
    below[:5] = False
    assert warp_error(frames[:2], [Motion(still, everywhere)]) == pytest.approx(0.2**2 / 6)
    assert warp_error(frames, [Motion(still, everywhere), Motion(still, below)]) == pytest.approx(0.2**2 / 12)
    assert np.isnan(warp_error(frames[:1], [])) and np.isnan(warp_error(frames[:2], [Motion(still, ~everywhere)]))


def test_motion_is_measured_without_the_flow_that_blends() -> None:
    from skimage.data import cat

    large = cat()[100:180, 100:220]
    (motion,) = motions([large[:, 3:], large[:, :-3]])  # to the next each pixel moves by 3 to the right
    assert np.median(motion.flow[motion.seen], 0) == pytest.approx([3, 0], abs=0.1)
    assert motion.seen.mean() > 0.7


def test_a_cut_is_no_motion() -> None:
    """A few pixels fit by chance."""
    from skimage.data import cat, coffee

    one, other = cat()[100:180, 100:220], coffee()[100:180, 100:220]
    assert not motions([one, other])[0].seen.any() and motions([one, one])[0].seen.any()
