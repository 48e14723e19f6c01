"""Downloads from a real server: whole, resumed, refused."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from archived import image
from serving import PAGE, serving

from styledistill.core.errors import UserError
from styledistill.core.files import sha256_bytes
from styledistill.downloads import http
from styledistill.downloads.http import asked_pause, fetch_file

DATA = np.random.default_rng(0).bytes(300_000)
HASH = sha256_bytes(DATA)
SIZE = len(DATA)
HALF = SIZE // 2


def fetch(server, path, sha256=HASH, size=SIZE, **how):
    return fetch_file(f"{server.address}/file.bin", path, sha256, size, **{"pause": 0.01, "timeout": 10} | how)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("known", [{}, {"size": None}, {"sha256": HASH[:8]}, {"sha256": HASH.upper(), "size": None}])
def test_a_file_comes_whole_and_leaves_nothing_beside_it(tmp_path, known):
    with serving(DATA) as server:
        assert fetch(server, tmp_path / "deep" / "file.bin", **known) == HASH
    assert (tmp_path / "deep" / "file.bin").read_bytes() == DATA
    assert names(tmp_path / "deep") == ["file.bin"]


def test_a_file_that_is_here_is_checked_and_not_asked_for(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(DATA)
    with serving(DATA) as server:
        assert fetch(server, path) == HASH
        path.write_bytes(DATA[:-1] + b"x")
        with pytest.raises(UserError, match=r"file\.bin: sha256 is .*; remove it and run again"):
            fetch(server, path)
        path.write_bytes(DATA[:-1])
        with pytest.raises(UserError, match=r"file\.bin: 299,999 bytes, expected 300,000; remove it"):
            fetch(server, path)
    assert server.asked == []
    assert path.read_bytes() == DATA[:-1]


def test_a_cut_transfer_goes_on_where_it_ended(tmp_path, capfd):
    with serving(DATA, script=["cut", "cut"]) as server:
        fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert "file.bin: the connection was cut; goes on at 150,000 bytes" in capfd.readouterr().err


def test_what_an_earlier_call_left_is_not_asked_for_again(tmp_path):
    with serving(DATA, script=["cut"]) as server:
        with pytest.raises(UserError, match=r"could not be downloaded \(the connection was cut\)\. Run again to go on"):
            fetch(server, tmp_path / "file.bin", attempts=1)
        assert names(tmp_path) == ["file.bin.part"]
        fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-"]
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("size", [SIZE, None])
def test_a_part_that_is_whole_already_only_gets_its_name(tmp_path, size):
    (tmp_path / "file.bin.part").write_bytes(DATA)
    with serving(DATA) as server:
        fetch(server, tmp_path / "file.bin", size=size)
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert len(server.asked) == (size is None)


def test_a_server_that_ignores_ranges_begins_anew(tmp_path):
    with serving(DATA, ranges=False, script=["cut"]) as server:
        fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-"]
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_server_that_always_cuts_at_one_place_is_given_up(tmp_path):
    with serving(DATA, ranges=False, script=["cut"] * 9) as server:
        with pytest.raises(UserError, match="the connection was cut"):
            fetch(server, tmp_path / "file.bin", attempts=3)
    assert len(server.asked) == 3  # the two behind the first brought nothing new


def test_a_server_without_lengths_is_believed_when_the_hash_is_right(tmp_path):
    with serving(DATA, lengths=False) as server:
        assert fetch(server, tmp_path / "file.bin", size=None) == HASH


def test_another_range_than_the_one_asked_for_is_not_taken(tmp_path):
    with serving(DATA, script=["cut", "shifted"]) as server:
        fetch(server, tmp_path / "file.bin", size=None)
    assert (tmp_path / "file.bin").read_bytes() == DATA


def test_a_part_of_another_file_is_thrown_away(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    with serving(DATA) as server:
        assert fetch(server, tmp_path / "file.bin") == HASH
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None]


def test_wrong_bytes_are_refused_in_one_line_and_not_kept(tmp_path):
    with serving(DATA, script=["wrong"]) as server:
        with pytest.raises(UserError, match=r"/file\.bin: not the file wanted \(sha256 is .*, expected ") as fault:
            fetch(server, tmp_path / "file.bin")
    assert "\n" not in str(fault.value)
    assert names(tmp_path) == []


def test_a_page_in_place_of_the_file_costs_nothing_of_what_is_here(tmp_path):
    """A network that wants a password answers everything with its own page."""
    (tmp_path / "file.bin.part").write_bytes(DATA[:1000])
    with serving(b"<html>log in</html>", ranges=False) as server:
        with pytest.raises(UserError, match=r"19 bytes there, expected 300,000\. Is this the right address"):
            fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin.part").read_bytes() == DATA[:1000]


def test_a_busy_server_is_asked_again_when_it_says(tmp_path, capfd):
    with serving(DATA, script=[(503, {}), (429, {"Retry-After": "0"}), (503, {"Retry-After": "1"})]) as server:
        fetch(server, tmp_path / "file.bin", pause=0.04)
    assert len(server.asked) == 4
    said = capfd.readouterr().err
    assert "HTTP 503 Service Unavailable; goes on at 0 bytes in 0 s" in said
    assert "HTTP 429 Too Many Requests; goes on at 0 bytes in 0 s" in said
    assert "HTTP 503 Service Unavailable; goes on at 0 bytes in 1 s" in said


def test_a_server_that_asks_for_an_hour_is_left_alone(tmp_path):
    with serving(DATA, script=[(429, {"Retry-After": "3600"})]) as server:
        with pytest.raises(UserError, match=r"HTTP 429 Too Many Requests; it asks to wait 3600 s"):
            fetch(server, tmp_path / "file.bin")
    assert len(server.asked) == 1 and names(tmp_path) == []


def test_a_pause_is_a_number_or_a_date():
    assert asked_pause("7") == 7 and asked_pause(None) is None and asked_pause("soon") is None
    assert 80 < asked_pause(formatdate(time.time() + 90, usegmt=True)) <= 90
    assert asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_a_file_that_is_not_there_is_asked_for_once(tmp_path):
    with serving(DATA, script=[(404, {})]) as server:
        with pytest.raises(UserError, match=r"/file\.bin: HTTP 404 Not Found\. Is this the right address"):
            fetch(server, tmp_path / "file.bin")
    assert len(server.asked) == 1


def test_no_server_at_all_is_one_line(tmp_path):
    with serving(DATA) as server:
        pass
    with pytest.raises(UserError, match=r"could not be downloaded \(.*refused\).*put the file at .*file\.bin") as fault:
        fetch(server, tmp_path / "file.bin", attempts=2)
    assert "\n" not in str(fault.value)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with serving(DATA) as server:
        with pytest.raises(UserError, match=r"folder/file\.bin: cannot be written"):
            fetch(server, tmp_path / "folder" / "file.bin")


def test_the_proxy_of_the_environment_is_asked(tmp_path, monkeypatch):
    with serving(DATA) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        monkeypatch.setenv("no_proxy", "")
        fetch_file("http://no.such.host/file.bin", tmp_path / "file.bin", HASH)
    assert [address for address, _ in proxy.asked] == ["http://no.such.host/file.bin"]


def test_a_proxy_that_cannot_be_used_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(UserError, match=r"the proxy that the environment names cannot be used: .*socksio") as fault:
        fetch_file("http://127.0.0.1:1/file.bin", tmp_path / "file.bin", HASH)
    assert "\n" not in str(fault.value)


def test_a_process_waits_while_another_one_fetches_the_file(tmp_path, capfd):
    said = ""
    with serving(DATA) as server:
        with http._alone_with(tmp_path / "file.bin.part") as other:
            second = Thread(target=fetch, args=(server, tmp_path / "file.bin"))
            second.start()
            while "another process is fetching it" not in said:
                assert second.is_alive()
                said += capfd.readouterr().err
            other.write(DATA)
            other.flush()
            Path(other.name).rename(tmp_path / "file.bin")
        second.join()
    assert server.asked == []
    assert names(tmp_path) == ["file.bin"]


def test_a_page_in_place_of_an_image_is_not_pinned_and_a_damaged_image_is_not_refused(tmp_path):
    for data, kept in ((PAGE, False), (b"", False), (image(1)[:300], True), (image(1, form="PNG"), True)):
        with serving(data) as server:
            if kept:
                fetch(server, tmp_path / "00.png", sha256="", size=None)
                (tmp_path / "00.png").unlink()
            else:
                with pytest.raises(UserError, match=r"not the file wanted \((a web page|no image)"):
                    fetch(server, tmp_path / "00.png", sha256="", size=None)
        assert names(tmp_path) == []


def test_a_page_is_no_archive(tmp_path):
    with serving(b"half of a zip") as server:
        for name in ("set.zip", "set.tar", "set.tar.gz", "set.parquet"):
            with pytest.raises(UserError, match=r"not the file wanted \(no (zip|tar|parquet file)\)"):
                fetch(server, tmp_path / name, sha256="", size=None)


def test_the_hash_is_of_all_that_came_where_a_server_tells_no_length(tmp_path):
    """The last bytes lie in a buffer when the transfer ends; a hash of what is on the disk would be pinned for ever."""
    data = bytes(range(250)) * 4
    with serving(data, lengths=False) as server:
        digest = fetch_file(f"{server.address}/some.bin", tmp_path / "some.bin", "")
    assert digest == sha256_bytes(data) and (tmp_path / "some.bin").read_bytes() == data
