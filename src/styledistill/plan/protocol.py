"""Whether a run scores StyleID's own evaluation pictures in StyleID's own way."""

from __future__ import annotations

from ..config import Config, DatasetSource, total

# Registry names of StyleID's evaluation pictures (data/cnt and data/sty of its repository), and how many there are.
CONTENTS, STYLES, SIDE = ("styleid_contents", 20), ("styleid_styles", 40), 512


def is_styleids(config: Config) -> bool:
    """Whether the golden set is StyleID's evaluation set and the networks are those of its scores, with real weights.

    Only pictures that the registry of data sets names count, from one commit of the authors; a folder may hold any.
    """
    networks, golden = config.networks, config.golden
    return (
        _is(config, golden.contents, *CONTENTS)
        and _is(config, golden.styles, *STYLES)
        and config.image_size == SIDE
        and (config.metrics.lpips, config.metrics.fid) == ("alexnet", "art_inception")
        and {networks.alexnet, networks.vgg19, networks.art_inception} == {"download"}
    )


def _is(config: Config, chosen: dict[str, int | list[str]], name: str, count: int) -> bool:
    if len(chosen) != 1 or total(chosen) != count:
        return False
    return config.sources[next(iter(chosen))] == DatasetSource(kind="dataset", name=name).meant()
