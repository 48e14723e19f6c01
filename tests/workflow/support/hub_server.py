"""A hub of this machine: a real HTTP server that speaks the Hugging Face hub's protocol, and fails on demand.

Repositories are made, files are announced, large ones go by git-lfs, a commit brings them into place, and `resolve`
gives them back. What it keeps, it keeps in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any
from urllib.parse import unquote

from serving import listening

TOKEN = "hf_aSecretOfThisTest"
LARGE = 10_000  # bytes from which a file goes by git-lfs; the real hub looks at names too
_API = re.compile(r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(revision|preupload|commit|tree)/([^/]+))?")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repo:
    """commits: of each the files, by name; the first is the hub's own."""

    private: bool
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{".gitattributes": b"*.safetensors filter=lfs\n"}])

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1]

    def sha(self, number: int = -1) -> str:
        text = repr([sorted(files.items()) for files in self.commits[: number % len(self.commits) + 1]])
        return hashlib.sha1(text.encode()).hexdigest()


@dataclass
class Hub:
    """failures: in order, (method, part of the path, what): an HTTP status, `cut` for a connection that is closed
    before the answer, `late` for one that is closed after the work is done; each happens once. asked: method and path.
    """

    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    failures: list[tuple[str, str, int | str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    words: str = ""  # of an answer that is an error
    address: str = ""

    def environment(self, home: object) -> dict[str, str]:
        """What tells a program of the hub to come here; its cache is below `home`."""
        return {"HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}


@contextmanager
def hub_serving() -> Iterator[Hub]:
    """A hub without repositories on a free port of this machine."""
    hub, lock = Hub(), Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            path = unquote(self.path.partition("?")[0])
            with lock:
                hub.asked.append(f"{self.command} {path}")
                hub.tokens.add(self.headers["Authorization"])
                failure = next((f for f in hub.failures if f[0] == self.command and f[1] in path), None)
                if failure:
                    hub.failures.remove(failure)
                if failure and isinstance(failure[2], int):
                    self.answer(failure[2], {"error": hub.words or f"told to say {failure[2]}"})
                    return
                if failure and failure[2] == "cut":
                    self.connection.close()
                    return
                status, headers, data = respond(hub, self.command, path, self.headers["Authorization"], body)
                if not failure:
                    self.answer(status, data, headers)

        def do_GET(self) -> None:
            self.do_POST()

        def do_HEAD(self) -> None:
            self.do_POST()

        def do_PUT(self) -> None:
            self.do_POST()

        def answer(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
            raw = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as hub.address:
        yield hub


Answer = tuple[int, dict[str, str], Any]


def respond(hub: Hub, method: str, path: str, token: str | None, body: bytes) -> Answer:
    """Status, headers and body of an answer."""
    known = token == f"Bearer {TOKEN}"
    if path.startswith("/lfs/"):  # as on the hub, the address itself is the permission
        hub.large[hashlib.sha256(body).hexdigest()] = body
        return (200 if path == f"/lfs/{hashlib.sha256(body).hexdigest()}" else 400), {}, b""
    if path == "/api/whoami-v2":
        return (200, {}, {"type": "user", "name": "owner"}) if known else (401, {}, {"error": "Invalid user token."})
    if path == "/api/validate-yaml":
        return 200, {}, {"errors": [], "warnings": []}
    if path == "/api/repos/create":
        return create(hub, json.loads(body)) if known else (401, {}, {"error": "Unauthorized"})
    if found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
        return 200, {"Content-Type": "application/vnd.git-lfs+json"}, batch(hub, json.loads(body)["objects"])
    if found := _API.fullmatch(path):
        kind, name, door, revision = found.groups()
        repo = hub.repos.get((kind, name))
        if repo is None or (repo.private and not known):
            return 404 if known else 401, {"X-Error-Code": "RepoNotFound"}, {"error": "Repository not found"}
        if door == "preupload":
            return 200, {}, {"files": [mode(file, repo) for file in json.loads(body)["files"]]}
        if door == "commit":
            return commit(hub, address(hub, kind, name), repo, body) if known else (403, {}, {"error": "Forbidden"})
        return 200, {}, tree(repo) if door == "tree" else facts(name, repo)
    if found := _FILE.fullmatch(path):
        kind, name, revision, file = found.groups()
        return resolved(hub.repos.get(("dataset" if kind else "model", name)), revision, file, known)
    return 404, {}, {"error": f"{method} {path} is not known here"}


def create(hub: Hub, asked: dict[str, Any]) -> Answer:
    name = f"{asked['organization']}/{asked['name']}"
    if asked["organization"] != "owner":
        return (
            403,
            {},
            {"error": f"You don't have the rights to create a model under the namespace {asked['organization']!r}"},
        )
    key = asked.get("type") or "model", name
    if key in hub.repos:
        return 409, {}, {"error": "You already created this model repo", "url": f"{hub.address}/{name}"}
    hub.repos[key] = Repo(asked.get("visibility") == "private" or bool(asked.get("private")))
    return 200, {}, {"url": address(hub, key[0], name)}


def mode(file: dict[str, Any], repo: Repo) -> dict[str, Any]:
    how = "lfs" if file["size"] >= LARGE else "regular"
    held = repo.files.get(file["path"])
    return {"path": file["path"], "uploadMode": how, "shouldIgnore": False, "oid": held and blob(held)}


def batch(hub: Hub, objects: list[dict[str, Any]]) -> dict[str, Any]:
    """What has come before is not asked for again."""
    actions = {"upload": {"href": f"{hub.address}/lfs/{{}}"}}
    told = json.dumps(actions)
    return {
        "transfer": "basic",
        "objects": [
            {**one, **({} if one["oid"] in hub.large else {"actions": json.loads(told.replace("{}", one["oid"]))})}
            for one in objects
        ],
    }


def commit(hub: Hub, place: str, repo: Repo, body: bytes) -> Answer:
    """All of it, or nothing. place: the address of the repository."""
    files = dict(repo.files)
    for line in body.splitlines():
        what = json.loads(line)
        key, value = what["key"], what["value"]
        if key == "header" and value.get("parentCommit") not in (None, repo.sha()):
            return 412, {}, {"error": "A commit has happened since. Please refresh and try again."}
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            if value["oid"] not in hub.large:
                return 400, {}, {"error": f"{value['path']}: its content has not come"}
            files[value["path"]] = hub.large[value["oid"]]
        elif key == "deletedFile":
            del files[value["path"]]
    repo.commits.append(files)
    return 200, {}, {"success": True, "commitOid": repo.sha(), "commitUrl": f"{place}/commit/{repo.sha()}"}


def facts(name: str, repo: Repo) -> dict[str, Any]:
    siblings = [
        {"rfilename": path, "size": len(data), "blobId": blob(data)}
        | ({"lfs": {"sha256": sha256(data), "size": len(data), "pointerSize": 130}} if len(data) >= LARGE else {})
        for path, data in repo.files.items()
    ]
    return {"_id": "1", "id": name, "modelId": name, "sha": repo.sha(), "private": repo.private, "siblings": siblings}


def tree(repo: Repo) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": path, "size": len(data), "oid": blob(data)}
        | ({"lfs": {"oid": sha256(data), "size": len(data), "pointerSize": 130}} if len(data) >= LARGE else {})
        for path, data in repo.files.items()
    ]


def resolved(repo: Repo | None, revision: str, name: str, known: bool) -> Answer:
    if repo is None or (repo.private and not known):
        return 401, {"X-Error-Code": "RepoNotFound"}, b""
    shas = [repo.sha(number) for number in range(len(repo.commits))]
    if revision not in ("main", *shas):
        return 404, {"X-Error-Code": "RevisionNotFound"}, b""
    place = shas.index(revision) if revision in shas else len(shas) - 1
    headers = {"X-Repo-Commit": shas[place]}
    data = repo.commits[place].get(name)
    if data is None:
        return 404, {"X-Error-Code": "EntryNotFound", **headers}, b""
    tag = sha256(data) if len(data) >= LARGE else blob(data)
    return 200, {"ETag": f'"{tag}"', **headers}, data


def address(hub: Hub, kind: str, name: str) -> str:
    return f"{hub.address}/{'datasets/' if kind == 'dataset' else ''}{name}"


def blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
