"""How a distillation loads its pairs: in micro batches, mirrored and at a gamma as each epoch says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader

from ..config import Distill
from ..shards.read import PairDataset
from .epochs import drawn_gammas, mirrored, with_identities
from .training import pieces, share_of

Cut = list[list[int]]  # a number for each of a batch's pairs, micro batch by micro batch


class MicroBatch(NamedTuple):
    """Pairs (N, 3, 3, H, W), and the strength (N,) at which the student draws each; without, all are drawn at 1."""

    pairs: Tensor
    strength: Tensor | None = None


@dataclass(frozen=True)
class Loading:
    """One process's part of a training's batches. strengths: of a teacher's several gammas; none of one gamma."""

    settings: Distill
    seed: int
    accelerator: Accelerator
    strengths: list[float]

    def cut(self, batches: list[list[int]]) -> list[Cut]:
        """This process's part of each effective batch, cut into micro batches."""
        size = self.settings.micro_batch or self.settings.batch
        return [pieces(share_of(batch, self.accelerator), size) for batch in batches]

    def taught(self, dataset: PairDataset, cuts: list[Cut], epoch: int) -> Iterator[list[MicroBatch]]:
        """The micro batches of each batch as an epoch teaches them: some mirrored or identities, each at a gamma."""
        count = len(self.strengths)
        gammas = [[drawn_gammas(part, count, self.seed, epoch) for part in cut] for cut in cuts]
        share = self.settings.identity
        for cut, drawn, loaded in zip(cuts, gammas, self._loaded(dataset, cuts, gammas), strict=True):
            if self.settings.flip:
                loaded = [mirrored(p, n, self.seed, epoch) for p, n in zip(loaded, cut, strict=True)]
            if share:
                loaded = [with_identities(p, n, share, self.seed, epoch) for p, n in zip(loaded, cut, strict=True)]
            yield self._placed(loaded, drawn)

    def plain(self, dataset: PairDataset, cuts: list[Cut], gamma: int = 0) -> Iterator[list[MicroBatch]]:
        """The micro batches of each batch as they are in the shards, at the gamma of this number."""
        gammas = [[[gamma] * len(part) for part in cut] for cut in cuts]
        for drawn, loaded in zip(gammas, self._loaded(dataset, cuts, gammas), strict=True):
            yield self._placed(loaded, drawn)

    def strength(self, gammas: list[int]) -> Tensor | None:
        """The strengths (N,) that stand for the gammas of these numbers; None of a teacher at one gamma."""
        if not self.strengths:
            return None
        return torch.tensor([self.strengths[number] for number in gammas], device=self.accelerator.device)

    def _loaded(self, dataset: PairDataset, cuts: list[Cut], gammas: list[Cut]) -> Iterator[list[Tensor]]:
        asked = [
            list(zip(numbers, at, strict=True))
            for cut, drawn in zip(cuts, gammas, strict=True)
            for numbers, at in zip(cut, drawn, strict=True)
        ]
        loader = iter(DataLoader(dataset, batch_sampler=asked, num_workers=self.settings.workers))
        for cut in cuts:
            yield [next(loader) for _ in cut]

    def _placed(self, loaded: list[Tensor], gammas: Cut) -> list[MicroBatch]:
        device = self.accelerator.device
        return [MicroBatch(pairs.to(device), self.strength(at)) for pairs, at in zip(loaded, gammas, strict=True)]
