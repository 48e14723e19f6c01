"""torch-fidelity and clean-fid on FID and KID: writes fixtures/kid.json and prints the figures of docs/metrics.md.

    pip install torch-fidelity==0.4.0 clean-fid==0.1.35
    PYTHONPATH=src python tests/parity/make_fid.py

Not part of a test. Inception has the same seeded weights in every program here, for their own cannot be had everywhere:
what differs is how they resize and normalize images, and how they compute statistics. Minutes on one core.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch_fidelity
from cleanfid import fid as clean
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_poly, mmd2

from styledistill import perceptual
from styledistill.core.images import save_png
from styledistill.core.tensors import load_images
from styledistill.metrics.fid import activations, frechet_distance
from styledistill.metrics.kid import kid
from styledistill.procedural.draw import draw

FIXTURES = Path(__file__).with_name("fixtures")
IMAGES = {128: 24, 512: 12}  # how many scenes and how many styles of each size
POLYNOMIAL = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}


def main() -> None:
    """Write the fixture, print the differences."""
    with np.load(FIXTURES / "metrics.npz") as arrays:
        sets = {name: arrays[name].astype(np.float64) for name in ("fid_x", "fid_y", "fid_x10", "fid_y10")}
    facts = {
        "program": f"tests/parity/{Path(__file__).name}, on torch-fidelity {version('torch-fidelity')} (PyPI)",
        "inputs": "arrays of metrics.npz, in float64; crossed: row 5 c + s of fid_x10, fid_y10 has content c, style s",
        "u-statistic": {
            names: mmd2(*_kernels(*(sets[name] for name in names.split())), mmd_est="u-statistic")
            for names in ("fid_x fid_y", "fid_x10 fid_y10")
        },
        "crossed": _crossed(sets["fid_x10"], sets["fid_y10"]),
    }
    (FIXTURES / "kid.json").write_text(json.dumps(facts, indent=1) + "\n")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pth"
        torch.save(_whole(perceptual._loaded("inception", perceptual._fid_inception, "seeded", 1)), weights)
        for size, count in IMAGES.items():
            _compare(Path(folder) / str(size), size, count, weights)


def _kernels(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(kernel_poly(*two, **POLYNOMIAL) for two in ((x, x), (x, y), (y, y)))


def _crossed(x: np.ndarray, y: np.ndarray) -> float:
    """The mean over two rows of different content and style, term by term."""
    within_x, between, within_y = _kernels(x, y)
    apart = [(i, j) for i in range(10) for j in range(10) if i // 5 != j // 5 and i % 5 != j % 5]
    return float(np.mean([within_x[i, j] + within_y[i, j] - between[i, j] - between[j, i] for i, j in apart]))


def _whole(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights, with zeros for the classifier, which was never drawn."""
    return {key: torch.zeros_like(value) if key[:3] == "fc." else value for key, value in network.state_dict().items()}


def _compare(folder: Path, size: int, count: int, weights: Path) -> None:
    for kind in ("scenes", "styles"):
        for number in range(count):
            save_png(draw(kind, number, size), folder / kind / f"{number:02d}.png")
    places = [folder / kind for kind in ("scenes", "styles")]
    network = perceptual.inception("seeded", 1)
    ours = [_split(activations(load_images(sorted(place.iterdir())), network)) for place in places]
    names = [str(number) for number in range(count)]
    print(f"{count} scenes and {count} styles of {size} x {size} pixels")
    for dimensions, place in ((64, 0), (2048, 1)):
        x, y = (side[place] for side in ours)
        found = torch_fidelity.calculate_metrics(
            input1=str(places[0]), input2=str(places[1]), fid=True, kid=True, cuda=False,
            verbose=False, kid_subsets=1, kid_subset_size=count,
            feature_extractor_weights_path=str(weights), feature_layer_fid=str(dimensions),
            feature_layer_kid=str(dimensions), cache=False,
        )  # fmt: skip
        _say(f"torch-fidelity, FID {dimensions}", frechet_distance(x, y), found["frechet_inception_distance"])
        _say(
            f"torch-fidelity, KID {dimensions}", kid(x, y, names, names).value, found["kernel_inception_distance_mean"]
        )
    x, y = (side[1] for side in ours)
    theirs = [_of_clean_fid(place, network) for place in places]
    _say("clean-fid, FID", frechet_distance(x, y), _clean_frechet(*theirs))
    _say("clean-fid, KID", kid(x, y, names, names).value, clean.kernel_distance(*theirs, num_subsets=1))
    print("The same activations (ours) in the statistics of each program:")
    for name, value in _statistics(x, y):
        _say(name, frechet_distance(x, y) if "FID" in name else kid(x, y, names, names).value, value)


def _split(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.split(seen, [perceptual.FIRST_BLOCK], axis=1))


@torch.no_grad()
def _of_clean_fid(folder: Path, network: perceptual.Pool3) -> np.ndarray:
    """Activations of clean-fid's own reader and resizer (mode clean), and of its normalization."""

    def model(images: torch.Tensor) -> torch.Tensor:
        x = (images - 128) / 128
        for block in network.network.blocks:
            x = block(x)
        return x.flatten(1)

    return clean.get_folder_features(str(folder), model, 0, batch_size=8, device=torch.device("cpu"), verbose=False)


def _clean_frechet(x: np.ndarray, y: np.ndarray) -> float:
    return float(clean.frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False)))


def _statistics(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, float]]:
    single = [torch.from_numpy(side.astype(np.float32)) for side in (x, y)]  # as the programs have them
    found = fid_statistics_to_metric(*map(fid_features_to_statistics, single), verbose=False)
    yield "torch-fidelity, FID", found["frechet_inception_distance"]
    yield "clean-fid, FID", _clean_frechet(*(side.numpy() for side in single))
    yield "torch-fidelity, KID (u-statistic)", mmd2(*_kernels(x, y), mmd_est="u-statistic")
    yield "torch-fidelity, KID (unbiased, its default)", mmd2(*_kernels(x, y))
    yield "clean-fid, KID", clean.kernel_distance(*(side.numpy() for side in single), num_subsets=1)


def _say(what: str, ours: float, theirs: float) -> None:
    print(f"  {what:48s} ours {ours:12.7g}  theirs {theirs:12.7g}  {100 * (theirs / ours - 1):+10.4g} %", flush=True)


if __name__ == "__main__":
    main()
