"""Files are whole or not there."""

import math
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from styledistill.core.errors import UserError
from styledistill.core.files import (
    atomic_path,
    canonical_json,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_csv,
    write_json,
    write_together,
)
from styledistill.core.progress import announce


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    write_bytes(target, b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_of_files_written_together_none_is_replaced_before_all_are_whole(tmp_path, monkeypatch):
    files = {tmp_path / name: name.encode() for name in "abc"}
    write_together(dict.fromkeys(files, b"old"))

    def full(path, data):
        if ".c." in path.name:
            raise OSError(28, "No space left on device", str(path))
        return written(path, data)

    with monkeypatch.context() as patched, pytest.raises(UserError, match="no space left"):
        written = Path.write_bytes
        patched.setattr(Path, "write_bytes", full)
        write_together(files)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"old"}
    write_together(files)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_one_value_has_one_text():
    assert (
        canonical_json({"b": 1, "a": [1.5, None]})
        == canonical_json({"a": [1.5, None], "b": 1})
        == '{"a":[1.5,null],"b":1}'
    )


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    assert sha256_file(tmp_path / "x.json") == sha256_bytes((tmp_path / "x.json").read_bytes())


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: path.write_bytes(bytes(200_000)),
    "safetensors": lambda path: safetensors.torch.save_file({"a": torch.zeros(50_000)}, path),
    "torch": lambda path: torch.save({"a": torch.zeros(50_000)}, path),
    "numpy": lambda path: np.savez(path.open("wb"), a=np.zeros(50_000)),
}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 kB, mounted for the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("writer", WRITERS)
def test_whatever_writes_to_a_full_disk_says_so_in_one_line(small_disk, writer):
    with pytest.raises(UserError, match=r"disk/a: no space left on the disk: free some and run again"):
        with atomic_path(small_disk / "a") as temporary:
            WRITERS[writer](temporary)
    assert list(small_disk.iterdir()) == []


def test_too_many_open_files_is_said_in_one_line(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        with pytest.raises(UserError, match=r"too many open files: raise the limit \(ulimit -n\)"):
            write_bytes(tmp_path / "a", b"a")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_place_where_no_folder_can_be_made_is_said_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    for folder, said in ((tmp_path / "file" / "x", "a file stands where"), (Path("/proc/x"), "no folder can be made")):
        with pytest.raises(UserError, match=said):
            write_bytes(folder / "a", b"a")


def test_a_name_with_line_breaks_stays_on_one_line(capsys):
    announce("left out: a\nb\r\x1b[1m\u2028ü.png: no image")
    assert capsys.readouterr().err == "left out: a\\nb\\r\\x1b[1m\\u2028ü.png: no image\n"


def test_a_table_of_numbers_is_rounded_as_pandas_rounds_it(tmp_path):
    rows = [
        {"model": "a, b", "count": 45_197_827, "seconds": 1 / 3, "error": 1e-9, "rest": np.float32(0.1)},
        {"model": 'said "so"', "count": 0, "seconds": 123456789.0, "error": math.inf, "rest": 2.0},
        {"model": "", "count": -1, "seconds": math.nan, "error": -0.0, "rest": 0.1 + 0.2},
    ]
    for digits in (6, 7):
        write_csv(tmp_path / "a.csv", rows[0], (row.values() for row in rows), digits)
        assert (tmp_path / "a.csv").read_text() == pd.DataFrame(rows).to_csv(index=False, float_format=f"%.{digits}g")
