"""The micro student: a convolutional stylizer whose time and memory are linear in pixels.

The content image goes down to stride 8 and up again; styled blocks (see `modulation`) at strides 8, 4 and 2 draw what the
code of the style image asks for.

Shapes: B images (B, 3, H, W) in [0, 1], H and W multiples of GRID.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .modulation import Styled, StyleEncoder

GRID = 8


@dataclass(frozen=True)
class MicroConfig:
    """Widths and depths."""

    code: int = 96  # numbers that stand for a style
    hidden: int = 128  # of the perceptron that makes the code
    widths: tuple[int, int, int] = (24, 48, 80)  # channels at strides 2, 4, 8
    blocks: tuple[int, int, int] = (2, 3, 3)  # styled blocks at strides 2, 4, 8
    expansion: int = 2
    kernel: int = 5


class Micro(nn.Module):
    """Images to stylized images, each by the code of a style."""

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.widths
        self.style_encoder = StyleEncoder(config.code, config.hidden)

        def convolution(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
            return nn.Conv2d(channels, out, kernel, stride, kernel // 2, padding_mode="replicate")

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

    def encode_style(self, styles: Tensor) -> Tensor:
        """Codes (B, code) of styles (B, 3, H, W) in [0, 1]."""
        return self.style_encoder(styles)

    def stylize(self, contents: Tensor, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W), around [0, 1] and not clamped, of contents (B, 3, H, W) in [0, 1] and codes (B, code)."""
        at2 = F.relu(self.down2(F.pixel_unshuffle(2 * contents - 1, 2)))
        at4 = F.relu(self.down4(F.pixel_unshuffle(at2, 2)))
        at4 = F.relu(self.mix4(at4))
        x = F.relu(self.down8(F.pixel_unshuffle(at4, 2)))
        for block in self.styled8:
            x = block(x, codes)
        x = at4 + F.interpolate(self.up4(x), scale_factor=2.0, mode="nearest")
        for block in self.styled4:
            x = block(x, codes)
        x = at2 + F.interpolate(self.up2(x), scale_factor=2.0, mode="nearest")
        for block in self.styled2:
            x = block(x, codes)
        return 0.5 + 0.5 * F.pixel_shuffle(self.out(x), 2)

    def forward(self, contents: Tensor, styles: Tensor) -> Tensor:
        """Images (B, 3, H, W), not clamped, of contents and styles (B, 3, H, W) in [0, 1]."""
        return self.stylize(contents, self.encode_style(styles))
