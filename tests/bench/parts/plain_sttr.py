"""STTR computed as its authors' program does: same weights, same images, another way."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from styledistill.student.sttr import STTR, Attention, Tail


class WeighingAttention(Attention):
    """What nn.MultiheadAttention does when it is asked for its weights: it builds them, and their mean over the heads.

    `weights` (B, N, M) stays with the layer, as the authors' layers hand it on.
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query (B, N, d), key and value (B, M, d) -> (B, N, d)."""
        mixed, self.weights = F.multi_head_attention_forward(
            *(tokens.transpose(0, 1) for tokens in (query, key, value)),
            embed_dim_to_check=query.shape[-1],
            num_heads=self.heads,
            in_proj_weight=self.in_proj_weight,
            in_proj_bias=self.in_proj_bias,
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.out_proj.weight,
            out_proj_bias=self.out_proj.bias,
            training=False,
            need_weights=True,
        )
        return mixed.transpose(0, 1)


class PlainTail(Tail):
    """The last convolution behind the last enlarging."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels[0], h, w) to (B, 3, 8 h, 8 w)."""
        return nn.Sequential.forward(self, x)


def plain(network: STTR) -> STTR:
    """`network` itself, from now on computing so; its state dict stays as it is."""
    for module in network.modules():
        if isinstance(module, Attention):
            module.__class__ = WeighingAttention
        elif isinstance(module, Tail):
            module.__class__ = PlainTail
    return network
