"""Concordant and discordant pairs of many rows, counted exactly without listing the pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# A contingency table of up to this many cells for each row is cheaper than sorting the rows.
CELLS_PER_ROW = 4
LEAST_CELLS = 4096


def dense_ranks(x: FloatArray) -> tuple[IntArray, int]:
    """Return the rank of each value among the distinct values, from 0, and their number."""
    distinct, code = np.unique(x, return_inverse=True)
    return code, len(distinct)


def pair_count(sizes: IntArray) -> int:
    """Return the number of pairs within groups of the given sizes."""
    return int((sizes * (sizes - 1) // 2).sum())


def kendall_sums(x: FloatArray) -> FloatArray:
    """Return concordant minus discordant pairs of every two columns.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        No missing values.

    Returns
    -------
    ndarray, shape (k, k)
        The diagonal holds each column's untied pairs. Every entry is an exact integer.

    Notes
    -----
    Columns with few distinct values meet in a contingency table, whose cumulative sums give the
    discordant pairs. Otherwise the rows are sorted by one column and the inversions of the other
    are counted by :func:`inversions`.

    Examples
    --------
    >>> import numpy as np
    >>> kendall_sums(np.array([[1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [3.0, 2.0]]))
    array([[5., 1.],
           [1., 5.]])
    """
    n, k = x.shape
    total = n * (n - 1) // 2
    coded = [dense_ranks(x[:, a]) for a in range(k)]
    ranks, levels = [code for code, _ in coded], [count for _, count in coded]
    tied = [pair_count(np.bincount(code)) for code in ranks]
    out = np.empty((k, k))
    for a in range(k):
        out[a, a] = total - tied[a]
        waiting = []
        for b in range(a + 1, k):
            if levels[a] * levels[b] <= max(CELLS_PER_ROW * n, LEAST_CELLS):
                out[a, b] = out[b, a] = _from_contingency(ranks[a], ranks[b], levels[a], levels[b])
            else:
                waiting.append(b)
        if not waiting:
            continue
        columns = np.stack([ranks[b] for b in waiting])
        ordered, both = _ordered_by(ranks[a], levels[a], columns, [levels[b] for b in waiting])
        discordant = inversions(ordered)
        for position, b in enumerate(waiting):
            untied = total - tied[a] - tied[b] + both[position]
            out[a, b] = out[b, a] = untied - 2 * int(discordant[position])
    return out


def _from_contingency(a: IntArray, b: IntArray, n_a: int, n_b: int) -> int:
    table = np.bincount(a * n_b + b, minlength=n_a * n_b).reshape(n_a, n_b)
    # reached[a, b]: rows with at least this value of the first column and this of the second. Rows
    # equal in the first count on both sides, and cancel.
    reached = table[::-1].cumsum(axis=0)[::-1]
    smaller = reached.cumsum(axis=1) - reached
    larger = reached[:, ::-1].cumsum(axis=1)[:, ::-1] - reached
    return int((table * (larger - smaller)).sum())


def _ordered_by(
    key: IntArray, n_key: int, columns: IntArray, levels: list[int]
) -> tuple[IntArray, list[int]]:
    """Order columns by a key, and turn each into a permutation whose inversions are discordant.

    Rows with equal keys stand in the order of the column, and equal values of the column in the
    order of rows, so that no tied pair is an inversion. Also returns the pairs tied in both.
    """
    n = len(key)
    out = np.empty_like(columns)
    both = []
    # Without ties in the key one order serves every column.
    by_key = np.argsort(key) if n_key == n else None
    for position, (column, count) in enumerate(zip(columns, levels, strict=True)):
        if by_key is None:
            joint = np.sort(key * count + column)
            starts = np.flatnonzero(np.append(True, joint[1:] != joint[:-1]))
            both.append(pair_count(np.diff(np.append(starts, n))))
            values = joint % count
        else:
            both.append(0)
            values = column[by_key]
        if count < n:
            # numpy sorts short integers by radix, in time proportional to their number.
            order = np.argsort(values.astype(np.min_scalar_type(count)), kind="stable")
            values[order] = np.arange(n)
        out[position] = values
    return out, both


def inversions(perms: IntArray) -> NDArray[np.int64]:
    """Count the pairs of every row of permutations that stand in the wrong order.

    Parameters
    ----------
    perms : ndarray of int, shape (m, n)
        Each row a permutation of 0..n-1.

    Returns
    -------
    ndarray of int64, shape (m,)

    Notes
    -----
    Positions are cut into blocks and values into ranges of g each. Pairs that differ in both are
    counted from the cumulative table of block by range; pairs of one range, and pairs of one block
    but different ranges, by comparing rows of a transposed array, whose long inner axis the
    processor compares many at a time.

    Examples
    --------
    >>> import numpy as np
    >>> inversions(np.array([[0, 1, 2], [2, 1, 0], [1, 2, 0]]))
    array([0, 3, 2])
    """
    m, n = perms.shape
    g = 64 if n <= 2**13 else 256
    padded = max(-(-n // g), 1) * g
    out = np.zeros(m, dtype=np.int64)
    # A step of few permutations keeps the transposed arrays in the processor's cache.
    step = max(1, 2**17 // padded)
    for start in range(0, m, step):
        part = perms[start : start + step]
        values = np.empty((len(part), padded), dtype=np.int32)
        values[:, :n] = part
        values[:, n:] = np.arange(n, padded)
        out[start : start + step] = _inversions(values, g)
    return out


def _inversions(values: NDArray[np.int32], g: int) -> NDArray[np.int64]:
    m, n = values.shape
    count = n // g
    ranges = values // g
    cell = np.arange(m)[:, None] * count**2 + np.arange(n) // g * count + ranges
    table = np.bincount(cell.ravel(), minlength=m * count**2).reshape(m, count, count)
    # earlier[p, v]: values of range v in blocks before p; above[p, v]: of ranges above v.
    earlier = table.cumsum(axis=1) - table
    above = earlier[:, :, ::-1].cumsum(axis=2)[:, :, ::-1] - earlier
    total: NDArray[np.int64] = above.ravel()[cell].sum(axis=1)
    # numpy sorts 16-bit integers by radix, in time proportional to their number.
    narrow = ranges.astype(np.uint16)
    same_range = np.argsort(narrow, axis=1, kind="stable")
    inside = np.take_along_axis(values, same_range, axis=1) % g
    total += _brute(inside.astype(np.uint8), g)
    total += _brute(narrow, g)
    return total


def _brute(values: NDArray[np.integer], g: int) -> NDArray[np.int64]:
    """Count inversions within each run of g <= 256, summed for every row."""
    m, n = values.shape
    columns = np.ascontiguousarray(values.reshape(m * (n // g), g).T)
    # Each place counts at most g - 1 larger values before it, which one byte holds.
    larger = np.zeros(columns.shape, dtype=np.uint8)
    wrong = np.empty(columns.shape, dtype=bool)
    for lag in range(1, g):
        np.greater(columns[:-lag], columns[lag:], out=wrong[lag:])
        larger[lag:] += wrong[lag:].view(np.uint8)
    out: NDArray[np.int64] = larger.reshape(g, m, n // g).sum(axis=(0, 2), dtype=np.int64)
    return out


# Bytes of one portion of drawn columns: small enough to stay in the processor's cache.
PORTION_BYTES = 2**18
# Beyond this many rows, counting in blocks beats comparing every pair of every draw.
COMPARED_ROWS = 1200


def wrong_order(columns: NDArray[Any], group: IntArray | None = None) -> NDArray[np.int64]:
    """Count, for every column, the pairs i < j of rows with the larger value first.

    Parameters
    ----------
    columns : ndarray, shape (n, b)
        Any ordered type; short integers are compared many at a time.
    group : ndarray of int, shape (n,), optional
        Pairs of rows of one group are left out.

    Returns
    -------
    ndarray of int64, shape (b,)
    """
    n, b = columns.shape
    out = np.zeros(b, dtype=np.int64)
    if n < 2:
        return out
    step = max(64, PORTION_BYTES // (n * max(columns.itemsize, 1)))
    for start in range(0, b, step):
        part = np.ascontiguousarray(columns[:, start : start + step])
        # Each row counts at most n - 1 larger values before it.
        larger = np.zeros(part.shape, dtype=np.min_scalar_type(n - 1))
        for lag in range(1, n):
            wrong = part[:-lag] > part[lag:]
            if group is not None:
                apart = group[:-lag] != group[lag:]
                if not apart.any():
                    continue
                if not apart.all():
                    wrong &= apart[:, None]
            larger[lag:] += wrong.view(np.uint8)
        out[start : start + step] = larger.sum(axis=0, dtype=np.int64)
    return out


class PermutedColumn:
    """A column of one cell under many permutations, to be paired with fixed columns.

    Parameters
    ----------
    y : ndarray, shape (n,)
    rows : ndarray of int
        Rows of the cell.
    perms : ndarray of int, shape (b, n)
        Row from which each row takes its value; rows of the cell stay in it.
    """

    def __init__(self, y: FloatArray, rows: IntArray, perms: IntArray) -> None:
        code = np.zeros(len(y), dtype=np.intp)
        code[rows], self._levels = dense_ranks(y[rows])
        self.tied_pairs = pair_count(np.bincount(code[rows]))
        small = code.astype(np.min_scalar_type(self._levels))
        # Shape (n, b): a row of one place in all draws lies together in memory.
        self._drawn: NDArray[Any] = np.ascontiguousarray(small[perms[:, rows]].T)

    def leads(self, x: FloatArray) -> FloatArray:
        """Return concordant minus discordant pairs with many columns x (n, k), shape (b, k).

        For few rows and many columns: one product of all signs.
        """
        i, j = np.triu_indices(len(x), 1)
        fixed = np.subtract(x[i] > x[j], x[i] < x[j], dtype=np.float32)
        above, here = self._drawn[i], self._drawn[j]
        moving = np.subtract(above > here, above < here, dtype=np.float32)
        # Sums of at most n (n - 1) / 2 signs: exact in float32.
        return np.asarray(moving.T @ fixed, dtype=np.float64)

    def against(self, x: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the discordant and the concordant pairs with x in every permutation."""
        n = len(x)
        order = np.argsort(x)
        group, levels = dense_ranks(x[order])
        drawn = self._drawn[order]
        apart = n * (n - 1) // 2 - pair_count(np.bincount(group))
        if n > COMPARED_ROWS and levels == n and self._levels == n:
            discordant = inversions(drawn.T)
            return discordant, apart - discordant
        ties = None if levels == n else group
        discordant = wrong_order(drawn, ties)
        if self._levels == n:
            return discordant, apart - discordant
        # With ties in y the concordant pairs are counted by themselves, from the other end.
        backwards = None if ties is None else ties[::-1]
        return discordant, wrong_order(drawn[::-1], backwards)
