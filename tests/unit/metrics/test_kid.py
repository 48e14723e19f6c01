"""KID of stylized images, which share contents and styles."""

import numpy as np
import pytest

from styledistill.metrics import kid as module
from styledistill.metrics.kid import kid


def crossed(contents, styles):
    """Names of content and style of every pair."""
    return [f"c{c}" for c in range(contents) for _ in range(styles)], [f"s{s}" for s in range(styles)] * contents


def drawn(seed, contents, styles, pull=0.0):
    """Activations of stylized images, half content and half style, and of their styles; pull: off the styles."""
    random = np.random.default_rng(seed)
    of_contents, of_styles = random.normal(size=(contents, 1, 16)), random.normal(size=(styles, 16))
    outputs = (of_contents + of_styles[None]) / np.sqrt(2) + pull
    return outputs.reshape(-1, 16), np.tile(of_styles, (contents, 1))


def test_images_that_are_their_styles_have_no_distance_whatever_pairs_there_are():
    _, styles = drawn(0, 4, 5)
    contents, names = crossed(4, 5)
    kept = [0, 1, 4, 7, 8, 13, 16, 19]
    assert kid(
        styles[kept], styles[kept], [contents[i] for i in kept], [names[i] for i in kept]
    ).value == pytest.approx(0)


def test_it_is_right_on_average_where_images_share_contents_and_styles():
    """Outputs distributed as the styles are: 0 on average, which a mean over all pairs of images is far from."""
    names = crossed(4, 5)
    found = np.array([kid(*drawn(seed, 4, 5), *names).value for seed in range(400)])
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(len(found))
    unrelated = [str(number) for number in range(20)]
    naive = np.array([kid(*drawn(seed, 4, 5), unrelated, unrelated).value for seed in range(400)])
    assert naive.mean() > 10 * naive.std() / np.sqrt(len(naive))


def test_it_grows_with_the_distance():
    names = crossed(4, 5)
    near, far = (np.mean([kid(*drawn(seed, 4, 5, pull), *names).value for seed in range(20)]) for pull in (0.3, 0.6))
    assert 0.1 < near < far / 2


def test_rows_at_a_time_change_nothing(monkeypatch):
    names = crossed(4, 5)
    whole = kid(*drawn(1, 4, 5), *names)
    monkeypatch.setattr(module, "_ROWS", 3)
    assert kid(*drawn(1, 4, 5), *names) == pytest.approx(whole, rel=1e-9)


def test_the_interval_is_the_jackknifes():
    """Each content and each style is left out in turn, with all of its pairs."""
    (x, y), (contents, styles) = drawn(1, 4, 5), crossed(4, 5)
    found, variance = kid(x, y, contents, styles), 0
    for names in (contents, styles):
        left = []
        for name in sorted(set(names)):
            kept = [place for place, other in enumerate(names) if other != name]
            left.append(kid(x[kept], y[kept], [contents[i] for i in kept], [styles[i] for i in kept]).value)
        variance += (len(left) - 1) * np.var(left)
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.96 * variance**0.5, found.value + 1.96 * variance**0.5)
    )


@pytest.mark.parametrize(("pull", "truth"), [(0.0, 0.0), (0.6, 1.71)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(pull, truth):
    names = crossed(4, 5)
    found = [kid(*drawn(seed, 4, 5, pull), *names) for seed in range(300)]
    assert 0.88 < np.mean([one.low <= truth <= one.high for one in found]) < 0.995


@pytest.mark.parametrize(("contents", "styles"), [(1, 5), (5, 1), (1, 1)])
def test_there_is_none_of_one_content_or_one_style(contents, styles):
    assert kid(*drawn(0, contents, styles), *crossed(contents, styles)) == (None, None, None)


def test_two_contents_make_no_interval():
    value, *ends = kid(*drawn(0, 2, 5), *crossed(2, 5))
    assert np.isfinite(value) and ends == [None, None]
