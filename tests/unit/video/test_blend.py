"""Motion and blending: known flows are found, hidden places are known, and nothing leaves a ghost."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("av", reason="needs styledistill[video]")
pytest.importorskip("cv2", reason="needs styledistill[video]")

from clips import camera, moving

from styledistill.core.arrays import levels, planes
from styledistill.core.places import embedded
from styledistill.metrics.warp_error import Motion, warp_error
from styledistill.procedural.draw import draw
from styledistill.student.engines import load
from styledistill.video.blend import SHARE, STILL_SHARE, Steady, followed, mixed, most
from styledistill.video.flow import inside, optical_flow, visible, warped


def test_the_flow_of_a_camera_is_found() -> None:
    frames, flows = camera(4)
    for here, there, known in zip(frames, frames[1:], flows, strict=False):
        error = np.linalg.norm(optical_flow(here, there) - known, axis=-1)[inside(known)]
        assert error.mean() < 0.5 and np.linalg.norm(known, axis=-1).mean() > 2


def test_a_flow_leads_from_a_pixel_to_its_place_in_the_other() -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    flow = np.zeros((40, 60, 2), np.float32)
    flow[..., 0], flow[..., 1] = 3, -2
    moved = warped(image, flow)
    assert (moved[5:, :50] == image[3:-2, 3:53]).all()
    assert not inside(flow)[:, 57:].any() and not inside(flow)[:2].any() and inside(flow)[2:, :57].all()


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (17, 100), (95, 97), (64, 64), (96, 96)])
def test_frames_of_any_size_have_a_flow(size: tuple[int, int]) -> None:
    """OpenCV's search ends the process at some sizes."""
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert optical_flow(noise, noise).shape == (*size, 2)
    steady = Steady(noise, noise)
    assert steady.blended(noise, noise).shape == (*size, 3)


def test_what_comes_into_sight_is_not_visible_before() -> None:
    """What a face covered is seen now, and was not; the face itself was."""
    contents, places = moving(9)
    trust = followed(contents[8], contents[7])[1]
    assert np.quantile(trust[places[7] & ~places[8]], 0.95) < 0.05
    assert np.median(trust[places[7] & places[8]]) > 0.2
    # A square that moves by 4 pixels.
    true = np.zeros((120, 160, 2), np.float32)
    true[30:80, 44:94, 0] = -4
    back = np.zeros_like(true)
    back[30:80, 40:90, 0] = 4
    assert not visible(true, back)[32:78, 40:44].any() and visible(true, back)[40:70, 54:84].all()


def test_light_that_changes_is_not_held_back() -> None:
    frames, _ = camera(2)
    brighter = np.clip(frames[1].astype(int) + 60, 0, 255).astype(np.uint8)
    assert followed(frames[1], frames[0])[1].mean() > 0.8
    assert followed(brighter, frames[0])[1].mean() < 0.1


def test_a_cut_takes_nothing_over() -> None:
    (one,), (other,) = camera(1, scene=3)[0], camera(1, scene=8)[0]
    drawn = 255 - other
    assert (Steady(one, 255 - one).blended(other, drawn) == drawn).all()


def test_where_no_trust_is_the_new_frame_stands() -> None:
    drawn, former = np.random.default_rng(1).integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
    share = np.zeros((60, 80), np.float32)
    assert (mixed(drawn, former, share) == drawn).all()
    share[:, 40:] = SHARE
    made = mixed(drawn, former, share)
    assert (made[:, :40] == drawn[:, :40]).all() and (made[:, 40:] != drawn[:, 40:]).mean() > 0.5


def test_what_stands_still_takes_more_of_the_former_result() -> None:
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, :, 1] = 0, 0.3, -1, 20
    shares = most(flow)[0]
    assert shares[0] == pytest.approx(STILL_SHARE) and shares[3] == pytest.approx(SHARE)
    assert SHARE < shares[2] < SHARE + 0.05 < shares[1] < STILL_SHARE
    # Noise on a still frame: its change from frame to frame falls by (1 - s) / (1 + s) in power.
    content = camera(1)[0][0]
    noise = np.random.default_rng(1).integers(118, 139, (8, *content.shape), dtype=np.uint8)
    steady = Steady()
    made = np.stack([steady.blended(content, drawn) for drawn in noise]).astype(float)
    power = np.square(np.diff(made[4:], axis=0)).mean() / np.square(np.diff(noise[4:].astype(float), axis=0)).mean()
    assert power < 0.25 < (1 - SHARE) / (1 + SHARE)


def test_a_mixture_keeps_the_contrast_of_the_new_frame() -> None:
    drawn, former = np.random.default_rng(1).integers(64, 192, (2, 80, 80, 3), dtype=np.uint8)
    plain = SHARE * former + (1 - SHARE) * drawn.astype(float)
    assert plain.std() < 0.75 * drawn.std()
    assert mixed(drawn, former, np.full((80, 80), SHARE)).std() > 0.95 * drawn.std()


def test_what_a_mask_leaves_out_is_not_blended() -> None:
    (first, second), _ = camera(2)
    where = np.zeros(first.shape[:2], np.float32)
    where[:, 240:] = 1
    made = Steady(first, 255 - first).blended(second, second, where)
    assert (made[:, :240] == second[:, :240]).all() and (made[:, 240:] != second[:, 240:]).mean() > 0.3


@pytest.mark.slow
def test_videos_are_a_third_steadier_at_the_same_style() -> None:
    """Along a motion that is known, not one that was measured; contrast stands for the style (docs/video.md: Gram)."""
    contents, flows = camera(8, scene=14)
    student = load(embedded("micro"), "cpu")
    memory = student.encode_style(planes(draw("styles", 1, 256)))
    alone = [levels(student.as_array(student.stylize(planes(content), memory))) for content in contents]
    steady = Steady()
    held = [steady.blended(content, image) for content, image in zip(contents, alone, strict=True)]
    motion = [Motion(flow, inside(flow)) for flow in flows]
    assert warp_error(held, motion) < 0.6 * warp_error(alone, motion)
    assert (held[0] == alone[0]).all()
    detail = [np.diff(made[-1].astype(float), axis=1).std() for made in (alone, held)]
    assert detail[1] > 0.8 * detail[0]


@pytest.mark.slow
def test_a_face_that_moves_leaves_no_ghost() -> None:
    """Just behind it the ground is as it is drawn anew, and no nearer to where the face was."""
    contents, places = moving(6)
    steady = Steady()
    marked = [np.where(place[..., None], np.uint8(255), np.uint8(60)).repeat(3, 2) for place in places]
    for content, mark in zip(contents, marked, strict=True):
        held = steady.blended(content, mark)
    ghost = np.abs(held.astype(int) - marked[-1]).max(-1)
    behind = places[-2] & ~places[-1]
    assert behind.sum() > 300 and np.quantile(ghost[behind], 0.95) < 12
