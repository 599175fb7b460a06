"""Statistics of centred values: Spearman's rho and Pearson's r."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.stats.cells import Statistic, geometric, symmetric
from metareval.stats.pairs import FLOAT32_EXACT, Pairs
from metareval.stats.ranks import centred_ranks, group_sums, rank_squares, weighted_centred_ranks

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]


class Spearman(Statistic):
    """Spearman's rho: Pearson correlation of average ranks, ranked within each cell."""

    name = "spearman"
    title = "Spearman rho"
    centres = True

    def _weighted(
        self, x: FloatArray, w: NDArray[Any], pairs: Pairs
    ) -> tuple[FloatArray, FloatArray]:
        # Centred ranks stay below twice the number drawn, and are exact float32 below 2**24.
        narrow = 2 * float(w.sum(axis=1).max(initial=0.0)) < FLOAT32_EXACT
        kind: type = np.float32 if narrow and not self.needs_finite else np.float64
        drawn: NDArray[Any] = np.ascontiguousarray(w.T, dtype=kind)
        used = sorted({a for pair in pairs if pair[0] != pair[1] for a in pair})
        centred = {a: self._weighted_centre(x[:, a], drawn) for a in used}
        squares = self._weighted_squares(x, drawn, [a for a, b in pairs if a == b])
        sums = [
            squares[a]
            if a == b
            else np.einsum("ib,ib,ib->b", drawn, centred[a], centred[b], dtype=np.float64)
            for a, b in pairs
        ]
        values = np.stack(sums, axis=-1) if sums else np.empty((len(w), 0))
        num = symmetric(values, pairs, x.shape[1])
        return num, geometric(num)

    def _batch(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        centred = self._centre(np.swapaxes(x, -1, -2))
        num = centred @ np.swapaxes(centred, -1, -2)
        return num, geometric(num)

    def permuted(
        self, x: FloatArray, y: FloatArray, perms: Rows, cells: Sequence[Rows]
    ) -> FloatArray:
        """See :meth:`Statistic.permuted`."""
        out = np.empty((len(cells), len(perms), x.shape[1]))
        centred_y = np.empty(len(y))
        for rows in cells:
            centred_y[rows] = self._centre(y[rows])
        for c, rows in enumerate(cells):
            out[c] = centred_y[perms[:, rows]] @ self._centre(x[rows].T).T
        return out

    def _centre(self, x: FloatArray) -> FloatArray:
        return centred_ranks(x)

    def _weighted_centre(self, x: FloatArray, drawn: NDArray[Any]) -> NDArray[Any]:
        return weighted_centred_ranks(x, drawn)

    def _weighted_squares(
        self, x: FloatArray, drawn: NDArray[Any], columns: Sequence[int]
    ) -> dict[int, FloatArray]:
        out = {}
        without_ties: FloatArray | None = None
        for a in columns:
            tied = group_sums(x[:, a], drawn)
            if tied is not drawn:
                out[a] = rank_squares(tied)
                continue
            # Columns without ties differ in the order of ranks only, not in their squares.
            without_ties = rank_squares(tied) if without_ties is None else without_ties
            out[a] = without_ties
        return out


class Pearson(Spearman):
    """Pearson's r of the oriented values, centred within each cell."""

    name = "pearson"
    title = "Pearson r"
    needs_finite = True

    def _centre(self, x: FloatArray) -> FloatArray:
        middle = x.mean(axis=-1, keepdims=True)
        out: FloatArray = np.where(
            x.max(axis=-1, keepdims=True) > x.min(axis=-1, keepdims=True), x - middle, 0.0
        )
        return out

    def _weighted_squares(
        self, x: FloatArray, drawn: NDArray[Any], columns: Sequence[int]
    ) -> dict[int, FloatArray]:
        return {
            a: (drawn * self._weighted_centre(x[:, a], drawn) ** 2).sum(axis=0) for a in columns
        }

    def _weighted_centre(self, x: FloatArray, drawn: NDArray[Any]) -> NDArray[Any]:
        if len(x) == 0:
            return np.zeros(drawn.shape)
        shifted = x - x.mean()
        out = shifted[:, None] - (shifted @ drawn) / np.maximum(drawn.sum(axis=0), 1)
        present = drawn > 0
        low = np.where(present, shifted[:, None], np.inf).min(axis=0)
        high = np.where(present, shifted[:, None], -np.inf).max(axis=0)
        return np.where(high > low, out, 0.0)
