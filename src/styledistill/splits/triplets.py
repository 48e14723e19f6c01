"""The targets of a block of finished triplets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..config import Source, Triplets
from ..core.errors import UserError
from ..core.files import write_bytes
from ..core.images import encode_png, load_array
from ..sources import registry
from . import names as called
from . import tables


def bring_targets(table: Path, sources: Mapping[str, Source], images: Path, out: Path) -> list[tuple[Path, Path, Path]]:
    """Crop the target of each triplet of a block to `out`/c03_s03.png; content, style and target of each.

    table: the block's; its n-th content and n-th style are of one triplet. images: the folder of their crops, whose
    size the targets get. Raises UserError for a triplet that has changed since its source was indexed, and where
    content and style are of two triplets.
    """
    brought = []
    for content, style in tables.paired(table, crossed=False):
        source = sources[content.source]
        assert isinstance(source, Triplets)
        if content.image != style.image:
            raise UserError(
                f"{table}: {content.name} is of the triplet {content.image} and {style.name} of {style.image}, for "
                f"{source.listing} changed while it was indexed; remove results/<run>/index and run again."
            )
        files = [images / f"{row.name}.png" for row in (content, style)]
        side = load_array(files[0]).shape[0]
        target = registry.target(source, content.image, side, content.sha256)
        path = out / f"{called.pair(content.name, style.name)}.png"
        write_bytes(path, encode_png(np.asarray(target)))
        brought.append((*files, path))
    return brought
