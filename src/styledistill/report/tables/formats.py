"""Tables as text: GitHub's Markdown for people, LaTeX (booktabs) for print."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Syntax:
    """How one kind of document writes a number, its interval, what stands out and what does not count."""

    interval: Callable[[str, str, str], str]
    bold: Callable[[str], str]
    grey: Callable[[str], str]
    missing: str
    infinite: str
    minus: str
    arrows: dict[str | None, str]  # of min, max and None


PLAIN = Syntax(
    interval=lambda value, low, high: f"{value} [{low}, {high}]",
    bold=str,
    grey=str,
    missing="–",
    infinite="∞",
    minus="−",
    arrows={"min": " ↓", "max": " ↑", None: ""},
)
MARKDOWN = replace(
    PLAIN,
    interval=lambda value, low, high: f"{value} <sub>[{low}, {high}]</sub>",
    bold=lambda text: f"**{text}**",
    grey=lambda text: f'<span style="color:gray">({text})</span>',
)
LATEX = Syntax(
    interval=lambda value, low, high: f"{value} {{\\scriptsize [{low}, {high}]}}",
    bold=lambda text: f"\\textbf{{{text}}}",
    grey=lambda text: f"\\textcolor{{gray}}{{({text})}}",
    missing="--",
    infinite="$\\infty$",
    minus="$-$",
    arrows={"min": r" $\downarrow$", "max": r" $\uparrow$", None: ""},
)


def number(value: float, syntax: Syntax) -> str:
    """Three significant digits; in exponent form below 0.0001; what only rounding left is 0."""
    if math.isnan(value):
        return syntax.missing
    if math.isinf(value):
        return ("" if value > 0 else syntax.minus) + syntax.infinite
    if abs(value) < 1e-9:
        return "0"
    sign = syntax.minus if value < 0 else ""
    size = abs(value)
    return sign + (f"{size:.2e}" if size < 1e-4 else f"{size:.{max(0, 2 - math.floor(math.log10(size)))}f}")


def markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], texts: int) -> str:
    """A table with its notes under it; the first `texts` columns hold words, the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(titles) - texts)
    lines = ("| " + " | ".join(line) + " |" for line in (titles, rule, *rows))
    return "\n".join(lines) + "\n\n" + "\n\n".join(notes) + "\n"


def latex_table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], texts: int, group: int
) -> str:
    """As `markdown_table`, as `table*` of the line's width; a rule stands where column `group` changes."""
    body, before = [], None
    for row in rows:
        body += [r"\midrule"] if row[group] != before else []
        body.append(" & ".join(escape(cell) if place < texts else cell for place, cell in enumerate(row)) + r" \\")
        before = row[group]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx,xcolor}",
            r"\begin{table*}",
            r"\centering",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{{'l' * texts}{'r' * (len(titles) - texts)}}}",
            r"\toprule",
            " & ".join(_title(title) for title in titles) + r" \\",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip\footnotesize\raggedright",
            *(escape(note) + r"\par" for note in notes),
            r"\end{table*}",
            "",
        ]
    )


def _title(title: str) -> str:
    words, arrow, rest = title.partition(" $")
    return escape(words) + arrow + rest


def escape(text: str) -> str:
    """Words as LaTeX takes them."""
    for character in "&%_#$":
        text = text.replace(character, f"\\{character}")
    return text.replace("−", "$-$").replace("≥", r"$\ge$").replace("×", r"$\times$")
