"""How far small sets lead FID, FID (64) and KID astray: prints the table of docs/metrics.md.

    PYTHONPATH=src python tests/parity/small_sets.py

Not part of a test; a quarter of an hour on one core. Of 400 drawn styles and 400 drawn scenes of 128 x 128 pixels, n at
a time: the distance between two halves of the styles, which should be 0, and that between styles and scenes, both
divided by what all 800 give. Mean and standard deviation over draws.
"""

from __future__ import annotations

import numpy as np
import torch

from styledistill import perceptual
from styledistill.core.tensors import from_uint8
from styledistill.metrics.fid import activations, frechet_distance
from styledistill.metrics.kid import kid
from styledistill.procedural.draw import draw

COUNT, SIZES, DRAWS = 400, (5, 10, 20, 40, 100), 12


def main() -> None:
    """Print a line for each network and number of images."""
    torch.set_num_threads(1)
    styles, scenes = features("styles"), features("scenes")
    for name in styles:
        study(name, styles[name], scenes[name])


def features(kind: str) -> dict[str, np.ndarray]:
    """Of every image, by network: Inception's two (seeded), and EfficientNet-Lite0's last (trained on ImageNet)."""
    inception, trained = perceptual.inception("seeded", 1), perceptual.efficientnet_lite0("package", 1)
    seen, last = [], []
    for number in range(COUNT):
        image = from_uint8(draw(kind, number, 128))
        seen.append(activations(image, inception))
        with torch.no_grad():
            last.append(trained(image)[-1].mean((2, 3)).double().numpy())
    first, pool3 = np.split(np.concatenate(seen), [perceptual.FIRST_BLOCK], axis=1)
    return {"Inception, 64": first, "Inception, 2048": pool3, "EfficientNet-Lite0, 480": np.concatenate(last)}


def study(name: str, styles: np.ndarray, scenes: np.ndarray) -> None:
    """Print the lines of one network."""
    random = np.random.default_rng(0)
    names = [str(number) for number in range(COUNT)]
    whole = {"frechet": frechet_distance(styles, scenes), "kid": kid(styles, scenes, names, names).value}
    for count in SIZES:
        found: dict[str, list[float]] = {f"{measure} {of}": [] for measure in whole for of in ("same", "other")}
        for _ in range(DRAWS):
            order, others = random.permutation(COUNT), random.permutation(COUNT)[:count]
            some = styles[order[:count]]
            for of, y in (("same", styles[order[count : 2 * count]]), ("other", scenes[others])):
                found[f"frechet {of}"].append(frechet_distance(some, y) / whole["frechet"])
                found[f"kid {of}"].append(kid(some, y, names[:count], names[:count]).value / whole["kid"])
        said = "  ".join(f"{key} {np.mean(values):.2f} ± {np.std(values):.2f}" for key, values in found.items())
        print(f"{name:24s} n = {count:3d}  {said}", flush=True)


if __name__ == "__main__":
    main()
