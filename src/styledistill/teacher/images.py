"""Finished triplets as the teacher: it makes nothing, it knows the targets that were kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import UserError
from ..core.tensors import from_uint8, to_uint8
from .pair_cache import PairStore

KEY = {"method": "images"}


class ImagesTeacher:
    """What is kept of finished triplets; satisfies `AnyTeacher`."""

    networks: tuple[nn.Module, ...] = ()

    @property
    def key(self) -> dict[str, Any]:
        """Nothing but the method, for whoever made a target is not known: each run keeps its own."""
        return KEY

    def stylize(
        self,
        contents: Tensor,
        styles: Tensor,
        store: PairStore | None = None,
        on_done: Callable[[int], None] | None = None,
        names: Sequence[str] | None = None,
    ) -> Tensor:
        """As `Teacher.stylize`. Raises UserError for a pair that is no triplet."""
        images = []
        for number, pair in enumerate(zip(to_uint8(contents), to_uint8(styles), strict=True)):
            found = None if store is None else store.get(*pair)
            if found is None:
                label = names[number] if names else f"number {number}"
                raise UserError(
                    f"teacher: pair {label}: its triplet is not among those that the run keeps. Run again with "
                    "--forcerun teach_golden; a teacher of images has no other images than its triplets."
                )
            images.append(from_uint8(found))
            if on_done is not None:
                on_done(1)
        return torch.cat(images)
