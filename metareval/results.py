"""The base of every result: frozen, and shown the same way as text, frame, dictionary and HTML."""

from __future__ import annotations

import html
import math
import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

TEXT_WIDTH = 80


class Result:
    """Base class of results.

    Subclasses are frozen dataclasses that say what they found (``headline``) and which frame
    stands for them (``to_frame``); text, dictionary and HTML follow from these.
    """

    def to_frame(self) -> pd.DataFrame:
        """Return the result as one DataFrame."""
        raise NotImplementedError

    def headline(self) -> str:
        """Return one line that says what was computed and how."""
        return type(self).__name__

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain Python values that strict JSON takes.

        Undefined numbers become ``None``.
        """
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        head = textwrap.fill(printable(self.headline()), TEXT_WIDTH)
        return f"{head}\n{frame_text(self.to_frame())}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(printable(self.headline()))}</p>{frame_html(self.to_frame())}"


def plain(value: Any) -> Any:
    """Turn a field of a result into values that JSON knows; NaN and infinities become None."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, pd.DataFrame):
        return {
            "index": [plain(i) for i in value.index],
            "columns": [plain(c) for c in value.columns],
            "data": [[plain(v) for v in row] for row in value.to_numpy(dtype=object)],
        }
    if isinstance(value, pd.Series):
        keys = [" / ".join(map(str, i)) if isinstance(i, tuple) else str(i) for i in value.index]
        return dict(zip(keys, (plain(v) for v in value.to_numpy(dtype=object)), strict=True))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return value
    return str(value)


def cell_text(value: Any, digits: int = 3) -> str:
    """Show one value: floats to ``digits`` decimals, undefined ones as a dash."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if value is None or value is pd.NA:
        return "-"
    if isinstance(value, np.floating):
        value = float(value)
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        if value == int(value) and abs(value) >= 10:
            return f"{value:.0f}"
        if value != 0 and abs(value) < 10**-digits / 2:
            return f"{value:.1e}"
        return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"
    return printable(str(value))


def printable(text: str) -> str:
    """Replace control and direction-changing characters, so that a name cannot forge a line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def plural(n: int, noun: str) -> str:
    """Write a number of things.

    Examples
    --------
    >>> plural(1, "row"), plural(3, "row")
    ('1 row', '3 rows')
    """
    return f"{n} {noun}{'s' * (n != 1)}"


def shorten(text: str, width: int) -> str:
    """Cut a text to ``width`` characters, marking the cut."""
    return text if len(text) <= width else text[: max(width - 1, 1)] + "\N{HORIZONTAL ELLIPSIS}"


def shorten_name(text: str, width: int) -> str:
    """Cut a name to ``width`` characters in its middle: names often differ at their ends only."""
    if len(text) <= width:
        return text
    keep = max(width - 1, 1)
    end = len(text) - keep // 2
    return f"{text[: keep - keep // 2]}\N{HORIZONTAL ELLIPSIS}{text[end:]}"


def frame_text(frame: pd.DataFrame, *, width: int = TEXT_WIDTH, digits: int = 3) -> str:
    """Lay a frame out as text of at most ``width`` columns.

    Columns that do not fit beside each other continue in a further block under the same index.
    """
    if frame.shape[1] == 0 or frame.shape[0] == 0:
        return "(empty)"
    name = str(frame.index.name or "")
    rows = [
        " / ".join(cell_text(p) for p in i) if isinstance(i, tuple) else cell_text(i)
        for i in frame.index
    ]
    left = _column(printable(name), rows, width // 2, right=False)
    label = display_width(left[0])
    blocks: list[list[list[str]]] = [[]]
    used = label
    for position, head in enumerate(frame.columns):
        values = frame.iloc[:, position].to_numpy(dtype=object)
        numeric = all(isinstance(v, (int, float, np.number)) or v is pd.NA for v in values)
        column = _column(
            printable(str(head)),
            [cell_text(v, digits) for v in values],
            width - label - 2,
            right=numeric,
        )
        if blocks[-1] and used + 2 + display_width(column[0]) > width:
            blocks.append([])
            used = label
        blocks[-1].append(column)
        used += 2 + display_width(column[0])
    return "\n\n".join(
        "\n".join("  ".join(parts).rstrip() for parts in zip(left, *block, strict=True))
        for block in blocks
    )


def _column(head: str, cells: list[str], limit: int, *, right: bool) -> list[str]:
    lines = [_cut(t, limit) for t in (head, *cells)]
    wide = max(map(display_width, lines))
    blanks = [" " * (wide - display_width(t)) for t in lines]
    return [b + t if right else t + b for t, b in zip(lines, blanks, strict=True)]


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    Examples
    --------
    >>> display_width("salun"), display_width("梯度")
    (5, 4)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _cut(text: str, limit: int) -> str:
    """Cut a text to some columns of a terminal, marking the cut."""
    if display_width(text) <= limit:
        return text
    characters = min(len(text) - 1, limit)
    while characters > 2 and display_width(shorten_name(text, characters)) > limit:
        characters -= 1
    return shorten_name(text, characters)


def frame_html(frame: pd.DataFrame, *, digits: int = 3) -> str:
    """Render a frame as an HTML table with every name and value escaped."""
    head = "".join(f"<th>{html.escape(printable(str(c)))}</th>" for c in frame.columns)
    body = []
    for index, row in zip(frame.index, frame.to_numpy(dtype=object), strict=True):
        label = " / ".join(map(str, index)) if isinstance(index, tuple) else str(index)
        cells = "".join(f"<td>{html.escape(cell_text(v, digits))}</td>" for v in row)
        body.append(f"<tr><th>{html.escape(printable(label))}</th>{cells}</tr>")
    corner = html.escape(printable(str(frame.index.name or "")))
    return (
        f"<table><thead><tr><th>{corner}</th>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )
