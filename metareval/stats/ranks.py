"""Average ranks, as exact integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def centred_ranks(x: FloatArray) -> FloatArray:
    """Return twice the average rank minus (n + 1), an integer, along the last axis.

    Parameters
    ----------
    x : ndarray, shape (..., n)
        No missing values; infinities are ordered.

    Returns
    -------
    ndarray, shape (..., n)
        ``2 * rank - (n + 1)``: sums to zero, and products of it are exact in float64.

    Examples
    --------
    >>> import numpy as np
    >>> centred_ranks(np.array([10.0, 30.0, 20.0, 20.0]))
    array([-3.,  3.,  0.,  0.])
    """
    n = x.shape[-1]
    if n == 0:
        return x.copy()
    order = np.argsort(x, axis=-1)
    ordered = np.take_along_axis(x, order, axis=-1)
    starts = np.ones(x.shape, dtype=bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    ends = np.ones(x.shape, dtype=bool)
    ends[..., :-1] = starts[..., 1:]
    position = np.broadcast_to(np.arange(n), x.shape)
    first = np.maximum.accumulate(np.where(starts, position, 0), axis=-1)
    last = np.minimum.accumulate(np.where(ends, position, n)[..., ::-1], axis=-1)[..., ::-1]
    out = np.empty(x.shape)
    np.put_along_axis(out, order, (first + last + 1 - n).astype(np.float64), axis=-1)
    return out


def average_ranks(x: FloatArray) -> FloatArray:
    """Return average ranks 1..n along the last axis.

    Examples
    --------
    >>> import numpy as np
    >>> average_ranks(np.array([10.0, 30.0, 20.0, 20.0]))
    array([1. , 4. , 2.5, 2.5])
    """
    out: FloatArray = (centred_ranks(x) + x.shape[-1] + 1) / 2
    return out


def weighted_centred_ranks(x: FloatArray, drawn: NDArray[Any]) -> NDArray[Any]:
    """Return the centred ranks that rows would have if each were drawn several times.

    Parameters
    ----------
    x : ndarray, shape (n,)
    drawn : ndarray, shape (n, b)
        How often each row is drawn, a column for each draw.

    Returns
    -------
    ndarray, shape (n, b), the type of ``drawn``
        Twice the average rank within the draw, minus (number drawn + 1).

    Notes
    -----
    Twice the average rank is the number drawn below plus the number drawn up to and including
    equal values, plus one; both are cumulative sums in the order of x, which no draw changes.
    """
    n, b = drawn.shape
    order = np.argsort(x)
    ordered = x[order]
    out = np.empty_like(drawn)
    below = np.zeros(b, dtype=drawn.dtype)
    upto = below.copy()
    ends = [*(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), *([n] if n else [])]
    rows, start = order.tolist(), 0
    for end in ends:
        for row in rows[start:end]:
            np.add(upto, drawn[row], out=upto)
        np.add(below, upto, out=out[rows[start]])
        for row in rows[start + 1 : end]:
            out[row] = out[rows[start]]
        below[:] = upto
        start = end
    out -= upto
    return out


def rank_squares(tied: NDArray[Any]) -> FloatArray:
    """Return the sum of squares of the centred ranks of every draw, shape (b,).

    With t the number drawn of each distinct value and N the number drawn in all, it is
    (N^3 - N - sum(t^3 - t)) / 3.

    Parameters
    ----------
    tied : ndarray, shape (n_values, b)
        How often each distinct value is drawn.
    """
    total: FloatArray = tied.sum(axis=0, dtype=np.float64)
    cubes = np.einsum("ib,ib,ib->b", tied, tied, tied, dtype=np.float64)
    out: FloatArray = np.rint((total**3 - cubes) / 3)
    return out


def group_sums(x: FloatArray, drawn: NDArray[Any]) -> NDArray[Any]:
    """Add up the draws of rows with equal x, shape (n_values, b); ``drawn`` itself without ties."""
    order = np.argsort(x)
    ordered = x[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(x)])
    if len(starts) == len(x):
        return drawn
    out: NDArray[Any] = np.add.reduceat(drawn[order], starts, axis=0)
    return out


def competition_ranks(scores: FloatArray) -> FloatArray:
    """Rank scores, the highest first: equal scores share the best rank, NaN gets none.

    Examples
    --------
    >>> import numpy as np
    >>> competition_ranks(np.array([0.5, 0.9, 0.5, np.nan]))
    array([ 2.,  1.,  2., nan])
    """
    better = (scores[None, :] > scores[:, None]).sum(axis=1) + 1.0
    return np.where(np.isnan(scores), np.nan, better)
