"""A real HTTP server in a thread, which misbehaves on demand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from styledistill.downloads.http import Patience

QUICK = Patience(attempts=4, pause=0.01, timeout=5)  # enough for a server of this machine
PAGE = b"\n<!DOCTYPE html><title>Log in</title>"  # what a network that wants a password answers


@dataclass
class Server:
    """What is served under every name, or by path; how the next answers go wrong; what was asked for.

    script: one entry per answer, in order; behind its end all answers are right. `cut` closes the connection after half
    of what is asked for, `wrong` sends other bytes, (429, headers) an error, `shifted` another range, `whole` no range.
    """

    data: bytes | dict[str, bytes]
    ranges: bool = True
    lengths: bool = True
    keeps: bool = False  # connections, for more requests than one; for servers that are not scripted
    connections: int = 0
    script: list[str | tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path or address, and Range
    headers: dict[str, dict[str, str]] = field(default_factory=dict)  # by path, what an answer carries besides
    tokens: list[str | None] = field(default_factory=list)  # Authorization of each request
    address: str = ""


@contextmanager
def serving(data: bytes | dict[str, bytes], **settings) -> Iterator[Server]:
    """Serve `data` on a free port of this machine."""
    server = Server(data, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if server.keeps else "HTTP/1.0"

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers["Range"]))
            server.tokens.append(self.headers["Authorization"])
            answer(self, server, server.script.pop(0) if server.script else "right")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_) -> None:
            pass

    with listening(Handler) as server.address:
        yield server


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server of such requests, while it answers them."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def answer(request: BaseHTTPRequestHandler, server: Server, how: str | tuple[int, dict[str, str]]) -> None:
    """One answer; the connection is closed behind it, as HTTP/1.0 does, unless the server keeps it."""
    if not isinstance(how, str):
        send(request, *how)
        return
    found = server.data if isinstance(server.data, bytes) else server.data.get(request.path.partition("?")[0])
    if found is None:
        send(request, 404, {})
        return
    ranges = server.ranges and how != "whole"
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers["Range"] or "") if ranges else None
    begin, end = (int(asked[1]), int(asked[2] or len(found) - 1) + 1) if asked else (0, len(found))
    if asked and begin >= len(found):
        send(request, 416, {})
        return
    if how == "shifted":
        begin += 1
    body = found[begin:end]
    headers = {"Content-Length": str(len(body))} if server.lengths else {}
    headers |= server.headers.get(request.path.partition("?")[0], {})
    if asked:
        headers["Content-Range"] = f"bytes {begin}-{begin + len(body) - 1}/{len(found)}"
    if how == "wrong":
        body = bytes(255 - byte for byte in body)
    send(request, 206 if asked else 200, headers, body[: len(body) // 2] if how == "cut" else body)


def send(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
