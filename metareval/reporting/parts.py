"""What a section of a report is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from metareval.auditing.model import Finding, RuleDoc
from metareval.reporting.figures.style import Drawing
from metareval.reporting.wording import name

# A page shows this many rows of a table; its file holds all of them.
MOST_ROWS = 60


@dataclass(frozen=True)
class Column:
    """How a table shows one or two columns of its frame.

    Parameters
    ----------
    head : str
    source : str or tuple of str
        Columns of the frame that the text is made from.
    show : callable
        From their values to the text.
    number : bool
        Whether to align at the right.
    """

    head: str
    source: str | tuple[str, ...]
    show: Callable[..., str]
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table: shown on the page in short, and written to files in full.

    Parameters
    ----------
    slug : str
        Name of its files.
    caption : str
    frame : DataFrame
        What the CSV file holds.
    heads, cells, numeric
        What page and LaTeX show: heads of columns (those of the index first), the text of every
        cell, and which columns align at the right.
    n_labels : int
        How many of the first columns name the row.
    file_only : bool
        Whether the page shows its content in another way.
    """

    kind: ClassVar[str] = "table"
    slug: str
    caption: str
    frame: pd.DataFrame
    heads: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    n_labels: int
    file_only: bool = False

    @property
    def shown(self) -> tuple[tuple[str, ...], ...]:
        """Rows that the page shows."""
        return self.cells[:MOST_ROWS]


def make_table(
    slug: str,
    caption: str,
    frame: pd.DataFrame,
    columns: Sequence[Column],
    *,
    labels: Sequence[str],
    file_only: bool = False,
) -> Table:
    """Lay a frame out as a table.

    Parameters
    ----------
    slug, caption : str
    frame : DataFrame
    columns : sequence of Column
    labels : sequence of str
        Heads of the index levels.
    file_only : bool
    """
    keys = [k if isinstance(k, tuple) else (k,) for k in frame.index]
    columns_of = [
        [frame[s] for s in ((c.source,) if isinstance(c.source, str) else c.source)]
        for c in columns
    ]
    cells = tuple(
        (
            *(name(part) for part in keys[i]),
            *(
                c.show(*(values.iloc[i] for values in found))
                for c, found in zip(columns, columns_of, strict=True)
            ),
        )
        for i in range(len(frame))
    )
    return Table(
        slug=slug,
        caption=caption,
        frame=frame,
        heads=(*labels, *(c.head for c in columns)),
        cells=cells,
        numeric=(*(False for _ in labels), *(c.number for c in columns)),
        n_labels=len(labels),
        file_only=file_only,
    )


@dataclass(frozen=True)
class Picture:
    """A figure with a caption that states what it shows."""

    kind: ClassVar[str] = "picture"
    slug: str
    caption: str
    drawing: Drawing


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Problem:
    """Why something could not be computed."""

    kind: ClassVar[str] = "problem"
    text: str


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Terms:
    """Terms and what they mean, or facts and their values."""

    kind: ClassVar[str] = "terms"
    entries: tuple[tuple[str, str], ...]
    look: str = "glossary"


@dataclass(frozen=True)
class Rule:
    """Findings of one rule and severity, with the rule's explanation."""

    kind: ClassVar[str] = "rule"
    severity: str
    findings: tuple[Finding, ...]
    doc: RuleDoc | None


@dataclass(frozen=True)
class Code:
    """Lines to copy."""

    kind: ClassVar[str] = "code"
    text: str


Part = Table | Picture | Prose | Problem | Heading | Terms | Rule | Code


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    slug: str
    title: str
    lead: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Tile:
    """One key figure at the top of the page.

    Parameters
    ----------
    value, text : str
    tone : {"bad", "fair", "good", "none"}
        Said in words too, so never by colour alone.
    section : str
        Slug of the section that it leads to.
    """

    value: str
    text: str
    tone: str
    section: str


@dataclass(frozen=True)
class Page:
    """Everything that the page shows."""

    title: str
    subtitle: str
    answer: str
    verdict: tuple[str, ...]
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]

    @property
    def tables(self) -> list[Table]:
        """Every table, in order."""
        return [p for s in self.sections for p in s.parts if isinstance(p, Table)]

    @property
    def pictures(self) -> list[Picture]:
        """Every figure, in order."""
        return [p for s in self.sections for p in s.parts if isinstance(p, Picture)]
