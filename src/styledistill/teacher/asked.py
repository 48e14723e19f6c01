"""What every teacher does alike, whatever its method: equal pairs are made once, finished ones not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.distinct import distinct
from ..core.tensors import from_uint8, to_uint8
from .batching import Pair
from .pair_cache import PairStore
from .round_trip import RoundTrips


class Asked:
    """The pairs of one call of a teacher; those that `store` holds are done.

    contents, styles: the distinct images of the call, uint8 (M, H, W, 3); a pair is the number of its content and that
    of its style among them. pairs: without repetition, in the order of their first appearance.
    """

    def __init__(
        self,
        contents: Tensor,
        styles: Tensor,
        store: PairStore | None = None,
        on_done: Callable[[int], None] | None = None,
        names: Sequence[str] | None = None,
        measured: RoundTrips | None = None,
    ) -> None:
        """As `AnyTeacher.stylize`."""
        self.store, self.measured = store, measured
        self.contents, content_of = _distinct(contents)
        self.styles, style_of = _distinct(styles)
        self._rows: list[Pair] = list(zip(content_of, style_of, strict=True))
        self._uses = Counter(self._rows)
        self.pairs = list(self._uses)
        self._on_done, self._names = on_done, names
        self._done: dict[Pair, np.ndarray] = {}
        for pair in self.pairs if store is not None else ():
            found = store.get(*self.images_of(pair))
            if found is not None:
                self._finish(pair, found)

    def images_of(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        """Content and style of a pair, uint8 (H, W, 3) each."""
        return self.contents[pair[0]], self.styles[pair[1]]

    def missing(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Those of the pairs that are not done."""
        return [pair for pair in pairs if pair not in self._done]

    def label(self, pair: Pair) -> str:
        """A pair in a message."""
        row = self._rows.index(pair)
        return self._names[row] if self._names else f"number {row}"

    def put(self, pair: Pair, image: np.ndarray) -> None:
        """A pair is done: its image, uint8 (H, W, 3), goes to the store."""
        if self.store is not None:
            self.store.put(*self.images_of(pair), image)
        self._finish(pair, image)

    def _finish(self, pair: Pair, image: np.ndarray) -> None:
        self._done[pair] = image
        if self._on_done is not None:
            self._on_done(self._uses[pair])

    def made(self) -> Tensor:
        """The images (N, 3, H, W) in [0, 1] of all N that were asked for."""
        return torch.cat([from_uint8(self._done[pair]) for pair in self._rows])


class AnyTeacher(ABC):
    """A teacher of any method; satisfies the Stylizer protocol."""

    # What it is made of, as far as this program knows; empty for a program from outside.
    networks: tuple[nn.Module, ...] = ()

    @property
    @abstractmethod
    def key(self) -> dict[str, Any]:
        """What a finished pair depends on besides its two images, as JSON takes it."""

    @torch.no_grad()
    def stylize(
        self,
        contents: Tensor,
        styles: Tensor,
        store: PairStore | None = None,
        on_done: Callable[[int], None] | None = None,
        names: Sequence[str] | None = None,
        measured: RoundTrips | None = None,
    ) -> Tensor:
        """The images of the pairs (contents[i], styles[i]).

        contents (N, 3, H, W), styles (N, 3, H', W') in [0, 1]; rounded to 8 bits before anything is computed, as the
        returned (N, 3, H, W) are. Equal pairs are made once, and pairs in `store` not at all; new ones go there as soon
        as they are done. on_done is told how many more of the N are done. names: of the N pairs, for messages.
        measured: takes the round-trip errors of the images that a method inverts. Raises UserError that names a pair of
        which no image can be made.
        """
        asked = Asked(contents, styles, store, on_done, names, measured)
        self._make(asked)
        return asked.made()

    def others(self) -> Sequence[AnyTeacher]:
        """The same at the further gammas of its settings, if it has any."""
        return ()

    @abstractmethod
    def _make(self, asked: Asked) -> None:
        """Put the image of each pair that is missing."""


def _distinct(images: Tensor) -> tuple[np.ndarray, list[int]]:
    """The distinct ones of (N, 3, H, W) as uint8 (M, H, W, 3), and for each of the N its place among them."""
    pixels = to_uint8(images)
    first, place = distinct(image.tobytes() for image in pixels)
    return pixels[first], place
