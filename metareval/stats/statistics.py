"""Association statistics as sums that can be weighted, permuted and added over cells.

A statistic of two columns in one cell of rows is ``num / scale``: concordant minus discordant
pairs over the geometric mean of untied pairs (Kendall), or a cross-product over the geometric
mean of two sums of squares (Spearman, Pearson). ``scale`` is 0 where a column does not vary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metareval.errors import unknown_name
from metareval.stats.concordance import PermutedColumn, kendall_sums, pair_count
from metareval.stats.pairs import (
    FLOAT32_EXACT,
    PAIR_LIST_ROWS,
    Pairs,
    equal,
    pair_index,
    product,
    signs,
    untied_pairs,
    weighted_pair_sums,
)
from metareval.stats.ranks import centred_ranks, group_sums, rank_squares, weighted_centred_ranks

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

# Numbers held at once by one batch of resampled pairs: 64 MiB of float64.
BATCH_NUMBERS = 8_000_000
# Up to so many columns, comparing permuted rows beats a product with their signs.
FEW_COLUMNS = 6


@dataclass(frozen=True)
class CellSums:
    """Sums over cells of what makes the association of every pair of columns.

    Parameters
    ----------
    num, scale : ndarray, shape (b, k, k)
        Numerators and normalisers, added over the cells in which the pair is defined.
    ratio : ndarray, shape (b, k, k)
        Numerator over normaliser, added over these cells.
    count : ndarray, shape (b, k, k)
        How many these are.
    """

    num: FloatArray
    scale: FloatArray
    ratio: FloatArray
    count: FloatArray


class Statistic:
    """One association statistic; subclasses say how a cell is summed."""

    name: ClassVar[str]
    title: ClassVar[str]
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    null: ClassVar[float] = 0.0
    symmetric: ClassVar[bool] = True
    #: Stratified over cells as a ratio of sums, or as a correlation of values centred in cells.
    centres: ClassVar[bool] = False
    needs_finite: ClassVar[bool] = False

    def weighted(
        self, x: FloatArray, w: NDArray[Any], cells: Sequence[Rows], pairs: Pairs | None = None
    ) -> CellSums:
        """Sums for rows drawn ``w`` times: x (n, k), w (b, n).

        Only the given pairs of columns are computed, all of them by default.
        """
        chosen = _with_diagonal(pairs, x.shape[1])
        parts = (self._weighted(x[rows], _columns(w, rows), chosen) for rows in cells)
        return _add_up(parts, len(w), x.shape[1])

    def observed(self, x: FloatArray, cells: Sequence[Rows]) -> CellSums:
        """Sums of the table as it stands, b = 1: x (n, k)."""
        return self.weighted(x, np.ones((1, len(x))), cells)

    def batch(self, x: FloatArray, cells: Sequence[Rows]) -> CellSums:
        """Sums for b different tables: x (b, n, k)."""
        return _add_up((self._batch(x[:, rows]) for rows in cells), len(x), x.shape[-1])

    def permuted(
        self, x: FloatArray, y: FloatArray, perms: Rows, cells: Sequence[Rows]
    ) -> FloatArray:
        """Numerators of each column of x with y taken from permuted rows of the same cell.

        Parameters
        ----------
        x : ndarray, shape (n, k)
        y : ndarray, shape (n,)
        perms : ndarray of int, shape (b, n)
            Row from which each row takes its y.

        Returns
        -------
        ndarray, shape (n_cells, b, k)
        """
        raise NotImplementedError

    def _weighted(
        self, x: FloatArray, w: NDArray[Any], pairs: Pairs
    ) -> tuple[FloatArray, FloatArray]:
        raise NotImplementedError

    def _batch(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        raise NotImplementedError


def _add_up(parts: Iterable[tuple[FloatArray, FloatArray]], b: int, k: int) -> CellSums:
    """Add up the cells one by one, so that memory does not grow with their number."""
    sums = CellSums(*(np.zeros((b, k, k)) for _ in range(4)))
    for num, scale in parts:
        defined = scale > 0
        kept = np.where(defined, num, 0.0)
        np.add(sums.num, kept, out=sums.num)
        np.add(sums.scale, scale, out=sums.scale)
        np.add(sums.count, defined, out=sums.count)
        np.divide(kept, scale, out=kept, where=defined)
        np.add(sums.ratio, kept, out=sums.ratio)
    return sums


def _columns(w: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return some columns, without a copy where they are all of them in order."""
    if len(rows) == w.shape[1] and np.array_equal(rows, np.arange(len(rows))):
        return w
    return w[:, rows]


