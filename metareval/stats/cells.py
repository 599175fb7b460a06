"""Association statistics as sums that can be weighted, permuted and added over cells.

A statistic of two columns in one cell of rows is ``num / scale``: concordant minus discordant
pairs over the geometric mean of untied pairs (Kendall), or a cross-product over the geometric
mean of two sums of squares (Spearman, Pearson). ``scale`` is 0 where a column does not vary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metareval.stats.pairs import Pairs

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]

# Numbers held at once by one batch of resampled pairs: 64 MiB of float64.
BATCH_NUMBERS = 8_000_000


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
        chosen = with_diagonal(pairs, x.shape[1])
        parts = (self._weighted(x[rows], _columns(w, rows), chosen) for rows in cells)
        return add_up(parts, len(w), x.shape[1])

    def observed(self, x: FloatArray, cells: Sequence[Rows]) -> CellSums:
        """Sums of the table as it stands, b = 1: x (n, k)."""
        return self.weighted(x, np.ones((1, len(x))), cells)

    def batch(self, x: FloatArray, cells: Sequence[Rows]) -> CellSums:
        """Sums for b different tables: x (b, n, k)."""
        return add_up((self._batch(x[:, rows]) for rows in cells), len(x), x.shape[-1])

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


def add_up(parts: Iterable[tuple[FloatArray, FloatArray]], b: int, k: int) -> CellSums:
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


def with_diagonal(pairs: Pairs | None, k: int) -> Pairs:
    """Return the pairs to compute: those above the diagonal, and the diagonal that scales them."""
    if pairs is None:
        return [(a, b) for a in range(k) for b in range(a, k)]
    used = {a for pair in pairs for a in pair}
    return [*((a, a) for a in sorted(used)), *((a, b) for a, b in pairs if a != b)]


def symmetric(values: FloatArray, pairs: Pairs, k: int) -> FloatArray:
    """Lay the values of pairs (..., m) out as symmetric matrices (..., k, k), 0 elsewhere."""
    out = np.zeros((*values.shape[:-1], k, k))
    for m, (a, b) in enumerate(pairs):
        out[..., a, b] = out[..., b, a] = values[..., m]
    return out


def geometric(num: FloatArray) -> FloatArray:
    """Return the geometric means of the diagonal entries of every two columns."""
    diagonal = np.einsum("...aa->...a", num)
    out: FloatArray = np.sqrt(diagonal[..., :, None] * diagonal[..., None, :])
    return out
