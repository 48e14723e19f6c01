"""ST-LPIPS: a perceptual distance whose whole network, trunk and heads, comes with a package of PyPI.

Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric" (ECCV 2022): LPIPS on an AlexNet without strides that
alias, trained from its first weights on the human judgments of BAPPS. ImageNet's AlexNet, which LPIPS needs, is not
needed here. The authors' variant "alex, shift_tolerant".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..perceptual import seed_weights, weights_file, weights_of

NETWORK = "shift_tolerant_alexnet"  # of the network, in the configuration and in tables
# LPIPS' scaling of images in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
# Where the published file keeps the convolutions of the five depths.
CONVOLUTIONS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
EPSILON = 1e-10


def st_lpips(source: str, seed: int) -> ShiftTolerantLpips:
    """The fixed network.

    source: 'package' (stlpips-pytorch carries the weights), a file like the one there, or 'seeded' (a random trunk
    under heads of ones). seed: of the seeded trunk. Raises UserError.
    """
    network = ShiftTolerantLpips()
    if source == "seeded":
        seed_weights(network, seed)
    else:
        path = weights_file(NETWORK, source)
        with weights_of(NETWORK, path):
            network.load(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


class BlurPool(nn.Module):
    """A binomial blur of 3 x 3 at every second pixel (Zhang 2019), behind a mirrored border of two pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, (h + 3) // 2, (w + 3) // 2)."""
        row = x.new_tensor((1.0, 2.0, 1.0))
        kernel = (torch.outer(row, row) / 16).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


class ShiftTolerantLpips(nn.Module):
    """The distance between images in [0, 1]: symmetric, 0 for equal ones, without an upper end.

    Weights are those of construction until `load` is called.
    """

    def __init__(self) -> None:
        super().__init__()
        pool = nn.MaxPool2d(3, stride=1)
        self.depths = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(3, 64, 11, padding=2), BlurPool(), nn.ReLU()),
                nn.Sequential(pool, BlurPool(), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
                nn.Sequential(pool, BlurPool(), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
                nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
                nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
            ]
        )
        # How much each channel counts.
        self.heads = nn.ParameterList(torch.ones(convolution.out_channels) for convolution in self.convolutions())

    def convolutions(self) -> list[nn.Conv2d]:
        """The convolution of each depth."""
        return [module for module in self.depths.modules() if isinstance(module, nn.Conv2d)]

    def features(self, images: Tensor) -> list[Tensor]:
        """Activations of images (N, 3, H, W) in [0, 1] at five depths, each position of length 1: (N, C, h, w) each.

        Sides of at least 21 pixels. An image that is compared often is seen once.
        """
        shift, scale = (images.new_tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        x, found = (2 * images - 1 - shift) / scale, []
        x = x.contiguous(memory_format=torch.channels_last)  # a sixth less time on a CPU
        for depth in self.depths:
            x = depth(x)
            found.append(x / (x.square().sum(1, keepdim=True).sqrt() + EPSILON))
        return found

    def distance(self, one: list[Tensor], other: list[Tensor]) -> Tensor:
        """Distances (N,) by what `features` saw: N images and N or 1 others."""
        total = one[0].new_zeros(len(one[0]))
        for a, b, head in zip(one, other, self.heads, strict=True):
            total += torch.einsum("nchw,c->n", (a - b).square(), head) / (a.shape[2] * a.shape[3])
        return total

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances (N,) of images x and y (N, 3, H, W) in [0, 1]; no resizing."""
        return self.distance(self.features(x), self.features(y))

    def load(self, state: dict[str, Tensor]) -> ShiftTolerantLpips:
        """Take the weights of the published file (a state dict); returns itself.

        Raises KeyError or RuntimeError for a file that lacks some, has other shapes, or whose heads make no distance.
        """
        for depth, (convolution, name) in enumerate(zip(self.convolutions(), CONVOLUTIONS, strict=True)):
            convolution.load_state_dict({end: state[f"net.{name}.{end}"] for end in ("weight", "bias")})
            head = state[f"lin{depth}.model.1.weight"].reshape(convolution.out_channels)
            if not (head >= 0).all():
                raise RuntimeError(f"lin{depth} has negative weights")
            self.heads[depth].data.copy_(head)
        return self