def _with_diagonal(pairs: Pairs | None, k: int) -> Pairs:
    """Return the pairs to compute: those above the diagonal, and the diagonal that scales them."""
    if pairs is None:
        return [(a, b) for a in range(k) for b in range(a, k)]
    used = {a for pair in pairs for a in pair}
    return [*((a, a) for a in sorted(used)), *((a, b) for a, b in pairs if a != b)]


def _symmetric(values: FloatArray, pairs: Pairs, k: int) -> FloatArray:
    out = np.zeros((*values.shape[:-1], k, k))
    for m, (a, b) in enumerate(pairs):
        out[..., a, b] = out[..., b, a] = values[..., m]
    return out


def _geometric(num: FloatArray) -> FloatArray:
    diagonal = np.einsum("...aa->...a", num)
    out: FloatArray = np.sqrt(diagonal[..., :, None] * diagonal[..., None, :])
    return out


def _levels(x: FloatArray, w: NDArray[Any]) -> FloatArray:
    """Number of distinct values of each column among the rows drawn, shape (b, k)."""
    drawn = (w > 0).astype(np.float64)
    out = np.empty((len(w), x.shape[1]))
    for a in range(x.shape[1]):
        _, code = np.unique(x[:, a], return_inverse=True)
        onehot = np.zeros((len(x), int(code.max(initial=-1)) + 1))
        onehot[np.arange(len(x)), code] = 1.0
        out[:, a] = ((drawn @ onehot) > 0).sum(axis=1)
    return out


def _batch_levels(x: FloatArray) -> FloatArray:
    ordered = np.sort(x, axis=1)
    changes: FloatArray = (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) + 1.0
    return changes if x.shape[1] else np.zeros((x.shape[0], x.shape[2]))


