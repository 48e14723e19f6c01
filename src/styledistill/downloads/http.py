"""Fetch one file over HTTP: a cut transfer goes on where it ended, and the file takes its name only when it is whole.

Proxies are those of the usual environment variables (http_proxy, https_proxy, no_proxy).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from filelock import FileLock, Timeout

from ..core.errors import UserError
from ..core.progress import Meter, announce
from .addresses import conceal, redacted, revealed
from .checks import OtherFile, check_download
from .lock import MIRROR

if TYPE_CHECKING:  # half a second, for those alone who ask a server
    import httpx2

# Answers of a server that may be another one soon: timeout, too many requests, and its own troubles.
PASSING = (408, 429, 500, 502, 503, 504)
LONGEST_PAUSE = 900.0  # seconds that a server may ask for before the user had better come back later
_CUT = "the connection was cut"


class Patience(NamedTuple):
    """How often and how long a server is asked again.

    attempts: how many in a row, while none of them brings more than the one before; pause: seconds before the second of
    them, doubled before each that follows, unless the server says how long; timeout: seconds without a byte.
    """

    attempts: int = 6
    pause: float = 2.0
    timeout: float = 60.0


class Cut(Exception):
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
    md5: str | None = None,
    attempts: int = 6,
    pause: float = 2.0,
    timeout: float = 60.0,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Download `url` (http, https) to `path`, unless it is there; the file's sha256, checked either way.

    sha256: the whole of it or its first digits; "" where nobody knows it: the content must then fit the name, and no
    web page is taken for it. size (bytes) and md5: where they are known. What has come lies in `<path>.part`, and a
    later call goes on there. attempts, pause, timeout: see `Patience`. headers: sent along, such as a token; another
    host than that of `url` never sees them.
    Raises UserError, whose line says what to do.
    """
    path = Path(path)
    if path.is_file():
        return check_download(path, path.name, sha256, size, md5)
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{url}: not an address that can be downloaded; it must begin with https:// or http://")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone_with(part) as file:
            while not path.is_file():  # another process may have brought it while this one waited
                left_over = _length(file)
                patience = Patience(attempts, pause, timeout)
                _bring(url, file, path, size, patience, headers or {}, pages=bool(sha256))
                try:
                    digest = check_download(part, path.name, sha256, size, md5)
                    part.replace(path)
                    return digest
                except OtherFile as error:
                    file.truncate(0)
                    if not left_over:
                        raise UserError(f"{url}: not the file wanted ({error.reason}). {_advice(path)}") from error
                    announce(f"{path.name}: {error.reason}; what an earlier run had left did not fit, begins anew")
    except OSError as error:  # those of the network are caught where they arise
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    return check_download(path, path.name, sha256, size, md5)


@contextmanager
def _alone_with(part: Path) -> Iterator[BinaryIO]:
    """The unfinished file, open for appending; a second process waits here, else both would write into one file."""
    lock = FileLock(part.with_name(f".{part.name}.lock"), fallback_to_soft=False)
    with ExitStack() as held:
        with suppress(OSError):  # some network file systems have no locks
            try:
                held.enter_context(lock.acquire(blocking=False))
            except Timeout:
                announce(f"{part.name}: another process is fetching it; waits")
                held.enter_context(lock.acquire())
        held.callback(Path(lock.lock_file).unlink, missing_ok=True)  # whoever waits for it makes another
        with part.open("ab") as file:
            try:
                yield file
            finally:
                if part.is_file() and not _length(file):
                    part.unlink()


def _bring(
    url: str, file: BinaryIO, path: Path, size: int | None, patience: Patience, headers: Mapping[str, str], pages: bool
) -> None:
    """Append to `file` all that it lacks of `url`, however often the transfer is cut. Raises UserError."""
    with client(headers, patience.timeout) as asking:
        keep_trying(
            lambda: _receive(asking, url, file, path.name, size, pages),
            lambda: _length(file),
            f"{url}: could not be downloaded",
            path.name,
            _advice(path),
            patience,
        )


def keep_trying(
    transfer: Callable[[], None], reached: Callable[[], int], failure: str, name: str, advice: str, patience: Patience
) -> None:
    """Call `transfer` until it ends without Cut. reached: bytes that have come, so that progress renews the patience.

    Raises UserError: `failure` (the cut), `advice`.
    """
    failures, furthest = 0, reached()
    while True:
        try:
            return transfer()
        except Cut as cut:
            failures = 1 if reached() > furthest else failures + 1
            furthest = max(furthest, reached())
            seconds = patience.pause * 2 ** (failures - 1) if cut.pause is None else cut.pause
            if failures >= patience.attempts or seconds > LONGEST_PAUSE:
                asked = "" if cut.pause is None else f"; it asks to wait {cut.pause:.0f} s"
                raise UserError(f"{failure} ({cut}{asked}). {advice}") from cut
            announce(f"{name}: {cut}; goes on at {reached():,} bytes in {seconds:.0f} s")
            time.sleep(seconds)


