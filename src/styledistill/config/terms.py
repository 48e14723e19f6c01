"""The terms that a loss may have, and the fixed network that each looks through. No torch here: the workflow reads it.

A new term is one line here and one function under `@term(...)` in `student/losses.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

# None: pixels alone. "features": the network of `networks.features`.
TERMS: dict[str, str | None] = {
    "pixel": None,
    "pixel_l1": None,
    "gram": "features",
    "adain": "features",
    "content": "features",
    "lpips": "alexnet",
    "tv": None,
    "lowres": None,
    "patches": None,
    "texture": "features",
    "texture_style": "features",
    "structure": "features",
    "tone": None,
    "grain": None,
    "colors": None,
}


def networks_of(terms: Iterable[str], features: str) -> list[str]:
    """Names of the networks that the terms look through, sorted; `features` is that of `networks.features`."""
    return sorted({features if TERMS[term] == "features" else str(TERMS[term]) for term in terms if TERMS[term]})
