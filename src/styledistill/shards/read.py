"""Read pairs by number from the tars of a manifest, in any order and from several processes."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from ..config import gammas_of
from ..core.errors import UserError
from ..core.files import read_json, sha256_file
from ..core.images import open_rgb
from ..core.tensors import from_uint8
from .write import images_of

Place = tuple[int, int]  # offset and length in bytes


@dataclass(frozen=True)
class PairPlace:
    """Where the images of a pair stand: content, style, and the target at each gamma of the teacher."""

    key: str
    shard: Path
    images: tuple[Place, ...]


class PairDataset(Dataset[Tensor]):
    """The pairs of a manifest in its order; item: float32 (3, 3, H, W) in [0, 1], that is content, style, target.

    Shards are hashed once, here; a wrong or missing one raises UserError. Nothing is kept open or decoded in advance,
    so a DataLoader's workers may share the index. gammas: of a teacher at several; else empty.
    """

    def __init__(self, manifest: Path | str) -> None:
        listed = read_json(manifest)
        self.gammas: list[float] = gammas_of(listed["teacher"])
        names = images_of(listed["teacher"])
        self.places = [place for entry in listed["shards"] for place in _index(Path(manifest), entry, names)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, at: int | tuple[int, int]) -> Tensor:
        """at: a pair's number, whose target is that at the first gamma; or its number and the gamma's."""
        number, gamma = at if isinstance(at, tuple) else (at, 0)
        place = self.places[number]
        with place.shard.open("rb") as file:
            return from_uint8(np.stack([_decode(file, *place.images[image]) for image in (0, 1, 2 + gamma)]))

    @property
    def keys(self) -> list[str]:
        """Keys of the pairs in order."""
        return [place.key for place in self.places]


def _decode(file: BinaryIO, offset: int, length: int) -> np.ndarray:
    file.seek(offset)
    return np.asarray(open_rgb(file.read(length)))


def _index(manifest: Path, entry: dict, names: list[str]) -> list[PairPlace]:
    shard = manifest.parent / entry["file"]
    if not shard.exists():
        raise UserError(f"{shard}: the shard is missing that {manifest} lists; run the workflow again to pack it")
    if sha256_file(shard) != entry["sha256"]:
        raise UserError(f"{shard}: not the shard that {manifest} lists (sha256 differs); remove it and run again")
    with tarfile.open(shard) as tar:
        places = {member.name: (member.offset_data, member.size) for member in tar}
    return [PairPlace(key, shard, tuple(places[f"{key}.{name}"] for name in names)) for key in entry["pairs"]]
