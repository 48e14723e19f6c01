"""Finished triplets of a data set of the hub: rows, samples and image files, and what is wrong with some of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archived import COMMIT, hub, image, tarred, zipped
from serving import Server, serving

from styledistill.config import HubTripletsSource, in_step
from styledistill.core.errors import UserError
from styledistill.core.files import read_json
from styledistill.core.images import open_rgb, square_crop
from styledistill.sources import archive, registry, triplets
from styledistill.splits import select
from styledistill.splits.windows import Member

ROLES = ("content", "style", "target")


@pytest.fixture
def served(alone, endpoint) -> Callable[[Mapping[str, bytes]], Server]:
    """Serves files as the data set own/set of the hub; in a fresh working directory."""
    servers = []

    def use(files: Mapping[str, bytes]) -> Server:
        servers.append(serving(hub("own/set", files)))
        server = servers[-1].__enter__()
        endpoint(server)
        return server

    yield use
    for server in servers:
        server.__exit__(None, None, None)


def source(take: str = "content", **settings) -> HubTripletsSource:
    return HubTripletsSource(kind="hub_triplets", repo="own/set", take=take, **settings)


def drawn(role: str, number: int) -> bytes:
    return image(10 * number + ROLES.index(role), 40, 40 if role == "style" else 32)


def table(rows: list[tuple[bytes, bytes, bytes]], called: tuple[str, ...] = ROLES) -> bytes:
    buffer = io.BytesIO()
    columns = zip(called, zip(*rows, strict=True), strict=True)
    cells = {name: [{"bytes": cell} for cell in of] for name, of in columns}
    pq.write_table(pa.table(cells), buffer, row_group_size=2)
    return buffer.getvalue()


def rows(*numbers: int) -> list[tuple[bytes, bytes, bytes]]:
    return [tuple(drawn(role, number) for role in ROLES) for number in numbers]


def gives(name: str, number: int, **settings) -> None:
    """The images of a triplet are those of the number, for both sources."""
    for role in ROLES[:2]:
        one = source(role, **settings)
        registry.bring(one, [name])
        entry = registry.entry(one, name)
        wanted = square_crop(open_rgb(drawn(role, number)), 16)
        assert np.array_equal(registry.crop(one, name, 16, entry.sha256), wanted), role
        wanted = square_crop(open_rgb(drawn("target", number)), 16)
        assert np.array_equal(registry.target(one, name, 16, entry.sha256), wanted)


def test_each_row_of_parquet_is_a_triplet_and_only_row_groups_with_wanted_ones_come(served):
    server = served({f"data/{n}.parquet": table(rows(*range(4 * n, 4 * n + 4))) for n in range(2)})
    assert registry.listed(source()) and not registry.known(source())
    assert registry.names(source()) == [f"data/{n}.parquet/{row}" for n in range(2) for row in range(4)]
    assert registry.known(source()) and registry.names(source("style")) == registry.names(source())
    assert [entry.sha256 for entry in registry.index(source())] == [""] * 8
    server.asked.clear()
    gives("data/1.parquet/3", 7)
    assert {path.rpartition("/")[2] for path, span in server.asked if span} == {"1.parquet"}
    assert read_json(archive.FOLDER / "lock.json")["own/set@main"] == COMMIT
    server.asked.clear()
    assert registry.bring(source("style"), ["data/1.parquet/3"]) == {"images": 3, "fetched": 0} and not server.asked


def test_columns_may_have_other_names_and_a_wrong_one_is_told_with_those_that_are_there(served):
    served({"0.parquet": table(rows(0, 1), ("photo", "style", "stylized"))})
    gives("0.parquet/1", 1, roles={"content": "photo", "target": "stylized"})
    with pytest.raises(UserError, match=r"no column 'target' with images' bytes; there are photo, style, stylized\."):
        registry.names(source(roles={"content": "photo"}))


def test_each_sample_of_a_tar_is_a_triplet_and_one_that_lacks_an_image_is_named(served):
    whole = {f"{n}.{role}.jpg": drawn(role, n) for n in range(2) for role in ROLES}
    served({"0.tar": tarred(whole | {"0.json": b"{}"}), "1.tar": tarred({"a/5.content.jpg": drawn("content", 5)})})
    settings = {"files": "*.tar"}
    assert registry.names(source(**settings)) == ["0.tar/0", "0.tar/1"]
    assert next(tuple(row) for row in registry.left_out(source(**settings))) == ("1.tar/a/5", "no style")
    gives("0.tar/1", 1, **settings)


LAYOUTS = {
    "loose": lambda files: files,
    "in zips": lambda files: {
        f"{folder}.zip": zipped({name: data for name, data in files.items() if name.startswith(f"{folder}/")})
        for folder in {name.partition("/")[0] for name in files}
    },
    "in one tar": lambda files: {"all.tar": tarred(files)},
}


@pytest.mark.parametrize("form", LAYOUTS)
def test_image_files_in_folders_are_triplets_by_their_names(served, form):
    files = {f"content/{n}.jpg": drawn("content", n) for n in range(2)}
    files |= {f"style/{n}.x.jpg": drawn("style", n) for n in range(2)}
    files |= {f"OmniStyle-150K/{n}&&{n}.x.jpg": drawn("target", n) for n in range(2)}
    files |= {"OmniStyle-150K/1.jpg&&0.x.jpg.jpg": drawn("target", 1), "OmniStyle-150K/0&&9.jpg": drawn("target", 9)}
    served(LAYOUTS[form](files))
    settings = {"files": {"loose": "*.jpg", "in zips": "*.zip", "in one tar": "*.tar"}[form]}
    settings["roles"] = {"target": "OmniStyle-150K"}
    head = {"loose": "", "in zips": "OmniStyle-150K.zip/", "in one tar": "all.tar/"}[form] + "OmniStyle-150K"
    wanted = [f"{head}/{name}.jpg" for name in ("0&&0.x", "1&&1.x", "1.jpg&&0.x.jpg")]
    assert sorted(registry.names(source(**settings))) == sorted(wanted)
    assert (f"{head}/0&&9.jpg", "no style '9'") in [tuple(row) for row in registry.left_out(source(**settings))]
    gives(wanted[1], 1, **settings)


def test_folders_without_both_names_and_of_two_splits_are_told_apart(served):
    files = {
        f"{split}/{role}/{n}.jpg": drawn(role, 2 * k + n)
        for k, split in enumerate(("test", "train"))
        for role in ROLES
        for n in range(2)
    }
    served(files | {"train/content/1.png": image(1, form="PNG")})
    settings = {"files": "t*g"}
    assert registry.names(source(**settings)) == ["test/target/0.jpg", "test/target/1.jpg", "train/target/0.jpg"]
    bad = [tuple(row) for row in registry.left_out(source(**settings))]
    assert bad == [("train/target/1.jpg", "more than one content '1'")]
    gives("train/target/0.jpg", 2, **settings)


def test_a_bad_row_is_replaced_in_both_sources_by_the_same_and_named(served):
    bad = [(b"no image", drawn("style", 0), drawn("target", 0)), (image(0), image(1), image(2, 40, 30))]
    served({"0.parquet": table([*bad, *rows(2, 3)])})
    names = registry.names(source())
    sources = {"contents": source(), "styles": source("style")}
    entries = {name: {entry.image: entry for entry in registry.index(one)} for name, one in sources.items()}
    members = [Member(f"{role[0]}0{n}", role, f"{role}s", names[n]) for role in ("content", "style") for n in range(2)]
    taken, out = select.settle(members, dict.fromkeys(sources, names[2:]), sources, entries)
    assert [row.image for row in taken] == ["0.parquet/2", "0.parquet/3"] * 2
    reasons = {(row.source, row.image): row.reason for row in out}
    for name in sources:
        assert reasons[name, "0.parquet/0"].startswith("content: cannot be read as an image")
        assert reasons[name, "0.parquet/1"].startswith("content of 40 x 32 pixels, target of 40 x 30;")


def test_an_image_that_both_sources_and_several_triplets_share_is_decoded_once(served, monkeypatch):
    opened = []
    monkeypatch.setattr(triplets, "open_rgb", lambda data: opened.append(data) or open_rgb(data))
    monkeypatch.setattr(triplets, "_SIZES", {})
    shared, other = rows(0, 1)
    served({"0.parquet": table([shared, (shared[0], *other[1:])])})
    for one in (source(), source("style")):
        registry.bring(one, registry.names(one))
        for name in registry.names(one):
            registry.entry(one, name)
    assert len(opened) == len(set(opened)) == 5


def test_a_data_set_without_triplets_and_one_of_two_forms(served):
    served({"photos/0.jpg": image(0), "0.parquet": table(rows(0))})
    with pytest.raises(UserError, match=r"own/set: no triplets in it \(looked for members or folders content, style"):
        registry.names(source(files="*.jpg"))
    with pytest.raises(UserError, match=r"own/set: '\*' fits parquet files and others\. Set `files` to one form\."):
        registry.names(source(files="*"))


def test_sources_are_in_step_where_only_take_and_rights_differ():
    assert in_step(source(), source("style", license="mit"))
    assert not in_step(source(), source("style", spares=0.1)) and not in_step(source("style"), source("style"))
    with pytest.raises(ValueError, match="two of content, style and target have one name"):
        source(roles={"style": "content"})
