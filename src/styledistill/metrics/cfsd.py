"""Content feature structural distance (StyleID, evaluation section): does the spatial self-similarity stay?

Patches are the positions of VGG19's relu3_1. Row i of an image's map is softmax_j(F_i . F_j) with features F divided
by their number of channels, as in the authors' evaluation code; the distance is KL(content row || stylized row).
"""

from __future__ import annotations

import torch
from torch import Tensor

# Rows per step. At 512 x 512 (16,384 patches) a float32 chunk of so many rows holds 4 MB, which a processor's cache
# takes; the whole map 1.1 GB.
_ROWS = 64


def cfsd(stylized: Tensor, content: Tensor, rows: int = _ROWS) -> Tensor:
    """CFSD of each image, summed over patches as in the authors' code: it grows with the image's area.

    stylized: relu3_1 features (N, C, H, W) of ImageNet-normalized images. content: the same of the contents,
    (N, C, H, W) or (1, C, H, W) when all share one. Returns (N,), nats. Not symmetric.
    `cfsd_mean` (the paper's mean over patches) is this divided by H * W.
    """
    if stylized.shape[1:] != content.shape[1:] or len(content) not in (1, len(stylized)):
        raise ValueError(f"features do not fit: {tuple(stylized.shape)} stylized, {tuple(content.shape)} content")
    stylized, content = _patches(stylized), _patches(content)
    total = stylized.new_zeros(len(stylized))
    for start in range(0, stylized.shape[1], rows):
        part = slice(start, start + rows)
        for one in range(len(content)):
            log_p = _log_similarity(content[one], part)
            for other in range(len(stylized)) if len(content) == 1 else [one]:
                total[other] += _divergence(log_p, _log_similarity(stylized[other], part))
    return total


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) summed over rows, from logarithms.

    Adds q - p, whose sum is 0, to each p log(p / q): no term is then negative, nothing cancels, and float32 also
    resolves the nearly flat rows of a network whose features are small (seeded weights). The difference comes from
    the larger of both and the ratio, which is at most 1: strong features make the other ratio overflow.
    """
    difference = log_p - log_q
    larger = torch.maximum(log_p, log_q).exp_()
    q_minus_p = difference.abs().neg_().expm1_().mul_(larger).copysign_(-difference)
    return log_p.exp().mul_(difference).add_(q_minus_p).sum()


def _patches(features: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H * W, C), divided by C."""
    return features.flatten(2).transpose(1, 2).float() / features.shape[1]


def _log_similarity(patches: Tensor, part: slice) -> Tensor:
    """The rows `part` of the log softmax of an image's self-similarity (patches, patches)."""
    return (patches[part] @ patches.T).log_softmax(1)
