"""Statistics of pairs of rows: Kendall's tau-b, Stuart's tau-c, pairwise accuracy with ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metareval.stats.cells import (
    BATCH_NUMBERS,
    CellSums,
    Statistic,
    add_up,
    geometric,
    symmetric,
    with_diagonal,
)
from metareval.stats.concordance import PermutedColumn, kendall_sums, pair_count
from metareval.stats.pairs import (
    PAIR_LIST_ROWS,
    Pairs,
    equal,
    pair_index,
    product,
    signs,
    untied_pairs,
    weighted_pair_sums,
)

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

# Up to so many columns, comparing permuted rows beats a product with their signs.
FEW_COLUMNS = 6


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
        return add_up((self._observed(x[rows]) for rows in cells), 1, x.shape[1])

    def _observed(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        w = np.ones((1, len(x)))
        s = signs(x) if len(x) <= PAIR_LIST_ROWS else None
        num = (kendall_sums(x) if s is None else s.T @ s)[None]
        return num, self._scale(num, w.sum(axis=1, dtype=np.float64), partial(_levels, x, w))

    def _weighted(
        self, x: FloatArray, w: NDArray[Any], pairs: Pairs
    ) -> tuple[FloatArray, FloatArray]:
        apart = [(a, b) for a, b in pairs if a != b]
        num = symmetric(weighted_pair_sums(x, w, apart, product), apart, x.shape[1])
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
        return geometric(num)

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
        return np.where(geometric(num) > 0, scale, 0.0)


class PairwiseAccuracy(KendallB):
    """Pairwise accuracy with ties, acc_eq (Deutsch et al. 2023): a tie must be met by a tie."""

    name = "acc_eq"
    title = "pairwise accuracy with ties (acc_eq)"
    bounds = (0.0, 1.0)
    _signs_suffice = False

    def _observed(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._weighted(x, np.ones((1, len(x))), with_diagonal(None, x.shape[1]))

    def _weighted(
        self, x: FloatArray, w: NDArray[Any], pairs: Pairs
    ) -> tuple[FloatArray, FloatArray]:
        k = x.shape[1]
        num = symmetric(weighted_pair_sums(x, w, pairs, equal), pairs, k)
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
