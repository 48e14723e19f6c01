"""Data sets of the hub: of which files, row groups and rows the wanted images come, and how they are checked."""

from __future__ import annotations

import re

import numpy as np
import pytest
from archived import COMMIT, altered, hub, image, parquet, tarred
from serving import QUICK, serving

from styledistill.config import HubSource
from styledistill.core.errors import BadImage, UserError
from styledistill.core.files import read_json
from styledistill.downloads import http_ranges
from styledistill.downloads import hub as hubs
from styledistill.sources import archive as archives
from styledistill.sources.archive import Archives

pytestmark = pytest.mark.usefixtures("alone")


def test_what_a_killed_process_had_of_a_row_group_is_not_asked_for_again(endpoint, monkeypatch):
    monkeypatch.setattr(http_ranges, "_LARGE", 100_000)
    cells = [np.random.default_rng(n).bytes(60_000) for n in range(4)]
    with serving(hub("own/set", {"a.parquet": parquet(cells, 2)})) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        source.names()
        server.asked.clear()
        server.script[:] = ["right", "right", "cut", (404, {})]  # the footer, whether pages are checked, the rows
        with pytest.raises(UserError, match="HTTP 404"):
            source.bring(["a.parquet/3"])
        (part,) = source.folder.rglob("*.part")
        assert part.stat().st_size > 50_000
        server.asked.clear()
        source.bring(["a.parquet/3"])
        assert source.store.read("a.parquet/3") == cells[3]
        asked = [[int(end) for end in span.removeprefix("bytes=").split("-")] for _, span in server.asked if span]
    begin, end = map(int, part.stem.split("-"))
    rest = [first for first, last in asked if last == end - 1]
    assert begin + (end - begin) // 2 in rest and begin not in rest  # the footer may end there too
    assert not list(source.folder.rglob("*.part"))


def test_of_a_hub_data_set_only_the_row_groups_of_the_wanted_rows_come(endpoint):
    cells = [np.random.default_rng(n).bytes(60_000) for n in range(24)]
    files = {f"data/train-0000{n}-of-00002.parquet": parquet(cells[12 * n : 12 * n + 12], 4) for n in range(2)}
    with serving(hub("own/set", files | {"README.md": b"---"})) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        names = source.names()
        assert names == sorted(f"data/train-0000{n}-of-00002.parquet/{row}" for n in range(2) for row in range(12))
        server.asked.clear()
        source.bring([names[0], "data/train-00001-of-00002.parquet/9"])
        assert source.store.read("data/train-00001-of-00002.parquet/9") == cells[21]
    chunks = [span for path, span in server.asked if span and path.endswith("00001-of-00002.parquet")]
    spans = [[int(end) for end in chunk.removeprefix("bytes=").split("-")] for chunk in chunks]
    assert 4 * 60_000 < sum(last - first + 1 for first, last in spans) < 7 * 60_000
    lock = read_json(archives.FOLDER / "lock.json")
    assert lock["own/set@main"] == COMMIT


def test_enough_images_are_taken_in_row_groups_spread_over_all_files(endpoint):
    files = {f"{n}.parquet": parquet([image(10 * n + row) for row in range(9)], 3) for n in range(4)}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        some = Archives(HubSource(kind="hub", repo="own/set", images=7)).names()
        more = Archives(HubSource(kind="hub", repo="own/set", images=16)).names()
    assert len(some) == 9 and len(more) == 18
    assert set(some) < set(more)  # more of them leaves those that were there
    assert len({name.split("/")[0] for name in more}) > 2


def test_of_whole_files_of_a_hub_only_those_with_wanted_rows_come(endpoint, capfd):
    files = {f"{n}.parquet": parquet([image(10 * n + row) for row in range(4)], 2) for n in range(3)}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set", whole=True))
        names = source.names()
        source.bring([names[5]])
        assert [path for path, span in server.asked if span is None and path.endswith("parquet")] == [
            f"/datasets/own/set/resolve/{COMMIT}/1.parquet"
        ]
    assert source.store.read(names[5]) == image(11)
    assert f"{len(files['1.parquet']) / 1e6:.1f} MB to fetch" in capfd.readouterr().err


def test_a_hub_data_set_of_tars_is_fetched_by_the_file(endpoint, capfd):
    files = {f"{n:05d}.tar": tarred({f"{n}{k}.webp": image(k, form="WEBP") for k in range(3)}) for n in range(4)}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set", files="*.tar", images=2))
        names = source.names()
        source.bring(names)
        assert len({path for path, _ in server.asked if path.endswith(".tar")}) == 1
    first = capfd.readouterr().err.splitlines()[0]
    assert re.fullmatch(r"own/set: 0\.0 MB to fetch: one whole file, \d{5}\.tar, for 2 images", first)
    assert len(names) == 3 and source.store.read(names[2]) == image(2, form="WEBP")


