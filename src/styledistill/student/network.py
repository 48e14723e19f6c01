"""What the networks of all architectures do alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class Network(nn.Module):
    """Encodes a style apart, and draws contents in it. All images are ImageNet-normalized."""

    def forward(self, content: Tensor, style: Tensor, strength: Tensor | None = None) -> Tensor:
        """content (B, 3, H, W) and style (B, 3, H', W') to the stylized image (B, 3, H, W).

        strength: (B,) in [0, 1], of each style against the content's own; 1 without.
        """
        memory = self.encode_style(style)
        if strength is None:
            return self.decode(content, memory)
        return self.mixed(content, [self.encode_style(content), memory], [1 - strength, strength])

    @abstractmethod
    def encode_style(self, style: Tensor) -> Any:
        """Style images (B, 3, H', W') to a named tuple of what they leave, one row a style."""

    @abstractmethod
    def decode(self, content: Tensor, style: Any) -> Tensor:
        """Content images (B, 3, H, W) in the styles of B rows to stylized images (B, 3, H, W)."""

    @abstractmethod
    def mixed(self, content: Tensor, styles: Sequence[Any], portions: Sequence[float | Tensor]) -> Tensor:
        """As `decode`, from a mixture. portions: of each style, or (B,) of it in each image; 1 in all."""
