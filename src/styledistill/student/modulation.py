"""What carries a style into a network: a code of the style image, and blocks whose channels the code scales and shifts.

A style image becomes one code: means and deviations of EfficientNet-Lite0's features at strides 2 to 8 (its weights are
ImageNet's and stay fixed), beside statistics of the image's colors, through a small perceptron. A styled block
normalizes each of its channels over the image and gives it the scale and the shift that the code asks for (conditional
instance normalization: Dumoulin et al. 2017, Ghiasi et al. 2017). The scale stands between the depthwise filters of the
block and its nonlinearity, so that a style chooses which filters draw.

Shapes: B images (B, 3, H, W) in [0, 1].
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..perceptual import efficientnet_lite0
from ..perceptual.efficientnet import CHANNELS, EfficientNetLite0
from .cpu_training import depthwise, modulated
from .style_statistics import EPSILON, LEVELS, PROJECTIONS

DEPTHS = 4  # of EfficientNet-Lite0's features: strides 2, 2, 4 and 8
COLORS = 3 + 6 + LEVELS * len(PROJECTIONS)


def color_statistics(images: Tensor) -> Tensor:
    """(B, COLORS) numbers of images (B, 3, H, W): channel means, covariances, and a smooth distribution function."""
    pixels = images.flatten(2)
    mean = pixels.mean(2)
    centered = pixels - mean[:, :, None]
    covariance = centered @ centered.transpose(1, 2) / pixels.shape[2]
    rows, columns = (0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2)
    directions = pixels.new_tensor(PROJECTIONS)
    along = directions @ pixels  # (B, 6, H W)
    low, high = directions.clamp(max=0).sum(1), directions.clamp(min=0).sum(1)
    steps = torch.linspace(0, 1, LEVELS + 2, device=pixels.device)[1:-1]
    # One level at a time: memory stays that of the projections.
    shares = [
        torch.sigmoid((along - (low + step * (high - low))[:, None]) * (20 / (high - low))[:, None]).mean(2)
        for step in steps
    ]
    return torch.cat([mean, 10 * covariance[:, rows, columns], *shares], 1)


def feature_statistics(features: Sequence[Tensor]) -> Tensor:
    """Means and standard deviations of every channel of features (B, C, h, w), in a row: (B, 2 x sum of C)."""
    values = []
    for feature in features:
        flat = feature.flatten(2).float()
        mean = flat.mean(2, keepdim=True)
        # Centered first: the mean square less the squared mean leaves nothing but rounding of a flat channel.
        values += [mean[:, :, 0], torch.sqrt((flat - mean).square_().mean(2) + EPSILON)]
    return torch.cat(values, 1)


class StyleEncoder(nn.Module):
    """Style images to codes."""

    def __init__(self, code: int, hidden: int) -> None:
        """code: numbers that stand for a style. hidden: width of the perceptron."""
        super().__init__()
        self.features = EfficientNetLite0(DEPTHS)
        self.features.requires_grad_(False)
        size = 2 * sum(CHANNELS[:DEPTHS]) + COLORS
        # Statistics of training styles, so that the perceptron's inputs are of equal size.
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.perceptron = nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, code))
        self._known: dict[bytes, Tensor] | None = None

    def remember(self) -> None:
        """Compute the statistics of each style once, as for a training, in which they do not change."""
        self._known = {}

    def statistics(self, styles: Tensor, features: Sequence[Tensor] | None = None) -> Tensor:
        """Raw statistics of styles (B, 3, H, W) in [0, 1]; features: of EfficientNet-Lite0, where they are known."""
        if features is None:
            features = self.features(styles)
        return torch.cat([feature_statistics(features[:DEPTHS]), color_statistics(styles)], 1)

    def forward(self, styles: Tensor, features: Sequence[Tensor] | None = None) -> Tensor:
        """Codes (B, code) of styles (B, 3, H, W) in [0, 1]."""
        if features is None and self._known is not None and styles.device.type == "cpu":
            raw = torch.cat([self._remembered(style, self._known) for style in styles[:, None]])
        else:
            raw = self.statistics(styles, features)
        statistics = (raw - self.mean) * self.scale
        return self.perceptron(statistics.clamp(-4, 4))

    @torch.no_grad()
    def _remembered(self, style: Tensor, known: dict[bytes, Tensor]) -> Tensor:
        """Statistics of a style (1, 3, H, W). One at a time, so that no digit depends on what else is in a batch."""
        key = hashlib.sha256(style.contiguous().numpy()).digest()
        if key not in known:
            known[key] = self.statistics(style)
        return known[key]


def load_features(network: nn.Module) -> None:
    """Give the style encoders of a network, if it has any, EfficientNet-Lite0's weights. Raises UserError."""
    for encoder in _encoders(network):
        encoder.features.load_state_dict(efficientnet_lite0("package", 0, DEPTHS).state_dict())


def remember_styles(network: nn.Module) -> None:
    """Let the style encoders of a network, if it has any, compute the statistics of each style once."""
    for encoder in _encoders(network):
        encoder.remember()


def _encoders(network: nn.Module) -> list[StyleEncoder]:
    return [module for module in network.modules() if isinstance(module, StyleEncoder)]


class Styled(nn.Module):
    """A residual block whose depthwise filters' outputs are normalized, then scaled and shifted as a code asks."""

    def __init__(self, width: int, code: int, expansion: int = 2, kernel: int = 5) -> None:
        """width: channels. code: numbers that stand for a style. expansion: of the channels that are filtered."""
        super().__init__()
        inner = width * expansion
        self.expand = nn.Conv2d(width, inner, 1)
        self.filter = nn.Conv2d(inner, inner, kernel, padding=kernel // 2, groups=inner, padding_mode="replicate")
        self.ask = nn.Linear(code, 2 * inner)
        self.project = nn.Conv2d(inner, width, 1)
        with torch.no_grad():
            self.ask.weight.normal_(std=0.1 / code**0.5)
        nn.init.zeros_(self.ask.bias)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """x (B, width, h, w), code (B, code) to (B, width, h, w)."""
        scale, shift = self.ask(code)[:, :, None, None].chunk(2, 1)
        expanded = F.relu(self.expand(x))
        fast = expanded.device.type == "cpu" and expanded.dtype == self.filter.weight.dtype  # another: of autocast
        if fast and torch.is_grad_enabled() and expanded.requires_grad:
            around = F.pad(expanded, [self.filter.kernel_size[0] // 2] * 4, mode="replicate")
            return x + self.project(modulated(depthwise(around, self.filter.weight, self.filter.bias), scale, shift))
        filtered = self.filter(expanded)
        # A norm does not see what all places have in common. Taken off first, it spares kernels that subtract the
        # squared mean from the mean square (torch's, where channels lie last) what rounding leaves of a flat channel.
        # Of one place only, as the smallest images have it, torch.nn's own norms refuse to take the mean.
        y = torch.group_norm(filtered - filtered[:, :, :1, :1], filtered.shape[1], eps=EPSILON)
        return x + self.project(F.relu(y * (1 + scale) + shift))
