"""Weights of metrics as bars, several sets of weights side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metareval.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS: tuple[dict[str, Any], ...] = (
    {"facecolor": style.ACCENT, "edgecolor": style.ACCENT},
    {"facecolor": "#b9d3ee", "edgecolor": style.ACCENT},
    {"facecolor": "white", "edgecolor": style.CONTRAST, "hatch": "////"},
)
BAR = 0.2  # inches


@dataclass(frozen=True)
class Weights:
    """One set of weights: its name, and a value for each metric."""

    name: str
    values: Sequence[float]


def bars(names: Sequence[str], sets: Sequence[Weights]) -> Figure:
    """Draw weights, at most three sets of them."""
    from matplotlib.figure import Figure

    n, many = len(names), len(sets)
    row = BAR * many + 0.16
    left = 0.3 + 0.072 * max(map(len, names))
    top, bottom = 0.4 if many > 1 else 0.12, 0.45
    total = top + bottom + row * n
    figure = Figure(figsize=(style.WIDTH, total))
    axes = figure.add_axes(
        (left / style.WIDTH, bottom / total, 1 - (left + 0.35) / style.WIDTH, row * n / total)
    )
    largest = max((v for s in sets for v in s.values), default=1.0)
    for position, (one, look) in enumerate(zip(sets, LOOKS, strict=False)):
        y = np.arange(n) + (position - (many - 1) / 2) * BAR / row
        axes.barh(y, one.values, height=0.86 * BAR / row, label=one.name, linewidth=0.8, **look)
        for at, value in zip(y, one.values, strict=True):
            axes.text(
                value + 0.01 * largest, at, f"{value:.2f}", va="center", fontsize=8, color=style.INK
            )
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_xlim(0, largest * 1.1)
    axes.set_yticks(range(n))
    axes.set_yticklabels(names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("weight in the score (all weights add up to 1)", color=style.QUIET)
    if many > 1:
        figure.legend(
            loc="upper left",
            bbox_to_anchor=(left / style.WIDTH, 1.0),
            ncol=many,
            frameon=False,
            fontsize=8.5,
            borderaxespad=0.2,
        )
    return figure
