"""Pairs of rows: signs of differences, and sums over weighted pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Pairs = Sequence[tuple[int, int]]
Combine = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]

# Up to this many rows the list of pairs beats the n x n matrix.
PAIR_LIST_ROWS = 64
# Up to this many rows the n x n matrix beats keeping cumulative sums.
MATRIX_ROWS = 300
# Columns of the n x n matrix that are held at once.
COLUMN_BLOCK = 256
# Every integer up to here is a float32; sums that may grow larger are made in float64.
FLOAT32_EXACT = 2**24


@lru_cache(maxsize=64)
def pair_index(n: int) -> tuple[IntArray, IntArray]:
    """Return the row numbers (i, j), i < j, of all n (n - 1) / 2 pairs."""
    i, j = np.triu_indices(n, 1)
    i.setflags(write=False)
    j.setflags(write=False)
    return i, j


def signs(x: FloatArray) -> FloatArray:
    """Return sign(x_i - x_j) for every pair of rows.

    Parameters
    ----------
    x : ndarray, shape (..., n, k)

    Returns
    -------
    ndarray, shape (..., n (n - 1) / 2, k), values -1, 0, 1
        Infinities compare as numbers do; equal infinities tie.
    """
    i, j = pair_index(x.shape[-2])
    left, right = x[..., i, :], x[..., j, :]
    return (left > right).astype(np.float64) - (left < right)


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Combine two signs: 1 concordant, -1 discordant, 0 tied in either."""
    out: NDArray[Any] = a * b
    return out


def equal(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Combine two signs: 1 where they are equal, a tie met by a tie included."""
    out: NDArray[Any] = (a == b).astype(a.dtype)
    return out


def weighted_pair_sums(
    x: FloatArray, weights: NDArray[Any], pairs: Pairs, combine: Combine
) -> FloatArray:
    """Sum w_i w_j combine(sign_a(i, j), sign_b(i, j)) over i < j for pairs of columns (a, b).

    Parameters
    ----------
    x : ndarray, shape (n, k)
    weights : ndarray, shape (b, n)
        How often each row is drawn; rows drawn twice are not paired with themselves.
    pairs : sequence of (int, int)
        m pairs of columns.
    combine : callable
        :func:`product` or :func:`equal`.

    Returns
    -------
    ndarray, shape (b, m)
        Exact integers.
    """
    b, n = weights.shape
    out = np.zeros((b, len(pairs)))
    if n < 2 or not pairs:
        return out
    largest = float(weights.sum(axis=1).max(initial=0.0)) ** 2 / 2
    kind: type = np.float32 if largest < FLOAT32_EXACT else np.float64
    if n <= PAIR_LIST_ROWS:
        i, j = pair_index(n)
        s: NDArray[Any] = signs(x).astype(kind).T
        drawn: NDArray[Any] = np.ascontiguousarray(weights.T, dtype=kind)
        values = np.stack([combine(s[a], s[c]) for a, c in pairs])
        out[:] = (values @ (drawn[i] * drawn[j])).T
        return out
    if combine is product and n > MATRIX_ROWS:
        drawn = np.ascontiguousarray(weights.T)
        for m, (a, c) in enumerate(pairs):
            out[:, m] = _prefix_sums(x[:, a], x[:, c], drawn)
        return out
    w: NDArray[Any] = weights.astype(kind)
    used = sorted({a for pair in pairs for a in pair})
    for start in range(0, n, COLUMN_BLOCK):
        stop = min(start + COLUMN_BLOCK, n)
        column = {}
        for a in used:
            above, here = x[:stop, a, None], x[None, start:stop, a]
            column[a] = np.subtract(above > here, above < here, dtype=np.int8)
        # Rows of the block itself pair with the rows before them only.
        earlier = np.arange(stop)[:, None] < np.arange(start, stop)[None, :]
        here = w[:, start:stop]
        for m, (a, c) in enumerate(pairs):
            values = np.where(earlier, combine(column[a], column[c]), 0).astype(kind)
            out[:, m] += np.einsum("bj,bj->b", w[:, :stop] @ values, here, dtype=np.float64)
    return out


def untied_pairs(x: FloatArray, weights: NDArray[Any]) -> FloatArray:
    """Return the weighted number of pairs of rows that differ in x, shape (b,)."""
    order = np.argsort(x)
    ordered = x[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    total: FloatArray = weights.sum(axis=1, dtype=np.float64)
    if len(x) == 0:
        return total
    groups = np.add.reduceat(weights[:, order], starts, axis=1) if len(starts) < len(x) else weights
    out: FloatArray = (total**2 - np.einsum("bg,bg->b", groups, groups, dtype=np.float64)) / 2
    return out


def _prefix_sums(x: FloatArray, y: FloatArray, drawn: NDArray[Any]) -> FloatArray:
    """Sum w_i w_j sign(x_i - x_j) sign(y_i - y_j) over pairs, for every column of weights.

    Rows are taken in the order of x. Cumulative weights over the values of y, in blocks of about
    sqrt(n) values with a second cumulative sum over blocks, say how much weight came before with
    a smaller and with a larger y; each step works on all draws at once.
    """
    n, b = drawn.shape
    weight = float(drawn.sum(axis=0).max(initial=0.0))
    kind = np.min_scalar_type(int(weight**2))
    w: NDArray[Any] = drawn.astype(kind)
    value = np.unique(y, return_inverse=True)[1]
    levels = int(value.max()) + 1
    size = max(8, int(np.sqrt(levels)))
    # inner[q, v + 1]: weight of values of block q up to v; outer[q]: weight of blocks before q.
    inner: NDArray[Any] = np.zeros((-(-levels // size), size + 1, b), dtype=kind)
    outer: NDArray[Any] = np.zeros((len(inner) + 1, b), dtype=kind)
    order = np.argsort(x)
    ordered = x[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, n)
    no_ties = len(ends) == levels == n
    # Weight with a smaller y, with at most an equal y, and in all, that came before each row.
    sums: NDArray[Any] = np.zeros((3, b), dtype=kind)
    less, upto, came = sums
    before: NDArray[Any] = np.zeros(b, dtype=kind)
    lead: NDArray[Any] = np.empty(b, dtype=kind)
    start = 0
    for end in ends.tolist():
        group = order[start:end].tolist()
        for row in group:
            q, v = divmod(int(value[row]), size)
            np.add(inner[q, v], outer[q], out=lead)
            lead *= w[row]
            less += lead
            if not no_ties:
                np.add(inner[q, v + 1], outer[q], out=lead)
                lead *= w[row]
                upto += lead
                came += w[row] * before
        for row in group:
            q, v = divmod(int(value[row]), size)
            inner[q, v + 1 :] += w[row]
            outer[q + 1 :] += w[row]
            if not no_ties:
                before += w[row]
        start = end
    if no_ties:
        whole = drawn.sum(axis=0, dtype=np.float64)
        every = (whole**2 - np.einsum("ib,ib->b", drawn, drawn, dtype=np.float64)) / 2
        return np.asarray(2 * less.astype(np.float64) - every)
    out: FloatArray = less.astype(np.float64) + upto - came
    return out
