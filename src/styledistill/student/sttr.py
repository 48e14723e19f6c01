"""STTR, the student network: ResNet-50 features, a transformer over them, an upsampling tail.

Fine-grained tokens of the content (stride 8) ask coarse tokens of the style (stride 32). Source: Wang et al.,
"Fine-Grained Image Style Transfer with Visual Transformers" (ACCV 2022), and its authors' program. Names and shapes of
the state dict are theirs, so their checkpoint loads strictly. Attention is fused and never returns its weights.

Shapes: B images, H and W multiples of 32, images in ImageNet-normalized space, N = tokens, d = width of a token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..perceptual import denormalize
from .controls import mixture
from .modulation import Styled, StyleEncoder
from .network import Network


@dataclass(frozen=True)
class STTRConfig:
    """Widths and depths. The defaults are the authors' network."""

    width: int = 256  # d, numbers in a token
    heads: int = 8
    encoder_layers: int = 6
    decoder_layers: int = 6
    feedforward: int = 2048
    dropout: float = 0.1  # in training mode only
    content_stem: int = 64  # channels of the ResNet's first convolution; its layer k has stem * 2**(k + 1) channels
    style_stem: int = 64
    content_blocks: tuple[int, ...] = (3, 4)  # bottleneck blocks per ResNet layer
    style_blocks: tuple[int, ...] = (3, 4, 6, 3)
    tail: tuple[int, int, int] = (512, 256, 128)  # channels entering the three stages of the tail
    train_stem: bool = False  # whether the ResNets' conv1 and layer1 train; without ImageNet weights they must
    style_code: int = 0  # numbers of a code that styles the tail at strides 4 and 2; 0 is the authors' tail
    style_hidden: int = 96  # of the perceptron that makes the code
    style_blocks_tail: tuple[int, int] = (2, 2)  # styled blocks at strides 4 and 2

    def __post_init__(self) -> None:
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(f"width {self.width} is not divided by {self.heads} heads")


SIZES = {
    "full": STTRConfig(),
    # A token at stride 8 stands for 8 x 8 x 3 = 192 numbers of color (48 at stride 4, 12 at stride 2), so no stage is
    # narrower than that; the savings are in depth and in the backbones.
    "tiny": STTRConfig(
        width=192,
        heads=6,
        encoder_layers=1,
        decoder_layers=3,
        feedforward=256,
        dropout=0.0,
        content_stem=48,
        style_stem=16,
        content_blocks=(1, 1),
        style_blocks=(1, 1, 1, 1),
        tail=(192, 64, 32),
        train_stem=True,
    ),
}


# --- ResNet -----------------------------------------------------------------------------------------------------


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics and affine part are constants (buffers, so no optimizer sees them)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w), scaled and shifted."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-5)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside a shortcut; ResNet v1.5, the stride is in the 3x3."""

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        out = 4 * inner
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 1, bias=False), FrozenBatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False), FrozenBatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, out, 1, bias=False), FrozenBatchNorm2d(out)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), FrozenBatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, 4 * inner, h / stride, w / stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x), inplace=True)