def _receive(asking: httpx2.Client, url: str, file: BinaryIO, name: str, size: int | None, pages: bool) -> None:
    """One transfer of what `file` lacks. Raises Cut for what may pass and UserError for what will not.

    pages: take what the server calls a web page too; a hash will tell, and some servers call everything so.
    """
    have = _length(file)
    if size is not None and have >= size:
        return
    with open_url(asking, url, f"bytes={have}-" if have else None) as answer:
        if answer is None:
            return
        if not pages and answer.headers.get("Content-Type", "").startswith("text/html"):
            raise UserError(
                f"{url}: a web page comes in place of the file. Open the address in a browser to see which."
            )
        begin = have if answer.status_code == 206 else 0  # a server that ignores ranges begins at the first byte
        coming = answer.headers.get("Content-Length")
        total = size if coming is None else begin + int(coming)
        if size is not None and total != size:
            raise UserError(f"{url}: {total:,} bytes there, expected {size:,}. Is this the right address?")
        if begin == 0:
            file.truncate(0)
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
            file.truncate(0)
            raise Cut("the server sent another part than the one asked for")
        meter = Meter(unit="byte", total=None if total is None else total - begin, label=name)
        for piece in answer.iter_raw():
            file.write(piece)
            meter.advance(len(piece))
        meter.close()
    file.flush()  # what is hashed next must be all of it, also where no length is asked for
    if total is not None and _length(file) < total:
        raise Cut(_CUT)


def size_there(url: str, headers: Mapping[str, str]) -> int | None:
    """Bytes of a file on a server, asked for once; None where it does not tell, or does not answer now."""
    try:
        with client(headers) as asking, open_url(asking, url, method="HEAD") as answer:
            return int(answer.headers.get("Content-Length", 0)) or None if answer else None
    except (Cut, UserError):
        return None  # whoever fetches the file says what is wrong, with more patience


def client(headers: Mapping[str, str] | None = None, timeout: float = 60.0) -> httpx2.Client:
    """Keeps its connections to a server for further requests; follows it to other hosts, where no token is sent.

    headers: of every request. timeout: seconds without a byte. Raises UserError for a proxy that it cannot use.
    """
    import httpx2

    # Bytes are counted as they are stored, so nothing may be packed on its way.
    always = {"User-Agent": "styledistill", "Accept-Encoding": "identity", **(headers or {})}
    try:
        return httpx2.Client(follow_redirects=True, headers=always, timeout=timeout)
    except (ImportError, ValueError) as error:
        reason = redacted(str(error).partition(". ")[0])
        raise UserError(f"the proxy that the environment names cannot be used: {reason}. Unset all_proxy.") from error


@contextmanager
def open_url(
    asking: httpx2.Client, url: str, span: str | None = None, method: str = "GET"
) -> Iterator[httpx2.Response | None]:
    """The answer to a request for `span` (a Range header) or, where the server will not, for all; None: nothing there.

    Raises Cut for what may pass and UserError for what will not, also while the answer is read.
    """
    import httpx2

    place, own = revealed(url)
    try:
        with asking.stream(method, place, headers=own | ({"Range": span} if span else {})) as answer:
            said = f"HTTP {answer.status_code} {answer.reason_phrase}"
            if answer.status_code in PASSING:
                raise Cut(said, asked_pause(answer.headers.get("Retry-After")))
            if answer.is_error and answer.status_code != 416:
                account = answer.status_code in (401, 403)
                advice = "Set HF_TOKEN if it needs an account." if account else "Is this the right address?"
                raise UserError(f"{url}: {said}. {advice}")
            yield None if answer.status_code == 416 else answer
    except httpx2.TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise UserError(f"{url}: {error}. Point SSL_CERT_FILE to your network's certificates.") from error
        raise Cut(_CUT if "peer closed" in str(error) else redacted(str(error)) or type(error).__name__) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UserError(f"{url}: {redacted(str(error))}. Is this the right address?") from error


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


def mirrored(url: str, parts: int = 1) -> str:
    """Where to fetch it: the publisher's address, or the mirror that STYLEDISTILL_MIRROR names.

    parts: of the publisher's path, from its end, that the mirror has.
    """
    if not (mirror := os.environ.get(MIRROR)):
        return url
    folder = urlsplit(mirror)
    path = "/".join([folder.path.rstrip("/"), *urlsplit(url).path.split("/")[-parts:]])
    return conceal(urlunsplit(folder._replace(path=path)))


def _length(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _advice(path: Path) -> str:
    return f"Run again to go on, or put the file at {path} yourself."
