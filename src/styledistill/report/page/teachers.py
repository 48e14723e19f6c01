"""The page's section on other teachers: their images beside the teacher's, and how far both went from the originals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ...config import Config
from ...splits.names import both
from ..figures.teachers import MEASURES, folder_of, means
from ..tables.model import plain
from .data_uri import webp


def compared_teachers(results: Path, config: Config) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Data URIs of the images by name, and what the section shows; nothing and None where there is no other teacher.

    Reads teachers/scores.csv, teachers/<name>, golden/teacher and images/golden.
    """
    if not config.other_teachers:
        return {}, None
    scores = pd.read_csv(results / "teachers" / "scores.csv")
    pairs = list(dict.fromkeys(scores["pair"]))
    files = {
        f"teachers/{name}/{pair}": folder_of(results, name) / f"{pair}.png"
        for name in config.teacher_titles
        for pair in pairs
    }
    originals = {name for pair in pairs for name in both(pair)}
    files |= {f"teachers/{name}": results / "images" / "golden" / f"{name}.png" for name in sorted(originals)}
    titles = {"teacher": "Stylizer", **{key: f"{word} (lower keeps more)" for key, word in MEASURES.items()}}
    return {name: webp(path) for name, path in files.items()}, {
        "titles": config.teacher_titles,
        "pairs": pairs,
        "table": plain(means(scores, config.teacher_titles), titles),
    }
