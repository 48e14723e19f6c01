"""Whether a run scores StyleID's own evaluation images in StyleID's own way."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...config import Config, DatasetSource, total
from ...config.datasets import datasets
from ...core.files import sha256_bytes
from ...core.places import braced
from ...downloads.lock import FOLDER, NAME, listed, mirror_of

# Registry names of StyleID's evaluation images (data/cnt and data/sty of its repository), and how many there are.
CONTENTS, STYLES, SIDE = ("styleid_contents", 20), ("styleid_styles", 40), 512


def is_styleids(config: Config) -> bool:
    """Whether the golden set is meant to be StyleID's evaluation set, with the networks of its scores and real weights.

    Only images that the registry of data sets names count, from one commit of the authors; a folder may hold any.
    Whether they are what has come, `evaluation_images` says behind the download.
    """
    networks, golden = config.networks, config.golden
    return (
        _is(config, golden.contents, *CONTENTS)
        and _is(config, golden.styles, *STYLES)
        and config.image_size == SIDE
        and (config.metrics.lpips, config.metrics.fid) == ("alexnet", "art_inception")
        and networks.features == "vgg19"
        and {networks.alexnet, networks.vgg19, networks.art_inception} == {"download"}
    )


class Decision(NamedTuple):
    """Whether published scores may stand beside measured ones, and by what that was decided: a sentence or two."""

    holds: bool
    reason: str


def evaluation_images(golden: Path) -> Decision:
    """Whether the golden images are the authors' own, as far as that can be known.

    golden: blocks/golden.csv. Each image must have the sha256 that the lock has for the authors' address of it, and
    must have come from that address and from no mirror.
    """
    with golden.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lock, seen = listed(FOLDER), []
    for role, (name, count) in (("content", CONTENTS), ("style", STYLES)):
        places = {PurePosixPath(place).name: place for place in braced(_address(name))}
        hashes = {row["image"]: row["sha256"] for row in rows if row["role"] == role}
        if set(hashes) != set(places) or len(places) != count:
            return _without(f"the {role}s are not the {count} of {_address(name)}")
        for image, place in sorted(places.items()):
            if lock.get(place) != hashes[image]:
                return _without(f"{role} {image} is not what {FOLDER / NAME} has for {place}")
            if mirror := mirror_of(FOLDER, place):
                return _without(f"{role} {image} came from a mirror ({mirror}), which may hold any image")
        seen += [f"{place} {hashes[image]}\n" for image, place in sorted(places.items())]
    commit, digest = _address(CONTENTS[0]).rpartition("/data/")[0], sha256_bytes("".join(seen).encode())
    return Decision(
        True,
        f"The images are StyleID's own: {CONTENTS[1]} contents and {STYLES[1]} styles, each fetched from one commit "
        f"of its authors ({commit}) and with the sha256 that {FOLDER / NAME} has for it; blocks/golden.csv lists them. "
        f"sha256 over all addresses and hashes: {digest}.",
    )


def _without(reason: str) -> Decision:
    return Decision(False, f"No published rows, for it cannot be told that the images are StyleID's own: {reason}.")


def _address(name: str) -> str:
    return datasets()[name]["source"]["address"]


def _is(config: Config, chosen: dict[str, int | list[str]], name: str, count: int) -> bool:
    if len(chosen) != 1 or total(chosen) != count:
        return False
    return config.sources[next(iter(chosen))] == DatasetSource(kind="dataset", name=name).meant()
