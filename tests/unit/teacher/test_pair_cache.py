"""Finished pairs: what is kept comes back, what is damaged does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from styledistill.teacher.pair_cache import PairStore


def image(seed: int, height: int = 6, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


CONTENT, STYLE, RESULT = image(1), image(2), image(3)


@pytest.fixture
def store(tmp_path: Path) -> PairStore:
    return PairStore(tmp_path, {"gamma": 0.75})


def files(store: PairStore) -> list[Path]:
    return sorted(store.folder.rglob("*.png"))


def test_a_pair_comes_back_in_a_later_process(store, tmp_path):
    assert store.get(CONTENT, STYLE) is None
    store.put(CONTENT, STYLE, RESULT)
    found = PairStore(tmp_path, {"gamma": 0.75}).get(CONTENT.copy(), STYLE.copy())
    assert np.array_equal(found, RESULT)


def test_other_settings_know_nothing_of_it(store, tmp_path):
    store.put(CONTENT, STYLE, RESULT)
    assert PairStore(tmp_path, {"gamma": 0.3}).get(CONTENT, STYLE) is None


def test_one_pixel_or_the_roles_make_another_pair(store):
    store.put(CONTENT, STYLE, RESULT)
    changed = CONTENT.copy()
    changed[0, 0, 0] ^= 1
    assert store.get(changed, STYLE) is None
    assert store.get(STYLE, CONTENT) is None


def test_the_same_bytes_in_another_shape_are_another_image(store):
    store.put(CONTENT, STYLE, RESULT)
    assert store.get(CONTENT.reshape(5, 6, 3), STYLE) is None


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:60] + b"\0" + data[61:], lambda _: b""])
def test_damaged_bytes_count_as_missing_and_are_made_anew(store, damage):
    store.put(CONTENT, STYLE, RESULT)
    (file,) = files(store)
    file.write_bytes(damage(file.read_bytes()))
    assert store.get(CONTENT, STYLE) is None
    store.put(CONTENT, STYLE, RESULT)
    assert np.array_equal(store.get(CONTENT, STYLE), RESULT)
    assert len(files(store)) == 1


def test_another_valid_image_under_the_name_is_refused(store):
    """A file that was swapped is a good PNG; only the hash in its name tells."""
    store.put(CONTENT, STYLE, RESULT)
    store.put(STYLE, CONTENT, image(4))
    first, second = files(store)
    first.write_bytes(second.read_bytes())
    pairs = [store.get(CONTENT, STYLE), store.get(STYLE, CONTENT)]
    assert sum(found is None for found in pairs) == 1


def test_a_write_that_was_cut_off_leaves_nothing_to_read(store):
    store.put(CONTENT, STYLE, RESULT)
    (file,) = files(store)
    file.rename(file.with_name(f".{file.name}.1234.part"))
    assert store.get(CONTENT, STYLE) is None


def test_a_pair_that_is_kept_again_takes_the_place_of_the_first(store):
    for seed in range(8):
        store.put(CONTENT, STYLE, image(seed))
        assert np.array_equal(store.get(CONTENT, STYLE), image(seed))
    assert len(files(store)) == 1
