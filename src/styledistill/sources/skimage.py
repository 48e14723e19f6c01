"""The photographs that scikit-image carries in its package: real images with no download.

Gray ones become RGB with three equal channels. Licenses: public domain or CC0 except where scikit-image's own
`data/README.txt` says otherwise; only what the wheel itself contains is used.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

# name of the image -> file in skimage/data
FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "ihc": "ihc.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}


def read(name: str) -> bytes:
    """The encoded file of one photograph. Raises KeyError for an unknown name."""
    with as_file(files("skimage").joinpath("data", FILES[name])) as path:
        return Path(path).read_bytes()
