"""How far each pair of a block keeps its content's structure and takes its style, by one fixed network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..core.tensors import load_images
from ..perceptual import STRUCTURE, feature_maps
from ..splits.pairs import Pair
from ..splits.tables import Quality
from .cfsd import cfsd
from .image_measures import gram, gram_distance


@torch.no_grad()
def qualities(pairs: Sequence[Pair], teacher: Path, network: nn.Module, device: torch.device) -> list[Quality]:
    """Structure and style of the images `<teacher>/<pair>.png`, in the order of `pairs`.

    network: of the feature losses (`perceptual.features`). Each content and style goes through it once. Raises
    UserError for images that cannot be read.
    """

    def seen(path: Path) -> list[Tensor]:
        return feature_maps(network, load_images([path]).to(device))

    contents = {file: seen(file)[STRUCTURE] for file in {pair.content_file for pair in pairs}}
    styles = {file: [gram(layer) for layer in seen(file)] for file in {pair.style_file for pair in pairs}}
    found = []
    for pair in pairs:
        maps = seen(teacher / f"{pair.name}.png")
        structure = contents[pair.content_file]
        kept = float(cfsd(maps[STRUCTURE], structure)[0]) / structure[0, 0].numel()
        taken = float(gram_distance([gram(layer) for layer in maps], styles[pair.style_file])[0])
        found.append(Quality(pair.name, kept, taken))
    return found
