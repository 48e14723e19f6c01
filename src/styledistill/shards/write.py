"""Write pairs into tar files that the `webdataset` package reads as they are, and list them in a manifest.

A pair `<key>` is four members in this order: `<key>.content.png`, `.style.png`, `.target.png` and `.json`. Of a teacher
at several gammas, `.target_0.2.png` and the like stand before the last. Equal pairs give equal bytes: no times, no
owners, a fixed order.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import METHODS, gammas_of, method_of
from ..core.errors import BadImage, UserError
from ..core.files import atomic_path, canonical_json, read_json, sha256_bytes, sha256_file, write_json
from ..core.images import whole_size
from ..splits import names as called
from ..splits import tables

IMAGES = ("content.png", "style.png", "target.png")


def images_of(teacher: Mapping[str, Any]) -> list[str]:
    """Ends of the names of a pair's images, by what decided the targets: IMAGES, then targets at further gammas."""
    return [*IMAGES, *(f"target_{gamma}.png" for gamma in gammas_of(teacher)[1:])]


@dataclass(frozen=True)
class Pair:
    """One pair of a shard: its key without dots, the encoded PNGs, where they come from, what decided the target.

    further: targets at the teacher's further gammas.
    """

    key: str
    content: bytes
    style: bytes
    target: bytes
    sources: dict[str, Any]
    teacher: dict[str, Any]
    further: tuple[bytes, ...] = ()

    @property
    def members(self) -> list[tuple[str, bytes]]:
        """File names and bytes in the order of the tar. Raises UserError when the images do not fit together."""
        data = (self.content, self.style, self.target, *self.further)
        images = dict(zip(images_of(self.teacher), data, strict=True))
        sizes = {name: self._size(name, data) for name, data in images.items()}
        if len(set(sizes.values())) != 1:
            raise UserError(f"{self.key}: images of different sizes {sizes}; remove them and run again")
        facts = {
            "sources": self.sources,
            "sha256": {name.removesuffix(".png"): sha256_bytes(data) for name, data in images.items()},
            "teacher": self.teacher,
        }
        named = [*images.items(), ("json", canonical_json(facts).encode())]
        return [(f"{self.key}.{name}", data) for name, data in named]

    def _size(self, name: str, data: bytes) -> tuple[int, int]:
        try:
            return whole_size(data)
        except BadImage as error:
            raise UserError(f"{self.key}.{name}: {error}; remove it and run again") from error


def block_pairs(block: Path, images: Path, teacher: Path, name: str) -> Iterator[Pair]:
    """The pairs of a block, contents and styles in the order of its table.

    block: CSV with columns name, role, source, image, sha256. Crops are `images`/c03.png, teacher images
    `teacher`/c03_s05.png, at further gammas `teacher`/gamma_0.2/c03_s05.png, all that decided them
    `teacher`/teacher.json; keys are `<name>_c03_s05`.
    """
    facts = read_json(teacher / "teacher.json")
    for content, style in tables.paired(block, METHODS[method_of(facts)].crosses):
        pair = called.pair(content.name, style.name)
        crops = [(images / f"{row.name}.png").read_bytes() for row in (content, style)]
        folders = [teacher, *(teacher / called.at_gamma(gamma) for gamma in gammas_of(facts)[1:])]
        target, *further = ((folder / f"{pair}.png").read_bytes() for folder in folders)
        sources = {
            row.role: {"source": row.source, "image": row.image, "sha256": row.sha256} for row in (content, style)
        }
        yield Pair(f"{name}_{pair}", *crops, target, sources, facts, tuple(further))


def write_shard(path: Path | str, pairs: Iterable[Pair]) -> None:
    """Write `pairs` in their order to the tar `path`, at once or not at all."""
    with atomic_path(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for pair in pairs:
            for name, data in pair.members:
                member = tarfile.TarInfo(name)  # time, owner and group are zero by default
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def write_manifest(
    path: Path | str,
    split: str,
    pairs: int,
    shards: Sequence[Path],
    left_out: Collection[tuple[str, str]] = (),
    faults: Mapping[str, str] | None = None,
) -> None:
    """List the first `pairs` pairs of `shards`, in the order of shards and of pairs within them.

    left_out: (block, name) of images whose pairs are passed over, as ("0007", "c03"). faults: pairs that may not teach,
    with the reason; they are passed over and listed as `dropped`, as far as the pairs that are taken reach. `path`
    stands above the shards: their names are written relative to its folder. Raises UserError when there are too few
    pairs or when the shards were made with different teacher settings.
    """
    folder, left = Path(path).parent, pairs
    entries, teachers, passed, dropped = [], {}, 0, {}
    for shard in shards:
        keys, teacher = _contents(shard)
        usable = [key for key in keys if not left_out or images_of_pair(key).isdisjoint(left_out)]
        taken, bad = _good(usable, faults or {}, left)
        passed, left = passed + len(keys) - len(usable), left - len(taken)
        dropped |= bad
        if taken:
            teachers[canonical_json(teacher)] = shard
            name = Path(os.path.relpath(shard, folder)).as_posix()  # whatever dots either path holds
            entries.append({"file": name, "sha256": sha256_file(shard), "pairs": taken})
    if left:
        copies = f" beside {passed} of images that look like one of another split" if passed else ""
        copies += f", and {len(dropped)} more that pairs.keep drops" if dropped else ""
        raise UserError(f"{path}: {pairs} pairs asked for, but the {split} shards hold only {pairs - left}{copies}")
    if len(teachers) > 1:
        one, other = list(teachers.values())[:2]
        raise UserError(f"{one} and {other} were made with different teacher settings: remove one and run again")
    listed = {"split": split, "pairs": pairs, "shards": entries, "teacher": json.loads(next(iter(teachers)))}
    write_json(path, listed if faults is None else listed | {"dropped": dropped})


def _good(keys: Sequence[str], faults: Mapping[str, str], most: int) -> tuple[list[str], dict[str, str]]:
    """The first `most` keys without a fault, and those with one among and before them."""
    good: list[str] = []
    bad = {}
    for key in keys:
        if len(good) == most:
            break
        if key in faults:
            bad[key] = faults[key]
        else:
            good.append(key)
    return good, bad


def images_of_pair(key: str) -> set[tuple[str, str]]:
    """(block, name) of content and style of a pair: train_0007_c03_s05."""
    found = called.read_key(key)
    assert found is not None, key
    return {(found.block, found.content), (found.block, found.style)}


def _contents(shard: Path) -> tuple[list[str], dict[str, Any]]:
    """Keys of a shard in order, and what decided the target of its first pair (those of all: one job wrote it)."""
    with tarfile.open(shard) as tar:
        facts = [member for member in tar if member.name.endswith(".json")]
        if not facts:
            raise UserError(f"{shard}: no pairs in it; remove it and run again")
        first = tar.extractfile(facts[0])
        assert first is not None
        return [member.name.removesuffix(".json") for member in facts], json.load(first)["teacher"]
