"""InST: a style as a prompt of which one embedding is learned.

Three kinds, by what stands beside the UNet. `attention`, the published one: the word "*" is embedded by an attention
over CLIP's features of the style image, and goes through the text encoder. `word`: there is a text encoder and no image
encoder, so the word's embedding itself is learned. `token`: there is no text encoder either, so one token of the prompt
embedding is learned, where a prompt's first word would stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from ..core.errors import UserError

Kind = Literal["attention", "word", "token"]
PLACEHOLDER = "*"
# Of the authors' attention module.
HEADS, HEAD_CHANNELS, DROPOUT = 8, 64, 0.05


class StyleAttention(nn.Module):
    """The authors' module: features attend to themselves, what comes of it to the features again, then one layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn1, self.attn2 = (
            Attention(channels, heads=HEADS, dim_head=HEAD_CHANNELS, dropout=DROPOUT) for _ in range(2)
        )
        self.net = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Features (1, tokens, channels) to embeddings of the same shape. CLIP gives one token per image."""
        return self.net(self.attn2(self.attn1(features), encoder_hidden_states=features))


@dataclass(frozen=True)
class Encoders:
    """What a model has beside its UNet. text, tokens: encoder and the ids (1, 77) of the prompt "*". image: CLIP's."""

    text: nn.Module | None = None
    tokens: Tensor | None = None
    image: nn.Module | None = None

    @property
    def kind(self) -> Kind:
        """Which kind of prompt is learned with these."""
        return "token" if self.text is None else "word" if self.image is None else "attention"


def load_encoders(folder: Path, device: torch.device) -> Encoders:
    """The encoders of a diffusers folder: tokenizer and text_encoder, and image_encoder, each where it is there.

    Raises UserError where the two encoders are not of one width.
    """
    if not (folder / "text_encoder").is_dir() or not (folder / "tokenizer").is_dir():
        return Encoders()
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

    # Folders and no hub ids, so there is no revision to name.
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")  # nosec B615
    text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder")  # nosec B615
    image = None
    if (folder / "image_encoder").is_dir():
        image = CLIPVisionModelWithProjection.from_pretrained(folder, subfolder="image_encoder")  # nosec B615
        widths = image.config.projection_dim, text.config.hidden_size
        if widths[0] != widths[1]:
            raise UserError(
                f"teacher.weights: {folder} has an image encoder of width {widths[0]} and a text encoder of width "
                f"{widths[1]}; InST needs the same. Take its folder image_encoder away to learn a word instead."
            )
        image = image.float().eval().requires_grad_(False).to(device)
    tokens = tokenizer(
        PLACEHOLDER, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids
    return Encoders(text.float().eval().requires_grad_(False).to(device), tokens.to(device), image)


def encode_prompt(text: nn.Module, tokens: Tensor, embedding: Tensor) -> Tensor:
    """The prompt of `tokens` (1, n) with `embedding` (channels,) in place of its first word: (1, n, channels)."""
    here = (tokens == tokens[0, 1])[..., None]
    hook = text.get_input_embeddings().register_forward_hook(lambda _, __, made: torch.where(here, embedding, made))
    try:
        return text(tokens)[0]
    finally:
        hook.remove()


@torch.no_grad()
def image_features(image: nn.Module, style: np.ndarray) -> Tensor:
    """CLIP's features (1, 1, channels), of norm 1, of a style image, uint8 (H, W, 3)."""
    from transformers import CLIPImageProcessor

    side = image.config.image_size
    processor = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    pixels = processor(style, return_tensors="pt", input_data_format="channels_last").pixel_values
    features = image(pixels.to(next(image.parameters()).device)).image_embeds
    return nn.functional.normalize(features, dim=-1)[None]


class StylePrompt(nn.Module):
    """A prompt embedding whose learned part is `source`: an attention over `features`, or the embedding itself."""

    def __init__(
        self, source: StyleAttention | nn.Embedding, features: Tensor, encoders: Encoders, null: Tensor
    ) -> None:
        super().__init__()
        self.source = source
        self._features, self._encoders, self._null = features, encoders, null

    @property
    def embedding(self) -> Tensor:
        """What stands for the style: (channels,)."""
        return self.source(self._features).flatten()

    def forward(self) -> Tensor:
        """The prompt embedding (1, tokens, channels)."""
        return prompt_of(self.embedding, self._encoders, self._null)


def prompt_of(embedding: Tensor, encoders: Encoders, null_text: Tensor) -> Tensor:
    """The prompt embedding (1, tokens, channels) with a style's learned `embedding` (channels,) in it.

    null_text: that of the empty prompt, in which the embedding takes the first word's place where there is no encoder.
    """
    if encoders.text is not None:
        return encode_prompt(encoders.text, encoders.tokens, embedding)
    # The first token of a text is its start; a model without text may have but one token.
    place = torch.arange(null_text.shape[1], device=null_text.device) == min(1, null_text.shape[1] - 1)
    return torch.where(place[:, None], embedding, null_text)


def new_prompt(style: np.ndarray, encoders: Encoders, null_text: Tensor) -> StylePrompt:
    """The prompt of a style image, uint8 (H, W, 3), before any learning; draws from torch's generator.

    null_text: (1, tokens, channels), of the empty prompt, on the device of the encoders.
    """
    if encoders.image is not None:
        features = image_features(encoders.image, style)
        source = StyleAttention(features.shape[-1])
    else:
        features = torch.zeros(1, dtype=torch.long, device=null_text.device)  # the row of the one embedding
        if encoders.text is not None:
            first = encoders.text.get_input_embeddings()(encoders.tokens[:, 1])
        else:
            first = null_text[:, min(1, null_text.shape[1] - 1)]
        source = nn.Embedding.from_pretrained(first.clone(), freeze=False)
    return StylePrompt(source.to(null_text.device), features, encoders, null_text)
