"""Small archives of every form, and a hub to serve them from."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from styledistill.config import ArchiveSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def image(seed: int, width: int = 40, height: int = 32, form: str = "JPEG") -> bytes:
    """An encoded image of coarse noise."""
    levels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC).save(buffer, form)
    return buffer.getvalue()


def images(count: int, pattern: str = "photos/{:02d}.jpg") -> dict[str, bytes]:
    """Names and bytes of `count` images."""
    return {pattern.format(number): image(number) for number in range(count)}


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar; mode "w:gz" packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def parquet(cells: list[bytes], rows_per_group: int, column: str = "image", **settings: Any) -> bytes:
    """A data set's parquet file as the hub's own tools write it; settings are those of pyarrow's writer."""
    buffer = io.BytesIO()
    table = pa.table({column: [{"bytes": cell, "path": None} for cell in cells], "label": list(range(len(cells)))})
    pq.write_table(table, buffer, row_group_size=rows_per_group, **settings)
    return buffer.getvalue()


def hub(repo: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a hub serves for a data set whose branch `main` is at COMMIT; of each file it tells size and sha256."""
    siblings = [
        {
            "rfilename": name,
            "size": len(data),
            "lfs": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134},
        }
        for name, data in files.items()
    ]
    facts = json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "downloads": 0}).encode()
    served = {f"/api/datasets/{repo}/revision/{revision}": facts for revision in ("main", COMMIT)}
    return served | {f"/datasets/{repo}/resolve/{COMMIT}/{quote(name)}": data for name, data in files.items()}


def model_hub(repo: str, files: Mapping[str, bytes], branch: str = "main") -> dict[str, bytes]:
    """What a hub serves for a model whose `branch` is at COMMIT; tensors are its large files."""
    siblings = []
    for name, data in files.items():
        facts = {
            "rfilename": name,
            "size": len(data),
            "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
        }
        if name.endswith((".safetensors", ".bin")):
            facts["blobId"] = "0" * 40  # git has a pointer to it only
            facts["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        siblings.append(facts)
    told = json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "downloads": 0}).encode()
    served = {f"/api/models/{repo}/revision/{revision}": told for revision in (branch, COMMIT)}
    return served | {f"/{repo}/resolve/{COMMIT}/{name}": data for name, data in files.items()}


def altered(data: bytes, cell: bytes) -> bytes:
    """The file with one byte of a cell's image changed: a JPEG that decodes to other pixels."""
    place = data.index(cell) + len(cell) * 3 // 4
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def archive(address: Path | str, **settings: Any) -> ArchiveSource:
    """The source that an archive at this address is."""
    return ArchiveSource(kind="archive", address=str(address), **settings)
