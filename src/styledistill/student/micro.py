"""The micro student: a convolutional stylizer whose time and memory are linear in pixels.

The content image goes down to stride 8 and up again; styled blocks (see `modulation`) at strides 8, 4 and 2 draw what
the code of the style image asks for.

Shapes: B images (B, 3, H, W), ImageNet-normalized as STTR's are, H and W multiples of 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..perceptual import denormalize, normalize
from .controls import mixture
from .modulation import Styled, StyleEncoder
from .network import Network


@dataclass(frozen=True)
class MicroConfig:
    """Widths and depths."""

    code: int = 96  # numbers that stand for a style
    hidden: int = 128  # of the perceptron that makes the code
    widths: tuple[int, int, int] = (24, 48, 80)  # channels at strides 2, 4, 8
    blocks: tuple[int, int, int] = (2, 3, 3)  # styled blocks at strides 2, 4, 8
    expansion: int = 2
    kernel: int = 5  # side of the depthwise filters of the styled blocks


SIZES = dict.fromkeys(("tiny", "full"), MicroConfig())  # one size, by either word of the configuration


class StyleCodes(NamedTuple):
    """What a style leaves: a code (B, code)."""

    codes: Tensor


class Micro(Network):
    """Images to stylized images, each by the code of a style."""

    grid: ClassVar[int] = 8
    linear: ClassVar[bool] = True  # whether time grows with the pixels, and not with their square
    memory_format: ClassVar[torch.memory_format] = torch.channels_last  # a quarter less time on a CPU

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.widths
        self.style_encoder = StyleEncoder(config.code, config.hidden)

        def convolution(channels: int, out: int, kernel: int) -> nn.Conv2d:
            return nn.Conv2d(channels, out, kernel, padding=kernel // 2, padding_mode="replicate")

        def styled(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(Styled(width, config.code, config.expansion, config.kernel) for _ in range(count))

        self.down2 = convolution(12, fine, 3)
        self.down4 = convolution(4 * fine, middle, 1)
        self.mix4 = convolution(middle, middle, 3)
        self.down8 = convolution(4 * middle, coarse, 1)
        self.styled8 = styled(coarse, config.blocks[2])
        self.up4 = convolution(coarse, middle, 1)
        self.styled4 = styled(middle, config.blocks[1])
        self.up2 = convolution(middle, fine, 1)
        self.styled2 = styled(fine, config.blocks[0])
        self.out = convolution(fine, 12, 3)

    @property
    def heaviest(self) -> list[nn.Module]:
        """The parts whose activations take most of a training's memory."""
        return [*self.styled8, *self.styled4, *self.styled2]

    def encode_style(self, style: Tensor) -> StyleCodes:
        """Style images (B, 3, H', W') to their codes; these serve any number of contents."""
        return StyleCodes(self.style_encoder(denormalize(style)))

    def decode(self, content: Tensor, style: StyleCodes) -> Tensor:
        """Content images (B, 3, H, W) in the styles of B codes to stylized images (B, 3, H, W)."""
        at2 = F.relu(self.down2(F.pixel_unshuffle(2 * denormalize(content) - 1, 2)))
        at4 = F.relu(self.mix4(F.relu(self.down4(F.pixel_unshuffle(at2, 2)))))
        x = F.relu(self.down8(F.pixel_unshuffle(at4, 2)))
        for block in self.styled8:
            x = block(x, style.codes)
        x = at4 + F.interpolate(self.up4(x), scale_factor=2.0, mode="nearest")
        for block in self.styled4:
            x = block(x, style.codes)
        x = at2 + F.interpolate(self.up2(x), scale_factor=2.0, mode="nearest")
        for block in self.styled2:
            x = block(x, style.codes)
        return normalize(0.5 + 0.5 * F.pixel_shuffle(self.out(x), 2))

    def mixed(self, content: Tensor, styles: Sequence[StyleCodes], portions: Sequence[float | Tensor]) -> Tensor:
        """As `decode`, with a mixture of codes. portions: of each style, or (B,) of it in each image; 1 in all."""
        return self.decode(content, StyleCodes(mixture([style.codes for style in styles], portions)))
