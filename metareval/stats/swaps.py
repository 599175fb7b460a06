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
        cls,
        same: FloatArray,
        other: FloatArray,
        mixed: FloatArray,
        member: FloatArray | None,
    ) -> QuadraticForm:
        """Build the form from sums over pairs of rows.

        Parameters
        ----------
        same, other : ndarray, shape (n, n)
            Terms of a pair with no row swapped, and with both; symmetric.
        mixed : ndarray, shape (n, n)
            Term of (i, j) with i swapped and j not.
        member : ndarray, shape (n, n_units), or None
            1 where the row belongs to the unit; None where row i is unit i.
        """
        linear = (mixed - same).sum(axis=1)
        square = (same + other - mixed - mixed.T) / 2
        if member is not None:
            linear, square = linear @ member, member.T @ square @ member
        return cls(float(same.sum() / 2), linear, square)

    def columns(self) -> FloatArray:
        """Return the square part, and the linear parts at e and at 1 - e, side by side."""
        return np.column_stack(
            [self.square, self.linear, -self.linear - 2 * self.square.sum(axis=1)]
        )

    def both(self, e: NDArray[Any], products: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the form at e and at 1 - e, given ``e @ columns()``."""
        quadratic = np.einsum("bu,bu->b", products[:, :-2], e)
        swapped_all = self.constant + float(self.linear.sum() + self.square.sum())
        return (
            self.constant + products[:, -2] + quadratic,
            swapped_all + products[:, -1] + quadratic,
        )


def _sign(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.subtract(a[:, None] > b[None, :], a[:, None] < b[None, :], dtype=np.float64)


class KendallSwaps:
    """Kendall's tau of x with y, and of z with y, when x and z trade values in units.

    Parameters
    ----------
    x, z, y : ndarray, shape (n,)
    unit : ndarray of int, shape (n,)
        Unit of each row, from 0.
    cells : sequence of ndarray
    estimate : {"stratified", "mean", "pooled"}
        See :func:`metareval.stats.association.combine`.
    """

    def __init__(
        self,
        x: FloatArray,
        z: FloatArray,
        y: FloatArray,
        unit: IntArray,
        cells: Sequence[IntArray],
        estimate: str,
    ) -> None:
        n_units = int(unit.max()) + 1 if len(unit) else 0
        self._mean = estimate == "mean"
        self._forms: list[tuple[QuadraticForm, QuadraticForm, float]] = []
        columns = []
        for rows in cells:
            a, c, gold = x[rows], z[rows], _sign(y[rows], y[rows])
            same, other, mixed = _sign(a, a), _sign(c, c), _sign(c, a)
            member = None
            if not np.array_equal(unit[rows], np.arange(n_units)):
                member = np.zeros((len(rows), n_units))
                member[np.arange(len(rows)), unit[rows]] = 1.0
            top = QuadraticForm.of_swaps(gold * same, gold * other, gold * mixed, member)
            untied = QuadraticForm.of_swaps(abs(same), abs(other), abs(mixed), member)
            self._forms.append((top, untied, float(abs(gold).sum() / 2)))
            columns += [top.columns(), untied.columns()]
        # Sums of quarters of at most 8 n**2: exact in float32 while n is small.
        self._kind: type = np.float32 if 32 * len(x) ** 2 < FLOAT32_EXACT else np.float64
        self._columns: NDArray[Any] = (
            np.hstack(columns) if columns else np.empty((n_units, 0))
        ).astype(self._kind)
        self._width = n_units + 2

    def __call__(self, swapped: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Return both taus for every row of swaps, shape (b, n_units); NaN where undefined."""
        e: NDArray[Any] = swapped.astype(self._kind)
        products = e @ self._columns
        above, below = np.zeros((2, len(e))), np.zeros((2, len(e)))
        for cell, (top, untied, gold) in enumerate(self._forms):
            at = 2 * cell * self._width
            tops = top.both(e, products[:, at : at + self._width])
            at += self._width
            varies = untied.both(e, products[:, at : at + self._width])
            for side in range(2):
                num = np.rint(tops[side], dtype=np.float64)
                scale = np.sqrt(np.rint(varies[side], dtype=np.float64) * gold)
                if self._mean:
                    defined = scale > 0
                    above[side] += np.where(defined, num / np.where(defined, scale, 1.0), 0.0)
                    below[side] += defined
                else:
                    above[side] += np.where(scale > 0, num, 0.0)
                    below[side] += scale
        value = np.full((2, len(e)), np.nan)
        np.divide(above, below, out=value, where=below > 0)
        return value[0], value[1]
