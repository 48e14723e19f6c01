"""Fetch one file over HTTP: a cut transfer goes on where it ended, and the file takes its name only when it is whole.

Proxies are those of the usual environment variables (http_proxy, https_proxy, no_proxy).
"""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from ..core.errors import UserError
from ..core.progress import Meter, announce
from .check import OtherFile, check_file

# Answers of a server that may be another one soon: timeout, too many requests, and its own troubles.
PASSING = (408, 429, 500, 502, 503, 504)
LONGEST_PAUSE = 900.0  # seconds that a server may ask for before the user had better come back later
_CHUNK = 1 << 20


class _Cut(Exception):
    """A transfer ended early and may go on. pause: seconds that the server asks to wait, if it does."""

    def __init__(self, reason: object, pause: float | None = None) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.pause = pause


def fetch_file(
    url: str,
    path: Path | str,
    sha256: str,
    size: int | None = None,
    *,
    attempts: int = 6,
    pause: float = 2.0,
    timeout: float = 60.0,
) -> str:
    """Download `url` (http, https) to `path`, unless it is there; the file's sha256, checked either way.

    sha256: the whole of it or its first digits. size: in bytes, where it is known. What has come lies in `<path>.part`,
    and a later call goes on there. attempts: how many in a row, while none of them brings more than the one before;
    pause: seconds before the second of them, doubled before each that follows, unless the server says how long
    (Retry-After); timeout: seconds without a byte.
    Raises UserError, whose line says what to do.
    """
    path = Path(path)
    if path.is_file():
        return check_file(path, sha256, size)
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{url}: not an address that can be downloaded; it must begin with https:// or http://")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone_with(part) as file:
            while not path.is_file():  # another process may have brought it while this one waited
                left_over = _length(file)
                _bring(url, file, path, size, attempts, pause, timeout)
                try:
                    digest = check_file(part, sha256, size)
                    part.replace(path)
                    return digest
                except OtherFile as error:
                    file.truncate(0)
                    if not left_over:
                        raise UserError(f"{url}: not the file wanted ({error.reason}). {_advice(path)}") from error
                    announce(f"{path.name}: {error.reason}; what an earlier run had left did not fit, begins anew")
    except OSError as error:  # those of the network are caught where they arise
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    return check_file(path, sha256, size)


@contextmanager
def _alone_with(part: Path) -> Iterator[BinaryIO]:
    """The unfinished file, open for appending; a second process waits here, else both would write into one file."""
    while True:
        with part.open("ab") as file:
            with suppress(OSError):  # some network file systems have no locks
                _lock(file, part.name)
            if part.is_file() and os.path.samestat(os.fstat(file.fileno()), part.stat()):
                try:
                    yield file
                    return
                finally:
                    if part.is_file() and not _length(file):
                        part.unlink()
        # The process before this one has renamed or removed the file: begin anew with one that has a name.


def _lock(file: BinaryIO, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        announce(f"{name}: another process is fetching it; waits")
        fcntl.flock(file, fcntl.LOCK_EX)


def _bring(url: str, file: BinaryIO, path: Path, size: int | None, attempts: int, pause: float, timeout: float) -> None:
    """Append to `file` all that it lacks of `url`, however often the transfer is cut. Raises UserError."""
    failures, furthest = 0, _length(file)
    while True:
        try:
            return _receive(url, file, path.name, size, timeout)
        except _Cut as cut:
            failures = 1 if _length(file) > furthest else failures + 1
            furthest = max(furthest, _length(file))
            seconds = pause * 2 ** (failures - 1) if cut.pause is None else cut.pause
            if failures >= attempts or seconds > LONGEST_PAUSE:
                asked = "" if cut.pause is None else f"; it asks to wait {cut.pause:.0f} s"
                raise UserError(f"{url}: could not be downloaded ({cut}{asked}). {_advice(path)}") from cut
            announce(f"{path.name}: {cut}; goes on at {_length(file):,} bytes in {seconds:.0f} s")
            time.sleep(seconds)


def _receive(url: str, file: BinaryIO, name: str, size: int | None, timeout: float) -> None:
    """One transfer of what `file` lacks. Raises _Cut for what may pass and UserError for what will not."""
    have = _length(file)
    if size is not None and have >= size:
        return
    answer = _answer(url, have, timeout)
    if answer is None:
        return
    with answer:
        begin = have if answer.status == 206 else 0  # a server that ignores ranges begins at the first byte
        coming = answer.headers["Content-Length"]
        total = size if coming is None else begin + int(coming)
        if size is not None and total != size:
            raise UserError(f"{url}: {total:,} bytes there, expected {size:,}. Is this the right address?")
        if begin == 0:
            file.truncate(0)
        elif not (answer.headers["Content-Range"] or "").startswith(f"bytes {begin}-"):
            file.truncate(0)
            raise _Cut("the server sent another part than the one asked for")
        meter = Meter(unit="byte", total=None if total is None else total - begin, label=name)
        for piece in _pieces(answer):
            file.write(piece)
            meter.advance(len(piece))
        meter.close()
    if total is not None and _length(file) < total:
        raise _Cut("the connection was cut")


def _answer(url: str, have: int, timeout: float) -> http.client.HTTPResponse | None:
    """The answer that begins at byte `have` or, where the server will not, at the first; None: nothing lies behind."""
    request = Request(url, headers={"User-Agent": "styledistill"} | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        return build_opener().open(request, timeout=timeout)
    except HTTPError as error:
        if error.code == 416:
            return None
        if error.code in PASSING:
            raise _Cut(f"HTTP {error.code} {error.reason}", asked_pause(error.headers["Retry-After"])) from error
        raise UserError(f"{url}: HTTP {error.code} {error.reason}. Is this the right address?") from error
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            advice = "Point SSL_CERT_FILE to your network's certificates."
            raise UserError(f"{url}: {error.reason.verify_message}. {advice}") from error
        raise _Cut(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(error) from error


def _pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := answer.read1(_CHUNK):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(error) from error


def asked_pause(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None without one, or when it is neither."""
    if value is None:
        return None
    if re.fullmatch(r"\d+", value.strip()):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _length(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _advice(path: Path) -> str:
    return f"Run again to go on, or put the file at {path} yourself."
