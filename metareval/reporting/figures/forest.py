"""Estimates with their intervals, one row each: what a correlation can and cannot exclude."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metareval.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 0.34  # inches


@dataclass(frozen=True)
class Series:
    """One estimate for each row.

    Parameters
    ----------
    name : str
    values, low, high : sequences of float
        NaN where undefined, or without an interval.
    look : {"main", "second", "claim"}
        Filled, hollow, or a diamond.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    look: str = "main"


LOOKS: dict[str, dict[str, Any]] = {
    "main": {"marker": "o", "color": style.ACCENT, "markerfacecolor": style.ACCENT},
    "second": {"marker": "s", "color": style.QUIET, "markerfacecolor": "white"},
    "claim": {"marker": "D", "color": style.CONTRAST, "markerfacecolor": style.CONTRAST},
}


def forest(
    names: Sequence[str],
    series: Sequence[Series],
    *,
    notes: Sequence[str],
    note_title: str,
    axis: str,
    ends: tuple[str, str],
    limits: tuple[float, float] = (-1.0, 1.0),
) -> Figure:
    """Draw estimates with intervals.

    Parameters
    ----------
    names : sequence of str
        One for each row, from the top.
    series : sequence of Series
    notes : sequence of str
        Text at the right of each row.
    note_title, axis : str
    ends : (str, str)
        What the left and the right end of the axis mean.
    limits : (float, float)
    """
    from matplotlib.figure import Figure

    n = len(names)
    row = ROW + 0.12 * (len(series) - 1)
    left = 0.3 + 0.072 * max(map(len, names))
    right = 0.25 + 0.066 * max(map(len, [*notes, note_title]))
    top, bottom = 0.62 if len(series) > 1 else 0.36, 0.46
    total = top + bottom + row * n
    figure = Figure(figsize=(style.WIDTH, total))
    axes = figure.add_axes(
        (left / style.WIDTH, bottom / total, 1 - (left + right) / style.WIDTH, row * n / total)
    )
    axes.set_ylim(n - 0.5, -0.5)
    reach = limits[1] - limits[0]
    # A marker at the very end must not touch the names beside it.
    axes.set_xlim(limits[0] - 0.025 * reach, limits[1] + 0.025 * reach)
    axes.set_xticks(np.linspace(*limits, 5))
    axes.axvline(0, color=style.INK, linewidth=0.9, zorder=1)
    step = 0.3 if len(series) > 1 else 0.0
    shift = np.linspace(-step / 2, step / 2, len(series)) if len(series) > 1 else [0.0]
    for one, offset in zip(series, shift, strict=True):
        look = LOOKS[one.look]
        for i in range(n):
            y = i + float(offset)
            if not (math.isnan(one.low[i]) or math.isnan(one.high[i])):
                axes.plot(
                    [one.low[i], one.high[i]],
                    [y, y],
                    color=look["color"],
                    linewidth=2.0 if one.look == "main" else 1.2,
                    solid_capstyle="butt",
                    zorder=2,
                )
            if not math.isnan(one.values[i]):
                axes.plot(
                    [one.values[i]],
                    [y],
                    linestyle="none",
                    markersize=6.5 if one.look == "main" else 5.5,
                    markeredgewidth=1.2,
                    zorder=3,
                    clip_on=False,
                    **look,
                )
    for i in range(1, n):
        axes.axhline(i - 0.5, color=style.RULE, linewidth=0.6, zorder=0)
    axes.set_yticks(range(n))
    axes.set_yticklabels(names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(axis, color=style.QUIET)
    for x, text, side in ((0.0, ends[0], "left"), (1.0, ends[1], "right")):
        axes.text(
            x,
            1.0 + 0.06 / (row * n),
            text,
            transform=axes.transAxes,
            ha=side,
            va="bottom",
            fontsize=8,
            color=style.QUIET,
        )
    beside = 1 + 0.15 / (style.WIDTH - left - right)
    axes.text(
        beside,
        1.0 + 0.06 / (row * n),
        note_title,
        transform=axes.transAxes,
        va="bottom",
        fontsize=8,
        color=style.QUIET,
    )
    for i, text in enumerate(notes):
        axes.text(beside, i, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    if len(series) > 1:
        handles = [
            axes.plot([], [], linewidth=1.5, markersize=5.5, label=one.name, **LOOKS[one.look])[0]
            for one in series
        ]
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(left / style.WIDTH, 1.0),
            ncol=len(series),
            frameon=False,
            fontsize=8.5,
            borderaxespad=0.2,
            borderpad=0.1,
            handlelength=1.6,
        )
    return figure
