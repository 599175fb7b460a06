"""Association of all pairs of columns, within cells or pooled, observed or resampled."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.errors import unknown_name
from metareval.stats.cells import CellSums, Statistic
from metareval.stats.pairs import Pairs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

ESTIMATES = ("stratified", "mean", "pooled")


def check_estimate(estimate: str) -> None:
    """Refuse an estimate that does not exist."""
    if estimate not in ESTIMATES:
        raise unknown_name("estimate", estimate, ESTIMATES)


def cell_rows(cells: IntArray) -> list[IntArray]:
    """Return the row numbers of each cell."""
    if len(cells) == 0:
        return []
    order = np.argsort(cells, kind="stable")
    cuts = np.flatnonzero(np.diff(cells[order])) + 1
    return np.split(order, cuts)


def combine(sums: CellSums, statistic: Statistic, estimate: str) -> FloatArray:
    """Combine cells into one matrix of estimates for each draw.

    Parameters
    ----------
    sums : CellSums
    statistic : Statistic
    estimate : {"stratified", "mean", "pooled"}
        ``pooled`` expects one cell and is the plain statistic.

    Returns
    -------
    ndarray, shape (b, k, k)
        NaN where undefined.
    """
    # Two columns that vary in different cells only are never compared.
    defined = sums.count > 0
    if estimate == "mean":
        above, below = sums.ratio, sums.count
    elif statistic.centres:
        diagonal = np.einsum("...aa->...a", sums.num)
        above = sums.num
        below = np.sqrt(diagonal[..., :, None] * diagonal[..., None, :])
    else:
        above, below = sums.num, sums.scale
    value = np.full(sums.num.shape, np.nan)
    np.divide(above, below, out=value, where=defined & (below > 0))
    low, high = statistic.bounds
    return np.clip(value, low, high, out=value)


def finite_columns(x: FloatArray, statistic: Statistic) -> FloatArray:
    """Prepare columns for a statistic that needs finite values; others are returned as they are.

    A column with infinities becomes missing, and the others are scaled to at most 1, so that no
    square overflows or vanishes.
    """
    if not statistic.needs_finite:
        return x
    out = np.where(np.isinf(x).any(axis=0), np.nan, x)
    largest = np.nanmax(np.abs(out), axis=0, initial=0.0)
    scaled: FloatArray = out / np.where(largest > 0, largest, 1.0)
    return scaled


def association(
    x: FloatArray,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    weights: NDArray[Any] | None = None,
    pairs: Pairs | None = None,
) -> FloatArray:
    """Return the association of every pair of columns, shape (b, k, k).

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Oriented values; NaN is missing and drops the row from the pairs it touches.
    cells : sequence of ndarray
        Row numbers of each cell.
    statistic, estimate
        See :func:`combine`.
    weights : ndarray, shape (b, n), optional
        How often each row is drawn; once each by default.
    pairs : sequence of (int, int), optional
        Pairs of columns that are wanted of a weighted association; the others may stay NaN.
    """

    def sums(values: FloatArray, within: Sequence[IntArray], wanted: Pairs | None) -> FloatArray:
        found = (
            statistic.observed(values, within)
            if weights is None
            else statistic.weighted(values, weights, within, wanted)
        )
        return combine(found, statistic, estimate)

    missing = np.isnan(x)
    if not missing.any():
        return sums(x, cells, pairs)
    k = x.shape[1]
    out = np.full((1 if weights is None else len(weights), k, k), np.nan)
    for a, b in itertools.combinations_with_replacement(range(k), 2) if pairs is None else pairs:
        kept = keep_rows(cells, ~(missing[:, a] | missing[:, b]))
        if not kept:
            continue
        pair = sums(x[:, [a, b]], kept, None)
        out[:, a, b], out[:, b, a] = pair[:, 0, 1], pair[:, 1, 0]
    return out


def keep_rows(cells: Sequence[IntArray], keep: NDArray[np.bool_]) -> list[IntArray]:
    """Drop rows from cells, and cells that lose all their rows."""
    parts = (rows[keep[rows]] for rows in cells)
    return [rows for rows in parts if len(rows)]


def defined_cells(x: FloatArray, cells: Sequence[IntArray]) -> IntArray:
    """Count the cells in which both columns of a pair vary, shape (k, k)."""
    k = x.shape[1]
    out = np.zeros((k, k), dtype=np.intp)
    for rows in cells:
        part = x[rows]
        for a in range(k):
            for b in range(a, k):
                both = part[:, [a, b]][~np.isnan(part[:, [a, b]]).any(axis=1)]
                varies = len(both) > 1 and bool((both.max(axis=0) > both.min(axis=0)).all())
                out[a, b] += varies
                if a != b:
                    out[b, a] += varies
    return out


def undefined_reason(
    x: FloatArray, y: FloatArray, cells: Sequence[IntArray], *, finite: bool = False
) -> str:
    """Say why the association of two columns is undefined; empty where it is defined.

    Returns
    -------
    {"", "too_few", "missing", "non_finite", "constant"}
        ``missing``: fewer than two rows of any cell have both values, because values are missing;
        ``too_few``: no cell has two rows; ``constant``: in no cell do both columns vary.
    """
    if not any(len(rows) > 1 for rows in cells):
        return "too_few"
    if finite and (np.isinf(x).any() or np.isinf(y).any()):
        return "non_finite"
    complete = ~(np.isnan(x) | np.isnan(y))
    kept = [rows[complete[rows]] for rows in cells]
    if not any(len(rows) > 1 for rows in kept):
        return "missing"
    for rows in kept:
        if len(rows) > 1 and x[rows].max() > x[rows].min() and y[rows].max() > y[rows].min():
            return ""
    return "constant"


def local_cells(cells: Sequence[IntArray], keep: NDArray[np.bool_]) -> list[IntArray]:
    """Renumber cells for a table that has only the rows to keep."""
    position = np.cumsum(keep) - 1
    return [position[rows] for rows in keep_rows(cells, keep)]


def permuted_association(
    x: FloatArray,
    y: FloatArray,
    perms: Iterable[IntArray],
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
) -> FloatArray:
    """Return the association of each column of x with permuted y, shape (b, k).

    Permutations, in portions, must stay within cells, so that what normalises a cell does not
    change.
    """
    columns = np.column_stack([x, y])
    if statistic.centres and estimate != "mean":
        observed = statistic.observed(columns, cells)
        squares = np.einsum("baa->a", observed.num)
        whole = np.sqrt(squares[:-1] * squares[-1])
        defined = (observed.count[0, :-1, -1] > 0) & (whole > 0)
        share = np.tile(np.where(defined, 1 / np.where(defined, whole, 1.0), 0.0), (len(cells), 1))
    else:
        single = [statistic.observed(columns, [rows]).scale[0, :-1, -1] for rows in cells]
        scale = np.array(single).reshape(len(cells), x.shape[1])
        varies = scale > 0
        defined = varies.any(axis=0)
        below = (
            scale * np.maximum(varies.sum(axis=0), 1)
            if estimate == "mean"
            else np.tile(scale.sum(axis=0), (len(cells), 1))
        )
        share = np.where(varies, 1 / np.where(varies, below, 1.0), 0.0)
    # What a cell's numerator counts for does not change, so each portion ends as one number.
    values = [
        np.einsum("cbk,ck->bk", statistic.permuted(x, y, part, cells), share) for part in perms
    ]
    out: FloatArray = np.concatenate(values)
    return np.where(defined, out, np.nan)
