"""LPIPS (Zhang et al. 2018) by the `lpips` package, version 0.1, AlexNet trunk."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from ..perceptual import alexnet_features


class Lpips(nn.Module):
    """Perceptual distance of two batches of pictures.

    The trunk comes from `perceptual.alexnet_features(source, seed)`: trained weights, or seeded ones where none can be
    downloaded. The linear layers on top are always the calibrated ones that the package carries.
    """

    def __init__(self, source: str, seed: int) -> None:
        super().__init__()
        self.net = _package_module()
        _replace_trunk(self.net.net, alexnet_features(source, seed))
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances (N,) of pictures x and y (N, 3, H, W) in [0, 1]; no resizing."""
        return self.net(x, y, normalize=True).flatten()


def _package_module() -> nn.Module:
    import lpips

    # The constructor draws a random trunk from the global generator, which is none of its callers' business.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package still says `pretrained=` to torchvision
        return lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)


def _replace_trunk(trunk: nn.Module, features: nn.Module) -> None:
    """Give the package's trunk (slices with torchvision's layer numbers) the weights of torchvision's `features`."""
    weights = features.state_dict()
    trunk.load_state_dict({key: weights[key.split(".", 1)[1]] for key in trunk.state_dict()})
