"""A package of npm: taken as it lies, from the mirror or by npm itself, and never another file than the pinned one."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from styledistill.core.errors import UserError
from styledistill.downloads.npm import ONNXRUNTIME_WEB, NpmPackage, fetch, members


def archive(text: bytes = b"words") -> bytes:
    """A package as npm packs them, with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("package/dist/a.js")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return buffer.getvalue()


def package_of(data: bytes) -> NpmPackage:
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return NpmPackage("trial", "1.2.3", f"sha512-{digest}", len(data))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder that is the mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("STYLEDISTILL_MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield folder
    server.shutdown()


def test_what_lies_there_is_taken_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    data, path = archive(), tmp_path / "a.tgz"
    path.write_bytes(data)
    assert fetch(package_of(data), path) == path
    assert members(path, ["dist/a.js"]) == {"dist/a.js": b"words"}
    with pytest.raises(UserError, match=r"a\.tgz: .*dist/b\.js"):
        members(path, ["dist/b.js"])
    with pytest.raises(UserError, match=r"a\.tgz: not trial@1\.2\.3 \(sha512 is .*; remove it and run again"):
        fetch(package_of(data + b"x"), path)


def test_it_comes_from_the_mirror(tmp_path: Path, served: Path):
    data = archive()
    (served / "trial-1.2.3.tgz").write_bytes(data)
    path = fetch(package_of(data), tmp_path / "here" / "a.tgz")
    assert path.read_bytes() == data
    (served / "trial-1.2.3.tgz").write_bytes(archive(b"other"))
    with pytest.raises(UserError, match=r"not trial@1\.2\.3|bytes there, expected"):
        fetch(package_of(data), tmp_path / "b.tgz")


def test_without_npm_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "here" / "a.tgz"
    with pytest.raises(UserError) as told:
        fetch(ONNXRUNTIME_WEB, path)
    assert "\n" not in str(told.value) and str(path) in str(told.value)
    assert f"npm pack {ONNXRUNTIME_WEB.spec}" in str(told.value) and "STYLEDISTILL_MIRROR" in str(told.value)


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm: apt-get install npm")
def test_what_npm_cannot_fetch_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")  # nobody answers there
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=rf"npm could not fetch {ONNXRUNTIME_WEB.spec} \(ECONNREFUSED\)\. Put it there"):
        fetch(ONNXRUNTIME_WEB, tmp_path / "here" / "a.tgz")
    assert list((tmp_path / "here").iterdir()) == []


def test_the_archive_of_npm_is_the_pinned_one():
    """`integrity` is what `npm view <spec> dist.integrity` says; the same bytes lie here where they were fetched."""
    path = Path(__file__).parents[3] / "resources/downloads" / ONNXRUNTIME_WEB.file
    if not path.is_file():
        pytest.skip(f"no {path.name}: python src page --fetch")
    assert fetch(ONNXRUNTIME_WEB, path).stat().st_size == ONNXRUNTIME_WEB.bytes
