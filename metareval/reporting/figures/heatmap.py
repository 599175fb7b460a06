"""A matrix of numbers as coloured cells, undefined ones hatched, each with its own text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metareval.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]

# Beyond these sizes, cells are too small for two lines of text, or for any.
MOST_TWO_LINES = 9
MOST_TEXT = 16


@dataclass(frozen=True)
class Cells:
    """What a heat map shows.

    Parameters
    ----------
    values : ndarray, shape (n, m)
        NaN cells are hatched.
    text, note : sequences of sequences of str
        Main and second line of each cell.
    rows, columns : sequences of str
    groups : sequence of (int, int)
        Runs of rows (and the same columns) to be framed.
    strong : ndarray of bool, shape (n, m)
        Cells whose text is bold.
    blank : ndarray of bool, shape (n, m)
        Cells to leave empty.
    signed : bool
        Values from -1 to 1 rather than from 0 to 1.
    scale : str
        What the colours mean.
    row_title, column_title : str
    """

    values: FloatArray
    text: Sequence[Sequence[str]]
    note: Sequence[Sequence[str]]
    rows: Sequence[str]
    columns: Sequence[str]
    groups: Sequence[tuple[int, int]]
    strong: NDArray[np.bool_]
    blank: NDArray[np.bool_]
    signed: bool
    scale: str
    row_title: str = ""
    column_title: str = ""


def heatmap(cells: Cells) -> Figure:
    """Draw a heat map."""
    from matplotlib.figure import Figure

    n, m = cells.values.shape
    rows, columns = cells.rows, cells.columns
    left = 0.35 + 0.075 * max(map(len, rows)) + (0.2 if cells.row_title else 0.0)
    top = 0.45 + (0.25 if cells.column_title else 0.0)
    side = float(min(0.95, (style.WIDTH - left - 1.2) / m))
    slanted = 0.075 * max(map(len, columns)) > side - 0.06
    # Narrow columns leave room for upright letters only, of their own height.
    upright = slanted and side < 0.3
    size = min(9.0, 60 * side) if upright else 9.0
    if slanted:
        top += (0.0085 if upright else 0.0062) * size * max(map(len, columns))
    height = max(side * 0.72, 0.16)
    width = left + side * m + 1.2
    total = top + height * n + 0.1
    figure = Figure(figsize=(width, total))
    axes = figure.add_axes(
        (left / width, 0.1 / total, side * m / width, height * n / total), frameon=False
    )
    _paint(axes, cells)
    axes.set_xlim(0, m)
    axes.set_ylim(n, 0)
    axes.set_xticks(np.arange(m) + 0.5)
    axes.set_yticks(np.arange(n) + 0.5)
    axes.set_xticklabels(
        columns,
        rotation=90 if upright else 45 if slanted else 0,
        ha="left" if slanted and not upright else "center",
        fontsize=size,
    )
    axes.set_yticklabels(rows)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    if cells.column_title:
        axes.set_xlabel(cells.column_title, color=style.QUIET, labelpad=6)
        axes.xaxis.set_label_position("top")
    if cells.row_title:
        axes.set_ylabel(cells.row_title, color=style.QUIET)
    _key(figure, cells, width, total, side * m + left, max(height * n, 1.0))
    return figure


def _paint(axes: Axes, cells: Cells) -> None:
    from matplotlib.patches import Rectangle

    colours = style.diverging() if cells.signed else style.sequential()
    n, m = cells.values.shape
    both = max(n, m) <= MOST_TWO_LINES
    for i in range(n):
        for j in range(m):
            if cells.blank[i, j]:
                continue
            value = cells.values[i, j]
            undefined = np.isnan(value)
            fill = (
                (0.95, 0.95, 0.95, 1.0)
                if undefined
                else colours((value + 1) / 2 if cells.signed else value)
            )
            axes.add_patch(
                Rectangle(
                    (j, i),
                    1,
                    1,
                    facecolor=fill,
                    edgecolor="#a9b0b9" if undefined else "white",
                    hatch="////" if undefined else None,
                    linewidth=1.0,
                )
            )
            if max(n, m) > MOST_TEXT:
                continue
            colour = style.text_colour(fill)
            note = cells.note[i][j] if both else ""
            backing = {"facecolor": "#f2f2f2", "edgecolor": "none", "pad": 1.0}
            axes.text(
                j + 0.5,
                i + (0.4 if note else 0.5),
                cells.text[i][j],
                ha="center",
                va="center",
                color=colour,
                fontsize=9.5 if both else 7,
                fontweight="bold" if cells.strong[i, j] else "normal",
                bbox=backing if undefined else None,
            )
            if note:
                axes.text(
                    j + 0.5,
                    i + 0.73,
                    note,
                    ha="center",
                    va="center",
                    color=colour,
                    fontsize=7,
                    bbox=backing if undefined else None,
                )
    for first, last in cells.groups:
        axes.add_patch(
            Rectangle(
                (first, first),
                last - first + 1,
                last - first + 1,
                fill=False,
                edgecolor=style.INK,
                linewidth=1.8,
                clip_on=False,
            )
        )


def _key(
    figure: Figure, cells: Cells, width: float, total: float, right: float, height: float
) -> None:
    """Draw the colour scale beside the cells."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low = -1.0 if cells.signed else 0.0
    tall = min(height, 2.6)
    axes = figure.add_axes(
        ((right + 0.3) / width, (0.1 + (height - tall) / 2) / total, 0.12 / width, tall / total)
    )
    bar = figure.colorbar(
        ScalarMappable(
            Normalize(low, 1.0), style.diverging() if cells.signed else style.sequential()
        ),
        cax=axes,
    )
    bar.set_ticks([-1, 0, 1] if cells.signed else [0, 0.5, 1])
    bar.ax.tick_params(length=2, labelsize=8)
    bar.ax.set_title(cells.scale, fontsize=8, color=style.QUIET, pad=5)
    bar.outline.set_visible(False)