class KendallB(Statistic):
    """Kendall's tau-b: concordant minus discordant pairs over untied pairs."""

    name = "kendall"
    title = "Kendall tau-b"
    _signs_suffice: ClassVar[bool] = True

    def observed(self, x: FloatArray, cells: Sequence[Rows]) -> CellSums:
        """See :meth:`Statistic.observed`; no pair is listed where there are many rows."""
        return _add_up((self._observed(x[rows]) for rows in cells), 1, x.shape[1])

    def _observed(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        w = np.ones((1, len(x)))
        s = signs(x) if len(x) <= PAIR_LIST_ROWS else None
        num = (kendall_sums(x) if s is None else s.T @ s)[None]
        return num, self._scale(num, w.sum(axis=1, dtype=np.float64), partial(_levels, x, w))

    def _weighted(
        self, x: FloatArray, w: NDArray[Any], pairs: Pairs
    ) -> tuple[FloatArray, FloatArray]:
        apart = [(a, b) for a, b in pairs if a != b]
        num = _symmetric(weighted_pair_sums(x, w, apart, product), apart, x.shape[1])
        for a in {a for a, b in pairs if a == b}:
            num[:, a, a] = untied_pairs(x[:, a], w)
        return num, self._scale(num, w.sum(axis=1, dtype=np.float64), partial(_levels, x, w))

    def _batch(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        b, n, k = x.shape
        step = max(1, BATCH_NUMBERS // max(n * (n - 1) // 2 * k, 1))
        if step < b:
            parts = [self._batch(x[start : start + step]) for start in range(0, b, step)]
            return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        return self._batch_of_signs(x)

    def _batch_of_signs(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        s = signs(x)
        num = np.swapaxes(s, -1, -2) @ s
        if np.isnan(x).any():
            return num, self._scale_with_gaps(x, s)
        n = np.full(x.shape[0], float(x.shape[1]))
        return num, self._scale(num, n, partial(_batch_levels, x))

    def _scale_with_gaps(self, x: FloatArray, s: FloatArray) -> FloatArray:
        # Pairs untied in one column count where the other column has both values.
        i, j = pair_index(x.shape[1])
        present = ~np.isnan(x)
        both = (present[:, i] & present[:, j]).astype(np.float64)
        untied = np.swapaxes(np.abs(s), -1, -2) @ both
        out: FloatArray = np.sqrt(untied * np.swapaxes(untied, -1, -2))
        return out

    def _scale(
        self,
        num: FloatArray,
        n: FloatArray,  # noqa: ARG002
        levels: Callable[[], FloatArray],  # noqa: ARG002
    ) -> FloatArray:
        return _geometric(num)

    def permuted(
        self, x: FloatArray, y: FloatArray, perms: Rows, cells: Sequence[Rows]
    ) -> FloatArray:
        """See :meth:`Statistic.permuted`."""
        out = np.empty((len(cells), len(perms), x.shape[1]))
        for c, rows in enumerate(cells):
            drawn = PermutedColumn(y, rows, perms)
            if self._signs_suffice and len(rows) <= PAIR_LIST_ROWS and x.shape[1] > FEW_COLUMNS:
                out[c] = drawn.leads(x[rows])
                continue
            for a in range(x.shape[1]):
                out[c, :, a] = self._numerators(drawn, x[rows, a])
        return out

    def _numerators(self, drawn: PermutedColumn, x: FloatArray) -> FloatArray:
        discordant, concordant = drawn.against(x)
        out: FloatArray = (concordant - discordant).astype(np.float64)
        return out


class KendallC(KendallB):
    """Stuart's tau-c, for columns with different numbers of distinct values."""

    name = "kendall_c"
    title = "Kendall (Stuart) tau-c"

    def _scale(
        self, num: FloatArray, n: FloatArray, levels: Callable[[], FloatArray]
    ) -> FloatArray:
        count = levels()
        m = np.minimum(count[:, :, None], count[:, None, :])
        scale = n[:, None, None] ** 2 * (m - 1) / (2 * np.maximum(m, 1))
        return np.where(_geometric(num) > 0, scale, 0.0)


class PairwiseAccuracy(KendallB):
    """Pairwise accuracy with ties, acc_eq (Deutsch et al. 2023): a tie must be met by a tie."""

    name = "acc_eq"
    title = "pairwise accuracy with ties (acc_eq)"
    bounds = (0.0, 1.0)
    null = 0.5
    _signs_suffice = False

    def _observed(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._weighted(x, np.ones((1, len(x))), _with_diagonal(None, x.shape[1]))

    def _weighted(
        self, x: FloatArray, w: NDArray[Any], pairs: Pairs
    ) -> tuple[FloatArray, FloatArray]:
        k = x.shape[1]
        num = _symmetric(weighted_pair_sums(x, w, pairs, equal), pairs, k)
        untied = np.stack([untied_pairs(x[:, a], w) for a in range(k)], axis=1)
        drawn = w.sum(axis=1, dtype=np.float64)
        total = (drawn**2 - np.einsum("bi,bi->b", w, w, dtype=np.float64)) / 2
        return self._blank(num, untied, total)

    def _batch_of_signs(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        s = signs(x)
        total = np.full(len(x), float(s.shape[1]))
        num = np.stack([(s == s[:, :, [a]]).sum(axis=1) for a in range(x.shape[2])], axis=1)
        return self._blank(num.astype(np.float64), np.abs(s).sum(axis=1), total)

    @staticmethod
    def _blank(
        num: FloatArray, untied: FloatArray, total: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        varies = untied > 0
        both = varies[:, :, None] & varies[:, None, :]
        return np.where(both, num, 0.0), np.where(both, total[:, None, None], 0.0)

    def _numerators(self, drawn: PermutedColumn, x: FloatArray) -> FloatArray:
        discordant, concordant = drawn.against(x)
        # Pairs that are neither are tied in x, in y or in both; inclusion and exclusion.
        apart = (concordant + discordant).astype(np.float64)
        n = len(x)
        tied_x = pair_count(np.unique(x, return_counts=True)[1])
        tied_y = drawn.tied_pairs
        both = tied_x + tied_y - (n * (n - 1) // 2 - apart)
        out: FloatArray = concordant + both
        return out


class CalibratedPairwiseAccuracy(Statistic):
    """acc_eq with tie calibration: the row's metric calls a tie where it differs by at most eps.

    eps is the value that gives the highest accuracy over all cells together, the smallest such
    value where several do (Deutsch et al. 2023, section 5). The row of the result is the metric
    that is calibrated, the column the reference; the matrix is not symmetric.
    """

    name = "acc_eq_calibrated"
    title = "pairwise accuracy with calibrated ties"
    bounds = (0.0, 1.0)
    null = 0.5
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
            return _add_up((), len(w), k)
        step = max(1, BATCH_NUMBERS // len(listed[0]))
        for start in range(0, len(w), step):
            part = slice(start, start + step)
            for a, b in wanted:
                num[:, part, a, b], scale[:, part, a, b] = _calibrate(
                    x[:, a], x[:, b], w[part], listed, len(cells)
                )
        return _add_up(zip(num, scale, strict=True), len(w), k)

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
        num = _symmetric(values, pairs, x.shape[1])
        return num, _geometric(num)

    def _batch(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        centred = self._centre(np.swapaxes(x, -1, -2))
        num = centred @ np.swapaxes(centred, -1, -2)
        return num, _geometric(num)

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


STATISTICS: dict[str, Statistic] = {
    s.name: s
    for s in (
        KendallB(),
        KendallC(),
        Spearman(),
        Pearson(),
        PairwiseAccuracy(),
        CalibratedPairwiseAccuracy(),
    )
}


def get_statistic(name: str) -> Statistic:
    """Return the statistic of that name, or say which exist."""
    if not isinstance(name, str) or name not in STATISTICS:
        raise unknown_name("statistic", name, STATISTICS)
    return STATISTICS[name]
