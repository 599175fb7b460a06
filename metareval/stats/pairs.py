"""Pairs of rows: signs of differences, and sums over weighted pairs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Up to this many rows one product with the list of pairs beats one with the n x n matrix.
PAIR_LIST_ROWS = 64


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


def weighted_pair_sums(pair_values: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum w_i w_j f(i, j) over pairs i < j for every row of weights.

    Parameters
    ----------
    pair_values : ndarray, shape (n (n - 1) / 2, m)
        m functions of a pair.
    weights : ndarray, shape (b, n)
        How often each row is drawn; rows drawn twice are not paired with themselves.

    Returns
    -------
    ndarray, shape (b, m)
        Exact as long as the sums stay below 2**53.
    """
    b, n = weights.shape
    i, j = pair_index(n)
    if n <= PAIR_LIST_ROWS:
        return (weights[:, i] * weights[:, j]) @ pair_values
    out = np.empty((b, pair_values.shape[1]))
    square = np.zeros((n, n))
    for m in range(pair_values.shape[1]):
        square[i, j] = square[j, i] = pair_values[:, m]
        out[:, m] = np.einsum("bi,bi->b", weights @ square, weights) / 2
    return out
