"""Kendall's tau of many score vectors with one reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metareval.stats.pairs import pair_index
from metareval.stats.statistics import BATCH_NUMBERS

FloatArray = NDArray[np.float64]


def tau_with_reference(scores: FloatArray, reference: FloatArray) -> FloatArray:
    """Return tau-b of every row of scores with the reference.

    Parameters
    ----------
    scores : ndarray, shape (b, n)
    reference : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (b,)
        NaN where scores or reference do not vary.

    Examples
    --------
    >>> import numpy as np
    >>> tau_with_reference(np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]), np.array([1.0, 2.0, 3.0]))
    array([ 1.        , -0.33333333])
    """
    i, j = pair_index(len(reference))
    wanted = np.sign(reference[i] - reference[j])
    out = np.empty(len(scores))
    step = max(1, BATCH_NUMBERS // max(len(i), 1))
    for start in range(0, len(scores), step):
        part = scores[start : start + step]
        found = np.sign(part[:, i] - part[:, j])
        below = np.sqrt(np.abs(wanted).sum() * np.abs(found).sum(axis=1))
        value = np.full(len(part), np.nan)
        np.divide(found @ wanted, below, out=value, where=below > 0)
        out[start : start + step] = value
    return out


def weighted_scores(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the scores of rows under many weights, shape (b, n).

    Equal rows get equal scores to the last bit, which a matrix product alone does not promise.
    """
    distinct, first = np.unique(values, axis=0, return_inverse=True)
    out: FloatArray = (weights @ distinct.T)[:, first.reshape(-1)]
    return out
