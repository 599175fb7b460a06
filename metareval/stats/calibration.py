"""Pairwise accuracy with calibrated ties (Deutsch et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.stats.cells import BATCH_NUMBERS, CellSums, Statistic, add_up
from metareval.stats.pairs import Pairs, pair_index

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]


class CalibratedPairwiseAccuracy(Statistic):
    """acc_eq with tie calibration: the row's metric calls a tie where it differs by at most eps.

    eps is the value that gives the highest accuracy over all cells together, the smallest such
    value where several do (Deutsch et al. 2023, section 5). The row of the result is the metric
    that is calibrated, the column the reference; the matrix is not symmetric.
    """

    name = "acc_eq_calibrated"
    title = "pairwise accuracy with calibrated ties"
    bounds = (0.0, 1.0)
    symmetric = False

    def weighted(
        self, x: FloatArray, w: NDArray[Any], cells: Sequence[Rows], pairs: Pairs | None = None
    ) -> CellSums:
        """See :meth:`Statistic.weighted`."""
        k = x.shape[1]
        wanted = [(a, b) for a in range(k) for b in range(k)] if pairs is None else pairs
        shape = (len(cells), len(w), k, k)
        num, scale = np.zeros(shape), np.zeros(shape)
        listed = _cell_pairs(cells)
        if len(listed[0]) == 0:
            return add_up((), len(w), k)
        step = max(1, BATCH_NUMBERS // len(listed[0]))
        for start in range(0, len(w), step):
            part = slice(start, start + step)
            for a, b in wanted:
                num[:, part, a, b], scale[:, part, a, b] = _calibrate(
                    x[:, a], x[:, b], w[part], listed, len(cells)
                )
        return add_up(zip(num, scale, strict=True), len(w), k)

    def batch(self, x: FloatArray, cells: Sequence[Rows]) -> CellSums:
        """See :meth:`Statistic.batch`."""
        ones = np.ones((1, x.shape[1]))
        parts = [self.weighted(table, ones, cells) for table in x]
        return CellSums(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in ("num", "scale", "ratio", "count")
            )
        )

    def permuted(
        self, x: FloatArray, y: FloatArray, perms: Rows, cells: Sequence[Rows]
    ) -> FloatArray:
        """See :meth:`Statistic.permuted`; eps is calibrated anew in every permutation."""
        pairs = _cell_pairs(cells)
        out = np.empty((len(cells), len(perms), x.shape[1]))
        once = np.ones((1, len(x)))
        for b, perm in enumerate(perms):
            for a in range(x.shape[1]):
                out[:, b, a] = _calibrate(x[:, a], y[perm], once, pairs, len(cells))[0][:, 0]
        return out


def _cell_pairs(cells: Sequence[Rows]) -> tuple[Rows, Rows, Rows]:
    first, second, cell = [], [], []
    for c, rows in enumerate(cells):
        i, j = pair_index(len(rows))
        first.append(rows[i])
        second.append(rows[j])
        cell.append(np.full(len(i), c))
    return np.concatenate(first), np.concatenate(second), np.concatenate(cell)


def _calibrate(
    x: FloatArray, y: FloatArray, w: NDArray[Any], pairs: tuple[Rows, Rows, Rows], n_cells: int
) -> tuple[FloatArray, FloatArray]:
    """Correct and counted pairs by cell, (n_cells, b) each, at the best eps of every draw."""
    i, j, cell = pairs
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(x[i] == x[j], 0.0, np.abs(x[i] - x[j]))
    order = np.argsort(gap, kind="stable")
    i, j, cell, gap = i[order], j[order], cell[order], gap[order]
    reference_tie = y[i] == y[j]
    same = ((x[i] > x[j]) & (y[i] > y[j])) | ((x[i] < x[j]) & (y[i] < y[j]))
    v = w[:, i].astype(np.float64) * w[:, j]
    by_cell = np.zeros((len(gap), n_cells))
    by_cell[np.arange(len(gap)), cell] = 1.0
    varies = (v @ (by_cell * (gap > 0)[:, None]) > 0) & (
        v @ (by_cell * ~reference_tie[:, None]) > 0
    )
    v = v * varies[:, cell]
    gain = np.zeros((len(v), len(gap) + 1))
    gain[:, 1:] = np.cumsum(v * (reference_tie.astype(np.float64) - same), axis=1)
    # eps may stand after all pairs that are tied already, or after any group of equal gaps.
    stops = np.append(np.flatnonzero(gap[1:] != gap[:-1]) + 1, len(gap))
    stops = np.union1d(stops, [int((gap == 0).sum())])
    stops = stops[stops >= int((gap == 0).sum())]
    chosen = stops[np.argmax(gain[:, stops], axis=1)]
    called_tie = np.arange(len(gap))[None, :] < chosen[:, None]
    correct = np.where(called_tie, reference_tie, same)
    return ((v * correct) @ by_cell).T, (v @ by_cell).T
