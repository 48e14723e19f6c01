"""What the commands that score images share: which fixed networks they look through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import torch

    from ..metrics.score import Instruments

_OPTIONS = (
    click.option("--lpips", type=click.Choice(["alexnet", "vgg16", "none"]), default="alexnet", show_default=True),
    click.option(
        "--fid", type=click.Choice(["inception", "art_inception", "none"]), default="inception", show_default=True
    ),
    click.option(
        "--features",
        type=click.Choice(["vgg19", "efficientnet_lite0"]),
        default="vgg19",
        show_default=True,
        help="Network of CFSD and Gram distance; efficientnet_lite0 is installed and not downloaded.",
    ),
    click.option(
        "--seeded", is_flag=True, help="Random networks, but for ST-LPIPS: no download, no scores that compare."
    ),
)


def network_options(command: Callable) -> Callable:
    """A command with the options of `chosen_instruments`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_instruments(lpips: str, fid: str, features: str, seeded: bool, device: torch.device) -> Instruments:
    """The fixed networks that these options name, loaded; `none` is left out. Raises UserError."""
    from ..config import Metrics, Networks
    from ..metrics.score import load_instruments

    random = dict.fromkeys({features, lpips, fid} - {"none"}, "seeded") if seeded else {}
    return load_instruments(Metrics(lpips=lpips, fid=fid), Networks(features=features, **random), device)
