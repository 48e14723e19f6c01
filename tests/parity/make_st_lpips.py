"""What the authors' own program says of the images of `test_st_lpips.py`: writes fixtures/st_lpips.json.

    pip install stlpips-pytorch==0.0.2 ipython torchsummary torchvision
    python tests/parity/make_st_lpips.py

Not part of a test: the package imports two packages that it does not declare, and nothing else here needs them.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import torch
from fill import seeded_image
from stlpips_pytorch import stlpips

SIZES = {"even": (64, 96), "odd": (71, 50), "small": (33, 32), "square": (128, 128)}


def main() -> None:
    """Write the distances of two pairs of images of each size."""
    network = stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    distances = {}
    for name, size in SIZES.items():
        x, y = (seeded_image(f"st_lpips/{name}/{which}", *size, count=2) for which in "xy")
        y[1] = (3 * x[1] + y[1]) / 4  # a pair that is alike
        with torch.no_grad():
            distances[name] = network(x, y, normalize=True).flatten().tolist()
    facts = {
        "program": f"tests/parity/{Path(__file__).name}, on stlpips-pytorch {version('stlpips-pytorch')} (PyPI)",
        "weights": "weights/vST0.0/alex_shift_tolerant.pth of that package",
        "torch": version("torch"),
        "inputs": "seeded_image('st_lpips/<name>/x' and '/y', *sizes[name], count=2); the second y is three quarters x",
        "sizes": SIZES,
        "distances": distances,
    }
    Path(__file__).with_name("fixtures").joinpath("st_lpips.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