class ResNet(nn.Module):
    """The layers of ResNet up to stride 2 ** (1 + number of layers), without pooling and classifier."""

    def __init__(self, stem: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm2d(stem)
        self.layers = len(blocks)
        channels = stem
        for index, count in enumerate(blocks):
            inner, stride = stem * 2**index, 1 if index == 0 else 2
            layer = [Bottleneck(channels, inner, stride)]
            layer += [Bottleneck(4 * inner, inner, 1) for _ in range(count - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(*layer))
            channels = 4 * inner
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) to the features of the last layer (B, channels, h, w)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        for index in range(1, self.layers + 1):
            x = getattr(self, f"layer{index}")(x)
        return x


class Backbone(nn.Module):
    """A ResNet under the name that the authors' checkpoint gives it."""

    def __init__(self, stem: int, blocks: tuple[int, ...], train_stem: bool) -> None:
        super().__init__()
        self.body = ResNet(stem, blocks)
        if not train_stem:
            for part in (self.body.conv1, self.body.layer1):
                part.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Normalized images (B, 3, H, W) to features (B, body.channels, h, w)."""
        return self.body(images)


def thaw_batch_norm(network: STTR) -> None:
    """Replace the backbones' constant batch norms by trainable ones: for training without ImageNet weights.

    The state dict then has `num_batches_tracked` entries too, until `freeze_batch_norm` takes them away.
    """
    for parent, name, norm in _batch_norms(network, FrozenBatchNorm2d):
        setattr(parent, name, _copied(norm, nn.BatchNorm2d(norm.weight.numel(), device=norm.weight.device)))


def freeze_batch_norm(network: STTR) -> None:
    """Make constants of what the backbones' trainable batch norms have learned and estimated."""
    for parent, name, norm in _batch_norms(network, nn.BatchNorm2d):
        setattr(parent, name, _copied(norm, FrozenBatchNorm2d(norm.weight.numel()).to(norm.weight.device)))


def _batch_norms(network: STTR, kind: type[nn.Module]) -> list[tuple[nn.Module, str, nn.Module]]:
    backbones = (network.backbone_content, network.backbone_style)
    parents = [parent for backbone in backbones for parent in backbone.modules()]
    return [(p, name, child) for p in parents for name, child in p.named_children() if isinstance(child, kind)]


@torch.no_grad()
def _copied(source: nn.Module, target: nn.Module) -> nn.Module:
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(target, name).copy_(getattr(source, name))
    return target.train(source.training)


# --- transformer ------------------------------------------------------------------------------------------------


def sine_position(height: int, width: int, channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """DETR's sine embedding of a grid, (1, height * width, channels): half of the channels for y, half for x.

    Coordinates count from 1 and are divided by their largest, times 2 pi; even channels are sines, odd are cosines.
    """
    half = channels // 2
    exponent = 2 * (torch.arange(half, device=device) // 2) / half
    frequency = torch.pow(10000.0, exponent)

    def axis(length: int) -> Tensor:
        steps = torch.arange(1, length + 1, device=device, dtype=torch.float32)
        angle = (steps / (length + 1e-6) * (2 * math.pi))[:, None] / frequency
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    y = axis(height)[:, None, :].expand(height, width, half)
    x = axis(width)[None, :, :].expand(height, width, half)
    return torch.cat((y, x), dim=2).reshape(1, height * width, channels).to(dtype)


class Attention(nn.Module):
    """Multi-head attention, fused; parameters named as nn.MultiheadAttention names them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query (B, N, d), key and value (B, M, d) -> (B, N, d)."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(tokens, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each added and then normalized (post-norm)."""

    def __init__(self, config: STTRConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.width, config.heads, config.dropout)
        self.linear1 = nn.Linear(config.width, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, config.width)
        self.norm1, self.norm2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Tokens (B, M, d) and their position (1, M, d) to tokens."""
        placed = x + position
        x = self.norm1(x + self.dropout(self.self_attn(placed, placed, x)))
        return self.norm2(x + self.dropout(_feed_forward(self, x)))


class DecoderLayer(nn.Module):
    """Self-attention of content tokens, their attention to the style, feed-forward; post-norm."""

    def __init__(self, config: STTRConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config.width, config.heads, config.dropout)
        self.multihead_attn = Attention(config.width, config.heads, config.dropout)
        self.linear1 = nn.Linear(config.width, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, config.width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(config.width) for _ in range(3))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, position: Tensor, style: StyleMemory) -> Tensor:
        """Tokens (B, N, d), their position (1, N, d) and the style's memory to tokens."""
        placed = x + position
        x = self.norm1(x + self.dropout(self.self_attn(placed, placed, x)))
        x = self.norm2(x + self.dropout(self.multihead_attn(x + position, style.keys, style.values)))
        return self.norm3(x + self.dropout(_feed_forward(self, x)))


def _feed_forward(layer: EncoderLayer | DecoderLayer, x: Tensor) -> Tensor:
    return layer.linear2(layer.dropout(F.relu(layer.linear1(x), inplace=True)))


class StyleMemory(NamedTuple):
    """What a style leaves: for the decoder (B, M, d) both, tokens with their position added and tokens as they are.

    codes: (B, style_code) for a styled tail, else None.
    """

    keys: Tensor
    values: Tensor
    codes: Tensor | None = None


class Encoder(nn.Module):
    """Layers over style tokens. There is no norm behind the last one."""

    def __init__(self, config: STTRConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))

    def forward(self, tokens: Tensor, position: Tensor) -> StyleMemory:
        """Style tokens (B, M, d) and their position (1, M, d) to the style's memory."""
        for layer in self.layers:
            tokens = layer(tokens, position)
        return StyleMemory(tokens + position, tokens)


class Decoder(nn.Module):
    """Layers whose queries are the content tokens, and a norm behind the last."""

    def __init__(self, config: STTRConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: Tensor, position: Tensor, style: StyleMemory) -> Tensor:
        """Content tokens (B, N, d), their position (1, N, d) and the style's memory to stylized tokens."""
        for layer in self.layers:
            tokens = layer(tokens, position, style)
        return self.norm(tokens)


class Transformer(nn.Module):
    """Encoder and decoder under the name that the authors' checkpoint gives them; Xavier start as in DETR."""

    def __init__(self, config: STTRConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)


# --- tail -------------------------------------------------------------------------------------------------------


class ResBlock(nn.Module):
    """Norm, LeakyReLU, convolution three times (1x1, 3x3, 1x1), added to the input."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.BatchNorm2d(inner),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(inner, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape."""
        return x + self.net(x)


PARTS = 4  # of a stage of the tail


class Tail(nn.Sequential):
    """Three stages of residual block, doubling, 3x3 convolution: (B, channels[0], h, w) to (B, 3, 8 h, 8 w)."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        parts: list[nn.Module] = []
        for into, out in zip(channels, (*channels[1:], 3), strict=True):
            parts += [ResBlock(into, into // 2), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)]
            parts += [nn.ReflectionPad2d(1), nn.Conv2d(into, out, 3)]
        super().__init__(*parts)

    def forward(self, x: Tensor, draw: Callable[[int, Tensor], Tensor] | None = None) -> Tensor:
        """Features (B, channels[0], h, w) to a normalized image (B, 3, 8 h, 8 w).

        draw: given a stage (1 or 2) and the features that enter it, returns what enters it instead.
        """
        *earlier, enlarge, pad, last = self
        for number, part in enumerate(earlier):
            if draw and number in (PARTS, 2 * PARTS):
                x = draw(number // PARTS, x)
            x = part(x)
        return _convolve_late(x, nn.Sequential(enlarge, pad), last)


def _convolve_late(x: Tensor, enlarge: nn.Module, convolution: nn.Conv2d) -> Tensor:
    """`convolution(enlarge(x))` for a 3x3 convolution to few channels, with the channels mixed before the enlarging.

    Doubling and padding act on each channel alone and mixing acts on each pixel alone, so their order is free. Mixed
    first, 27 channels (9 taps x RGB) are enlarged instead of 128: a tenth of the time and a fifth of the memory of
    what is the network's largest feature map.
    """
    out, into = convolution.weight.shape[:2]
    taps = enlarge(F.conv2d(x, convolution.weight.permute(2, 3, 0, 1).reshape(9 * out, into, 1, 1))).unflatten(
        1, (9, out)
    )
    height, width = taps.shape[-2] - 2, taps.shape[-1] - 2
    image = convolution.bias[:, None, None]
    for tap in range(9):
        top, left = divmod(tap, 3)
        image = image + taps[:, tap, :, top : top + height, left : left + width]
    return image


# --- the network ------------------------------------------------------------------------------------------------


class STTR(Network):
    """Content and style images to a stylized image, all in ImageNet-normalized space (not squashed)."""

    grid: ClassVar[int] = 32  # the style backbone's stride
    linear: ClassVar[bool] = False  # whether time grows with the pixels, and not with their square
    memory_format: ClassVar[torch.memory_format] = torch.contiguous_format

    def __init__(self, config: STTRConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.backbone_content = Backbone(config.content_stem, config.content_blocks, config.train_stem)
        self.backbone_style = Backbone(config.style_stem, config.style_blocks, config.train_stem)
        self.input_proj_c = nn.Conv2d(self.backbone_content.body.channels, config.width, 1)
        self.input_proj_s = nn.Conv2d(self.backbone_style.body.channels, config.width, 1)
        self.output_proj = nn.Conv2d(config.width, config.tail[0], 1)
        self.tail = Tail(config.tail)
        if config.style_code:
            self.style_encoder = StyleEncoder(config.style_code, config.style_hidden)
            self.styled_tail = nn.ModuleList(
                nn.ModuleList(Styled(width, config.style_code) for _ in range(count))
                for width, count in zip(config.tail[1:], config.style_blocks_tail, strict=True)
            )
            for block in (block for blocks in self.styled_tail for block in blocks):
                nn.init.zeros_(block.project.weight)  # starts as nothing

    @property
    def heaviest(self) -> list[nn.Module]:
        """The parts whose activations take most of a training's memory."""
        return [*self.transformer.decoder.layers, self.tail]

    def encode_style(self, style: Tensor) -> StyleMemory:
        """Style images (B, 3, H', W') to their memory of H'/32 * W'/32 tokens; it serves any number of contents."""
        tokens, position, _ = self._tokens(self.input_proj_s(self.backbone_style(style)))
        memory = self.transformer.encoder(tokens, position)
        return memory._replace(codes=self.style_encoder(denormalize(style))) if self.config.style_code else memory

    def decode(self, content: Tensor, style: StyleMemory) -> Tensor:
        """Content images (B, 3, H, W) in the styles of B memories to stylized images (B, 3, H, W)."""
        return self.draw(self.features(content, style), style.codes)

    def mixed(self, content: Tensor, styles: Sequence[StyleMemory], portions: Sequence[float | Tensor]) -> Tensor:
        """As `decode`, from a mixture of the features, and of the codes.

        portions: of each style, or (B,) of it in each image; 1 in all.
        """
        codes = [style.codes for style in styles]
        tokens = self._content_tokens(content)
        return self.draw(
            mixture([self._stylized(tokens, style) for style in styles], portions),
            None if codes[0] is None else mixture(codes, portions),
        )

    def draw(self, features: Tensor, codes: Tensor | None) -> Tensor:
        """The tail: features (B, tail[0], H/8, W/8), and codes of the styles if it is styled, to (B, 3, H, W)."""

        def styled(stage: int, x: Tensor) -> Tensor:
            for block in self.styled_tail[stage - 1]:
                x = block(x, codes)
            return x

        return self.tail(features, styled if self.config.style_code else None)

    def features(self, content: Tensor, style: StyleMemory) -> Tensor:
        """What the tail draws from: stylized features (B, tail[0], H/8, W/8)."""
        return self._stylized(self._content_tokens(content), style)

    def _content_tokens(self, content: Tensor) -> tuple[Tensor, Tensor, tuple[int, int]]:
        return self._tokens(self.input_proj_c(self.backbone_content(content)))

    def _stylized(self, content: tuple[Tensor, Tensor, tuple[int, int]], style: StyleMemory) -> Tensor:
        tokens, position, grid = content
        tokens = self.transformer.decoder(tokens, position, style)
        return self.output_proj(tokens.transpose(1, 2).unflatten(2, grid))

    def _tokens(self, grid: Tensor) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """A feature map (B, d, h, w) as tokens (B, h * w, d), their position (1, h * w, d), and (h, w)."""
        height, width = grid.shape[2:]
        position = sine_position(height, width, self.config.width, grid.device, grid.dtype)
        return grid.flatten(2).transpose(1, 2), position, (height, width)
