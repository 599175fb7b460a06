"""Where each item ends up when the weights of the score are drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metareval.reporting.figures.heatmap import Cells, heatmap

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rank_strips(items: Sequence[str], shares: NDArray[np.float64]) -> Figure:
    """Draw the share of random weights that gives each item each rank.

    Parameters
    ----------
    items : sequence of str
        In the order of the reference ranking.
    shares : ndarray, shape (n, m)
    """
    n, m = shares.shape
    return heatmap(
        Cells(
            values=shares,
            text=[[_percent(v) for v in row] for row in shares],
            note=[[""] * m] * n,
            rows=items,
            columns=[str(i + 1) for i in range(m)],
            groups=[],
            strong=np.eye(n, m, dtype=bool),
            blank=np.zeros((n, m), dtype=bool),
            signed=False,
            scale="share",
            column_title="rank under random weights",
        )
    )


def _percent(share: float) -> str:
    if share == 0:
        return ""
    percent = round(100 * share)
    return "<1%" if percent < 1 else f"{percent}%"
