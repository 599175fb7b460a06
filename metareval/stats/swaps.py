"""Two columns that trade their values in random units: their association with a third.

Where units e (0 or 1) are swapped, the sign of x_i - x_j becomes one of four known signs, by e_i
and e_j. Any sum of g(i, j) times that sign, with g antisymmetric, is therefore a quadratic form in
e, and so is the number of untied pairs: one matrix product gives both for many draws. The other
column sees the complement 1 - e, and shares the quadratic part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.stats.pairs import FLOAT32_EXACT
from metareval.stats.statistics import CellSums

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class QuadraticForm:
    """``constant + linear . e + e . square e`` for rows e of zeros and ones."""

    constant: float
    linear: FloatArray
    square: FloatArray

    @classmethod
    def of_swaps(
        cls, same: FloatArray, other: FloatArray, mixed: FloatArray, unit: IntArray, n_units: int
    ) -> QuadraticForm:
        """Build the form from sums over pairs of rows.

        Parameters
        ----------
        same, other : ndarray, shape (n, n)
            Terms of a pair with no row swapped, and with both; symmetric.
        mixed : ndarray, shape (n, n)
            Term of (i, j) with i swapped and j not.
        unit : ndarray of int, shape (n,)
            Unit of each row, from 0.
        """
        member = np.zeros((len(unit), n_units))
        member[np.arange(len(unit)), unit] = 1.0
        cross = (mixed + mixed.T) / 2
        linear = (mixed - same).sum(axis=1)
        square = (same + other) / 2 - cross
        return cls(float(same.sum() / 2), linear @ member, member.T @ square @ member)

    def both(self, e: FloatArray, product: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the form at e and at 1 - e, given ``e @ square``."""
        quadratic = np.einsum("bu,bu->b", product, e)
        ones = self.square.sum(axis=1)
        first = self.constant + e @ self.linear + quadratic
        whole = self.constant + float(self.linear.sum() + ones.sum())
        second = whole - e @ (self.linear + 2 * ones) + quadratic
        return first, second


def _sign(a: FloatArray, b: FloatArray) -> FloatArray:
    return (a[:, None] > b[None, :]).astype(np.float64) - (a[:, None] < b[None, :])


def kendall_under_swaps(
    x: FloatArray,
    z: FloatArray,
    y: FloatArray,
    unit: IntArray,
    cells: Sequence[IntArray],
    swapped: NDArray[np.bool_],
) -> tuple[CellSums, CellSums]:
    """Return Kendall's sums of x with y, and of z with y, when x and z trade values in units.

    Parameters
    ----------
    x, z, y : ndarray, shape (n,)
    unit : ndarray of int, shape (n,)
        Unit of each row, from 0.
    cells : sequence of ndarray
    swapped : ndarray of bool, shape (b, n_units)

    Returns
    -------
    CellSums, CellSums
        Arrays of shape (n_cells, b, 2, 2): the column and y.
    """
    n_units = swapped.shape[1]
    b = len(swapped)
    forms = []
    for rows in cells:
        a, c, t = x[rows], z[rows], y[rows]
        same, other, mixed, gold = _sign(a, a), _sign(c, c), _sign(c, a), _sign(t, t)
        place = unit[rows]
        forms.append(
            (
                QuadraticForm.of_swaps(gold * same, gold * other, gold * mixed, place, n_units),
                QuadraticForm.of_swaps(abs(same), abs(other), abs(mixed), place, n_units),
                float(abs(gold).sum() / 2),
            )
        )
    out = [CellSums(*(np.zeros((len(cells), b, 2, 2)) for _ in range(2))) for _ in range(2)]
    # All sums are at most n ** 2 with halves, so float32 holds them where n ** 2 is small.
    kind: type = np.float32 if 8 * len(x) ** 2 < FLOAT32_EXACT else np.float64
    e: NDArray[Any] = swapped.astype(kind)
    for cell, (top, ties, gold_untied) in enumerate(forms):
        square: NDArray[Any] = np.hstack([top.square, ties.square]).astype(kind)
        products = e @ square
        tops = top.both(e, products[:, :n_units])
        untied = ties.both(e, products[:, n_units:])
        for side, sums in enumerate(out):
            sums.num[cell, :, 0, 1] = sums.num[cell, :, 1, 0] = np.rint(tops[side])
            sums.num[cell, :, 0, 0] = np.rint(untied[side])
            sums.num[cell, :, 1, 1] = gold_untied
            sums.scale[cell] = np.sqrt(
                sums.num[cell, :, [0, 1], [0, 1]].T[:, :, None]
                * sums.num[cell, :, [0, 1], [0, 1]].T[:, None, :]
            )
    return out[0], out[1]
