"""What a reader must know before believing a number, and where on the page it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...config import Config
from ...core.provenance import versions
from ..tables.bootstrap import FEWEST
from ..tables.model import listed


@dataclass(frozen=True)
class Caution:
    """A warning of one sentence or two, and the section of the page whose numbers it is about."""

    section: str  # metrics | differences | losses | configuration
    text: str


def cautions(
    config: Config,
    small_sets: Sequence[str],
    pairs: pd.DataFrame,
    histories: dict[str, pd.DataFrame],
    records: list[dict[str, Any]],
) -> list[Caution]:
    """All cautions of a run, in the order of the page.

    small_sets: what the table of metrics says of them; pairs: metrics/<model>.csv of any model; histories: loss -> its
    history.csv; records: what the stages wrote about themselves.
    """
    said = []
    seeded = [name for name in config.scoring_networks if getattr(config.networks, name) == "seeded"]
    if seeded:
        text = (
            f"The fixed networks {listed(seeded)} have seeded random weights (nothing was downloaded). Numbers made "
            "with them compare the rows of this page with each other, never with published figures."
        )
        said.append(Caution("metrics", text))
    said += [Caution("metrics", text) for text in small_sets]
    counts = pairs.groupby("set", sort=False)[["content", "style"]].nunique()
    small = [f"{name} has {c} contents and {s} styles" for name, (c, s) in counts.iterrows() if min(c, s) < FEWEST]
    if small:
        text = (
            f"No difference can be told where there are fewer than {FEWEST} contents or styles, whatever the intervals "
            f"say: {listed(small)}."
        )
        said.append(Caution("differences", text))
    for loss, history in histories.items():
        if len(config.losses[loss]) > 1 and (text := _uneven_shares(loss, history)):
            said.append(Caution("losses", text))
    for package, found in versions(records).items():
        if len(found) > 1:
            text = f"Parts of this run were made with different versions of {package}: {listed(found)}."
            said.append(Caution("configuration", text))
    return said


def _uneven_shares(loss: str, history: pd.DataFrame) -> str | None:
    """A sentence about the term that is farthest from an even share of the gradient, where one leaves 5 to 95 %."""
    shares = history[[name for name in history if name.startswith("share_")]].astype(float)
    outside = shares.lt(0.05) | shares.gt(0.95)
    if not outside.any(axis=None):
        return None
    column = (shares - 0.5).abs().where(outside).max().idxmax()
    held = shares[column][outside[column]]
    effect = "the others hardly acted" if held.iloc[0] > 0.5 else "it hardly acted"
    return (
        f"Loss {loss}: in {len(held)} of {len(shares)} epochs the term {column.removeprefix('share_')} held "
        f"{_span(held)} of the gradient, outside the range of 5 to 95 %: {effect}."
    )


def _span(shares: pd.Series) -> str:
    low, high = f"{shares.min() * 100:.1f}", f"{shares.max() * 100:.1f}"
    return f"{low} %" if low == high else f"{low} to {high} %"
