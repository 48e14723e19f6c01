"""A table on the disk: what is read back is what was written, to the last digit and the last cell."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from styledistill.core.errors import UserError
from styledistill.report.tables import stored
from styledistill.report.tables.formats import Document
from styledistill.report.tables.model import Cell, Column, Table

DATA = pd.DataFrame(
    {
        "number": [1 / 3, 1e-300, -0.0, 300.0],
        "odd": [math.nan, math.inf, -math.inf, 0.1 + 0.2],
        "unknown": [math.nan] * 4,
        "count": [0, -1, 2**62, 3],
        "told": [True, False, True, False],
        "words": ["nan", "", '−–∞ ↓ "a", b\n', '{"float": "nan"}'],
        "mixed": pd.Series([0.5, "0.75 to 0.25", None, math.nan], dtype=object),
        "kinds": pd.Series([1, 1.0, True, "1"], dtype=object),
    }
)
TABLES = (
    Table(
        (Column("model", "Model", words=True), Column("lpips", "LPIPS", "min")),
        ((Cell("a", "a"), Cell("0.3", "0.300", ("0.200", "∞"), "best")), (Cell("b", "b"), Cell("", "–", gray=True))),
        title="A title",
        notes=("One.", "Two."),
        group=1,
    ),
    Table((), ()),
)


def again(document: Document, folder: Path) -> Document:
    stored.write(document, folder / "table")
    return stored.read(folder / "table")


def test_numbers_and_cells_come_back_as_they_were(tmp_path):
    document = again(Document(DATA, TABLES, ("Of all.",)), tmp_path)
    pd.testing.assert_frame_equal(document.data, DATA, check_exact=True)
    for name in ("mixed", "kinds"):
        pairs = zip(document.data[name], DATA[name], strict=True)
        assert all(type(one) is type(other) for one, other in pairs)
    assert document.data["mixed"][2] is None and np.signbit(document.data["number"][2])
    assert (document.tables, document.notes) == (TABLES, ("Of all.",))


def test_a_table_without_rows_keeps_the_types_of_its_columns(tmp_path):
    data = again(Document(DATA.iloc[:0], ()), tmp_path).data
    pd.testing.assert_frame_equal(data, DATA.iloc[:0].reset_index(drop=True))


def test_rows_are_counted_anew_in_their_order(tmp_path):
    data = again(Document(DATA.iloc[[2, 0]], ()), tmp_path).data
    pd.testing.assert_frame_equal(data, DATA.iloc[[2, 0]].reset_index(drop=True), check_exact=True)


def test_all_forms_stand_beside_each_other_and_equal_tables_have_equal_bytes(tmp_path):
    for folder in (tmp_path / "one", tmp_path / "other"):
        stored.write(Document(DATA, TABLES), folder / "table.csv")
    files = sorted((tmp_path / "one").iterdir())
    assert [path.name for path in files] == ["table.csv", "table.json", "table.md", "table.tex"]
    assert all(path.read_bytes() == (tmp_path / "other" / path.name).read_bytes() for path in files)


def test_a_table_that_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"metrics\.json: there is no such file\. Run the workflow again") as told:
        stored.read(tmp_path / "metrics.csv")
    assert len(str(told.value).splitlines()) == 1
