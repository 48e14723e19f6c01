"""Which image belongs to which block."""

import pytest

from styledistill.config import Blocks, BlockShape, Golden
from styledistill.core.errors import UserError
from styledistill.splits.windows import block_members, check, golden_members, order

SHAPE = BlockShape(contents={"scenes": 3, "faces": 1}, styles={"art": 2})


def _orders(scenes: int = 20, faces: int = 10, art: int = 20, seed: int = 1) -> dict[str, list[str]]:
    counts = {"scenes": scenes, "faces": faces, "art": art}
    return {source: order([f"{source}-{n}" for n in range(count)], seed) for source, count in counts.items()}


def _blocks(train: int, val: int) -> Blocks:
    return Blocks(train=train, val=val, contents=SHAPE.contents, styles=SHAPE.styles)


def test_order_is_random_but_lasts_when_an_image_comes_or_goes():
    names = [f"p{n}" for n in range(50)]
    full, fewer = order(names, 1), order([name for name in names if name != "p7"], 1)
    assert full != names
    assert fewer == [name for name in full if name != "p7"]
    assert order(names, 2) != full


def test_names_and_roles_follow_the_written_order():
    members = block_members(SHAPE, "train", 0, _orders())
    assert [m.name for m in members] == ["c00", "c01", "c02", "c03", "s00", "s01"]
    assert [m.role for m in members] == ["content"] * 4 + ["style"] * 2
    assert members[3].source == "faces"


def test_no_image_is_in_two_blocks_splits_or_the_golden_set():
    orders = _orders()
    golden = Golden(contents={"scenes": 2}, styles={"art": 3})
    taken = [m.image for split in ("train", "val") for k in range(2) for m in block_members(SHAPE, split, k, orders)]
    taken += [m.image for m in golden_members(golden, orders)]
    assert len(taken) == len(set(taken)) == 2 * 2 * 6 + 5
    check(_blocks(2, 2), golden, orders)


def test_more_blocks_leave_the_first_ones_alone():
    orders = _orders()
    assert block_members(_blocks(1, 1).shape, "train", 0, orders) == block_members(
        _blocks(3, 2).shape, "train", 0, orders
    )


def test_a_source_that_serves_both_roles_gives_each_its_own_images():
    shape = BlockShape(contents={"art": 2}, styles={"art": 2})
    images = [m.image for m in block_members(shape, "val", 1, _orders())]
    assert len(set(images)) == 4
    golden = golden_members(Golden(contents={"art": 2}, styles={"art": 3}), _orders())
    assert len({m.image for m in golden}) == 5


def test_a_source_too_small_is_named():
    with pytest.raises(UserError, match=r"sources\.scenes: 20 usable images.*needs 21"):
        block_members(SHAPE, "train", 6, _orders())


def test_windows_that_meet_are_refused():
    with pytest.raises(UserError, match=r"blocks\.contents\.scenes: .* in train block 000\d and in val block"):
        check(_blocks(4, 3), Golden(contents={"faces": 1}, styles={"art": 1}), _orders())


def test_a_named_golden_image_that_a_block_takes_is_refused_with_free_ones():
    orders = _orders()
    golden = Golden(contents={"scenes": [orders["scenes"][0]]}, styles={"art": 1})
    with pytest.raises(UserError, match=r"golden\.contents\.scenes: .* train block 0000 .*Take fewer") as caught:
        check(_blocks(1, 1), golden, orders)
    assert orders["scenes"][5] in str(caught.value)


def test_a_named_golden_image_in_the_middle_is_not_counted_a_second_time():
    orders = _orders()
    middle = golden_members(Golden(contents={"faces": 1}, styles={"art": 1}), orders)[1].image
    for golden in (
        Golden(contents={"art": [middle]}, styles={"art": 1}),
        Golden(contents={"art": [middle]}, styles={"art": [middle]}),
    ):
        with pytest.raises(
            UserError, match=rf"golden\.styles\.art: {middle} would be in the golden set twice"
        ) as fault:
            check(_blocks(1, 1), golden, orders)
        assert "\n" not in str(fault.value)
    check(_blocks(1, 1), Golden(contents={"art": [middle]}, styles={"art": [orders["art"][8]]}), orders)


def test_one_file_under_two_names_is_noticed_by_its_hash():
    orders = _orders()
    golden = Golden(contents={"scenes": 1}, styles={"art": 1})
    hashes = {(source, name): f"{source}{name}" for source, names in orders.items() for name in names}
    check(_blocks(1, 1), golden, orders, hashes)
    twin = golden_members(golden, orders)[0]
    hashes[twin.source, twin.image] = hashes["scenes", orders["scenes"][0]]
    with pytest.raises(UserError, match="and in the golden set"):
        check(_blocks(1, 1), golden, orders, hashes)


def test_a_golden_name_that_the_source_lacks_is_refused():
    with pytest.raises(UserError, match=r"golden\.styles\.art: no image named 'mona'"):
        golden_members(Golden(contents={"scenes": 1}, styles={"art": ["mona"]}), _orders())
