"""Kendall's tau of many score vectors with one reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metareval.stats.concordance import dense_ranks, inversions, pair_count, wrong_order

FloatArray = NDArray[np.float64]

# Beyond this many rows, sorting each draw beats comparing all its pairs.
SORTED_ROWS = 200


def tau_with_reference(
    scores: FloatArray, reference: FloatArray, *, scores_tie: bool = True
) -> FloatArray:
    """Return tau-b of every row of scores with the reference.

    Parameters
    ----------
    scores : ndarray, shape (b, n)
    reference : ndarray, shape (n,)
    scores_tie : bool
        Whether scores of one row may be equal. Where they cannot, half the work is saved.

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
    n = len(reference)
    order = np.argsort(reference)
    group, levels = dense_ranks(reference[order])
    ties = None if levels == n else group
    total = n * (n - 1) // 2
    apart = total - pair_count(np.bincount(group))
    if not scores_tie and ties is None and n > SORTED_ROWS:
        # A permutation has as many inversions as its inverse, so one sort is enough.
        discordant = inversions(np.argsort(scores[:, order], axis=1))
    else:
        columns = np.ascontiguousarray(scores.T)[order]
        discordant = wrong_order(columns, ties)
    if scores_tie:
        backwards = None if ties is None else ties[::-1]
        concordant = wrong_order(columns[::-1], backwards)
        if ties is None:
            untied = (concordant + discordant).astype(np.float64)
        else:
            untied = (wrong_order(columns) + wrong_order(columns[::-1])).astype(np.float64)
    else:
        concordant = apart - discordant
        untied = np.full(len(scores), float(total))
    below = np.sqrt(apart * untied)
    value = np.full(len(scores), np.nan)
    np.divide(concordant - discordant, below, out=value, where=below > 0)
    return value


def weighted_scores(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the scores of rows under many weights, shape (b, n).

    Equal rows get equal scores to the last bit, which a matrix product alone does not promise.
    """
    distinct, first = np.unique(values, axis=0, return_inverse=True)
    out: FloatArray = (weights @ distinct.T)[:, first.reshape(-1)]
    return out
