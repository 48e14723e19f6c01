"""A table as text: CSV for programs, GitHub's Markdown for people, LaTeX (booktabs) for print; `page` writes HTML.

`stored` puts them on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from .model import Cell, Column, Table

ARROWS = {"min": "↓", "max": "↑", None: ""}


@dataclass(frozen=True)
class Document:
    """data: the numbers, for programs. tables: how they are shown. notes: what all of the tables need said."""

    data: pd.DataFrame
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def csv(table: pd.DataFrame) -> str:
    """A table of numbers as CSV, seven significant digits."""
    return table.to_csv(index=False, float_format="%.7g")


# --- Markdown -----------------------------------------------------------------------------------------------------


def markdown(document: Document) -> str:
    """The tables as GitHub's Markdown, each with its notes under it."""
    parts = [part for table in document.tables for part in _markdown_parts(table)]
    return "\n\n".join([*parts, *document.notes]) + "\n"


def _markdown_parts(table: Table) -> Iterator[str]:
    if table.title:
        yield f"## {table.title}"
    titles = [f"{column.title} {ARROWS[column.best]}".strip() for column in table.columns]
    rule = ["---" if column.words else "---:" for column in table.columns]
    rows = [[_in_markdown(cell) for cell in row] for row in table.rows]
    yield "\n".join("| " + " | ".join(line) + " |" for line in (titles, rule, *rows))
    yield from table.notes


def _in_markdown(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.mark else cell.text
    if cell.gray:
        return f'<span style="color:gray">({text})</span>'
    return text if cell.interval is None else f"{text} <sub>[{', '.join(cell.interval)}]</sub>"


# --- LaTeX --------------------------------------------------------------------------------------------------------


def latex(document: Document) -> str:
    """Each table as a `table*` of the line's width; a rule stands where its column `group` changes."""
    return "\n".join(_latex_table(table, document.notes) for table in document.tables)


def _latex_table(table: Table, notes: Sequence[str]) -> str:
    body, before = [], None
    for row in table.rows:
        body += [r"\midrule"] if row[table.group] != before else []
        body.append(" & ".join(map(_in_latex, row)) + r" \\")
        before = row[table.group]
    title = [f"{table.title}."] if table.title else []
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx,xcolor}",
            r"\begin{table*}",
            r"\centering",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{{''.join('l' if column.words else 'r' for column in table.columns)}}}",
            r"\toprule",
            " & ".join(_latex_title(column) for column in table.columns) + r" \\",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip\footnotesize\raggedright",
            *(escape(note) + r"\par" for note in (*title, *table.notes, *notes)),
            r"\end{table*}",
            "",
        ]
    )


def _latex_title(column: Column) -> str:
    return escape(f"{column.title} {ARROWS[column.best]}".strip())


def _in_latex(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.mark:
        text = rf"\textbf{{{text}}}"
    if cell.gray:
        return rf"\textcolor{{gray}}{{({text})}}"
    return text if cell.interval is None else rf"{text} {{\scriptsize [{escape(', '.join(cell.interval))}]}}"


_SIGNS = {
    "−": "$-$", "–": "--", "∞": r"$\infty$", "≥": r"$\ge$", "×": r"$\times$", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
}  # fmt: skip


def escape(text: str) -> str:
    """Words as LaTeX takes them."""
    for character in "&%_#$":
        text = text.replace(character, f"\\{character}")
    return "".join(_SIGNS.get(letter, letter) for letter in text)
