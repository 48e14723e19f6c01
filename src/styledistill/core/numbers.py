"""How a number is said, the same in tables, figures, the page and the cards."""

from __future__ import annotations

import math


def number(value: str | float) -> str:
    """Three significant digits, thousands separated, an exponent only below 0.00001; – where there is none.

    What only rounding left, below 1e-9, is 0.
    """
    value = float(value) if value != "" else math.nan
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size < 1e-9:
        return "0"
    exponent = int(f"{size:.2e}".partition("e")[2])  # of the rounded number: 0.09999 is 0.100
    digits = max(0, 2 - exponent)
    return sign(value) + (f"{size:,.{digits}f}" if digits <= 7 else f"{size:.1e}")


def sign(value: float) -> str:
    """The minus of a negative number, as print has it."""
    return "−" if value < 0 else ""
