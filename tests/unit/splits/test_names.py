"""How contents, styles and pairs are called."""

from styledistill.splits.names import BLOCK, GOLDEN, Key, both, grid, names, pair, read_key


def test_names_are_numbered_from_0_and_grow_where_digits_do_not_do() -> None:
    assert names("content", 2, BLOCK) == ["c00", "c01"]
    assert names("style", 11, GOLDEN)[9:] == ["s9", "s10"]
    assert grid(["c0", "c1"], ["s0", "s1"]) == ["c0_s0", "c0_s1", "c1_s0", "c1_s1"]
    assert grid(["c0", "c1"], ["s0", "s1"], crossed=False) == ["c0_s0", "c1_s1"]
    assert both(pair("c00", "s05")) == ("c00", "s05")


def test_a_key_is_read_as_it_is_written() -> None:
    key = Key("val", "0007", "c03", "s125")
    assert str(key) == "val_0007_c03_s125" and read_key(str(key)) == key
    assert read_key("val_7_c03_s05") is None and read_key("0000_c03_s05") is None