def served(cells: list[bytes], hurt: int, **settings) -> dict[str, bytes]:
    """A hub that tells the sha256 of the right file and sends another one."""
    right = parquet(cells, 2, compression="none", **settings)
    files = hub("own/set", {"a.parquet": right})
    return {path: altered(data, cells[hurt]) if data is right else data for path, data in files.items()}


def test_page_checksums_of_parquet_are_looked_at_where_there_are_any(endpoint):
    cells = [image(n) for n in range(4)]
    with serving(served(cells, 1, write_page_checksum=True)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        with pytest.raises(UserError, match=r"row group 0 cannot be read \(.*CRC") as fault:
            source.bring(["a.parquet/0"])
        source.bring(["a.parquet/3"])
    assert "\n" not in str(fault.value) and "a.parquet/0" not in source.store
    assert source.store.read("a.parquet/3") == cells[3]
    assert not [what for what in read_json(archives.FOLDER / "lock.json") if what.endswith("#rows")]


def test_rows_that_nothing_can_be_checked_by_are_said_to_be_so_and_a_whole_file_is_checked(endpoint, capfd):
    cells = [image(n) for n in range(4)]
    with serving(served(cells, 1)) as server:
        endpoint(server)
        rows = Archives(HubSource(kind="hub", repo="own/set"))
        rows.bring(["a.parquet/1"])
        assert rows.store.read("a.parquet/1") != cells[1]
        lock = read_json(archives.FOLDER / "lock.json")
        assert lock[f"hf://datasets/own/set@{COMMIT}/a.parquet#rows"].startswith("unchecked: ")
        assert "a.parquet: nothing says what its rows must be" in capfd.readouterr().err

        whole = HubSource(kind="hub", repo="own/set", whole=True)
        with pytest.raises(UserError, match=r"a\.parquet: not the file wanted \(sha256 is"):
            Archives(whole).bring(["a.parquet/0"])
        path = f"/datasets/own/set/resolve/{COMMIT}/a.parquet"
        server.data[path] = parquet(cells, 2, compression="none")
        # The images of the whole file are held against those that were taken unchecked.
        with pytest.raises(UserError, match=r"own/set#a\.parquet/1: not what it was"):
            Archives(whole).bring(["a.parquet/1"])
        Archives(whole).bring(["a.parquet/0"])
    assert Archives(whole).store.read("a.parquet/0") == cells[0]


def test_files_of_one_name_in_several_folders_of_the_hub_are_not_confused(endpoint):
    files = {f"{part}/0.tar": tarred({"a.jpg": image(n)}) for n, part in enumerate(("one", "two"))}
    with serving(hub("own/set", files)) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set", files="*.tar"))
        source.bring(source.names())
    assert [source.store.read(f"{part}/0.tar/a.jpg") for part in ("one", "two")] == [image(0), image(1)]


def test_a_column_that_is_not_there_is_told_the_others(endpoint):
    with serving(hub("own/set", {"a.parquet": parquet([image(1)], 1)})) as server:
        endpoint(server)
        with pytest.raises(UserError, match=r"no column 'photo' with images' bytes; there are image, label"):
            Archives(HubSource(kind="hub", repo="own/set", column="photo")).names()
        with pytest.raises(UserError, match=r"no files there that fit 'x/\*'"):
            Archives(HubSource(kind="hub", repo="own/set", files="x/*")).names()


def test_a_row_without_an_image_is_kept_as_its_reason(endpoint):
    with serving(hub("own/set", {"a.parquet": parquet([image(1), b""], 2)})) as server:
        endpoint(server)
        source = Archives(HubSource(kind="hub", repo="own/set"))
        source.bring(source.names())
    with pytest.raises(BadImage, match="no bytes in its row"):
        source.store.read("a.parquet/1")


def test_a_busy_hub_is_asked_again_and_an_unknown_name_is_not(endpoint):
    with serving(hub("own/set", {"a.parquet": b""}), script=[(429, {"Retry-After": "0"}), (503, {})]) as server:
        endpoint(server)
        assert hubs.dataset_files("own/set", "main", "*", QUICK)[0] == COMMIT
        with pytest.raises(UserError, match=r"own/other@main: .*404"):
            hubs.dataset_files("own/other", "main", "*", QUICK)
