"""Random weights: exact ranking probabilities, and the smallest change that reverses a pair.

Weights w are uniform on the simplex, w = E / sum(E) with independent exponentials E. Whether
d . w > 0 is then whether one sum of exponentials outlasts another: two chains of phases run in
parallel, one with a phase of mean d_i for each positive d_i, one with a phase of mean -d_j for
each negative d_j. Which current phase ends first has probability b / (a + b), so a recursion over
the phases left gives P(d . w > 0) as a sum of positive terms, with equal d_i no special case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Differences a million million million times smaller than the largest are none.
FURTHEST = 1e18


def positive_probability(d: FloatArray) -> FloatArray:
    """Return P(d . w > 0) for w uniform on the simplex.

    Parameters
    ----------
    d : ndarray, shape (..., k)
        Differences; no missing values.

    Returns
    -------
    ndarray, shape (...)
        0 where every difference is 0 or negative, 1 where none is negative and one is positive.

    Examples
    --------
    >>> import numpy as np
    >>> float(positive_probability(np.array([1.0, -1.0])))
    0.5
    >>> positive_probability(np.array([[1.0, 1.0, -2.0], [2.0, 2.0, 0.0]])).round(6)
    array([0.555556, 1.      ])
    """
    d = np.asarray(d, dtype=np.float64)
    largest = np.abs(d).max(axis=-1, keepdims=True)
    d = d / np.where(largest > 0, largest, 1.0)
    up, down = np.maximum(d, 0.0), np.maximum(-d, 0.0)
    k = d.shape[-1]
    # outlasts[j]: probability with positive phases i.. and negative phases j.. left; with no
    # positive phase left it is 0.
    outlasts = np.zeros((k + 1, *d.shape[:-1]))
    for i in reversed(range(k)):
        row = np.empty_like(outlasts)
        row[k] = (up[..., i:] > 0).any(axis=-1)
        for j in reversed(range(k)):
            total = up[..., i] + down[..., j]
            ends = np.where(total > 0, down[..., j] / np.where(total > 0, total, 1.0), 1.0)
            row[j] = ends * outlasts[j] + (1 - ends) * row[j + 1]
        outlasts = row
    out: FloatArray = outlasts[0]
    return out


def outranks(values: FloatArray) -> FloatArray:
    """Return the probability that each row outranks each other row under random weights.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        Oriented, transformed metrics of each item.

    Returns
    -------
    ndarray, shape (n, n)
        P[a, b] + P[b, a] is 1, or 0 where the two rows are equal; the diagonal is 0.
    """
    n = len(values)
    out = np.zeros((n, n))
    i, j = np.triu_indices(n, 1)
    difference = values[i] - values[j]
    out[i, j] = positive_probability(difference)
    out[j, i] = positive_probability(-difference)
    return out


def expected_tau(values: FloatArray, reference: FloatArray) -> float:
    """Return the exact expected tau-b of a random-weight ranking with a reference score.

    Parameters
    ----------
    values : ndarray, shape (n, k)
    reference : ndarray, shape (n,)
        Scores of the reference ranking; equal scores tie.

    Returns
    -------
    float
        NaN where the reference or the values do not vary.
    """
    i, j = np.triu_indices(len(values), 1)
    difference = values[i] - values[j]
    sign = np.sign(reference[i] - reference[j])
    # Rows that differ tie under random weights with probability 0, so the normaliser is fixed.
    untied = (difference != 0).any(axis=1)
    below = math.sqrt(float(np.abs(sign).sum()) * float(untied.sum()))
    if below == 0:
        return math.nan
    lead = positive_probability(difference) - positive_probability(-difference)
    return float((sign * lead).sum() / below)


@dataclass(frozen=True)
class Reversal:
    """Smallest change of weights after which two items tie.

    Parameters
    ----------
    distance : float
        Euclidean length of the change; infinite where no weights reverse the pair.
    weights : ndarray, shape (k,)
        Weights at which they tie; NaN where there are none.
    status : {"reversed", "dominates", "tied"}
    """

    distance: float
    weights: FloatArray
    status: str


def reversal(d: FloatArray, weights: FloatArray) -> Reversal:
    """Return the nearest weights on the simplex at which d . w is 0.

    Parameters
    ----------
    d : ndarray, shape (k,)
        Difference of two items; the sign of d . weights says which leads.
    weights : ndarray, shape (k,)
        Non-negative, summing to one.

    Notes
    -----
    Inside the simplex the distance is ``|d . w| / norm(d - mean(d))``. Where that point has a
    negative weight, the nearest point of the simplex is ``project(w - t d)`` for the t at which
    it meets the plane; d . project(w - t d) falls with t, so t is bracketed and then halved to the
    last bit.

    Examples
    --------
    >>> import numpy as np
    >>> r = reversal(np.array([1.0, -1.0]), np.array([0.6, 0.4]))
    >>> round(r.distance, 6), r.weights.round(6).tolist()
    (0.141421, [0.5, 0.5])
    """
    k = len(d)
    lead = float(d @ weights)
    nothing = np.full(k, np.nan)
    if not d.any():
        return Reversal(0.0, weights.copy(), "tied")
    if lead < 0 or (lead == 0 and not (d < 0).any()):
        d, lead = -d, -lead
    if (d >= 0).all():
        return Reversal(math.inf, nothing, "dominates")
    if lead == 0:
        return Reversal(0.0, weights.copy(), "tied")
    inside = d - d.mean()
    norm = float(np.sqrt(inside @ inside))
    step = weights - lead / norm**2 * inside
    if (step >= 0).all():
        return Reversal(lead / norm, step, "reversed")
    d = d / np.abs(d).max()

    def moved(t: float) -> FloatArray:
        return project_to_simplex(weights - t * d)

    low, high = 0.0, 1.0
    while d @ moved(high) > 0 and high < FURTHEST:
        low, high = high, high * 2
    while low < (middle := (low + high) / 2) < high:
        if d @ moved(middle) > 0:
            low = middle
        else:
            high = middle
    found = moved(high)
    return Reversal(float(np.linalg.norm(found - weights)), found, "reversed")


def project_to_simplex(v: FloatArray) -> FloatArray:
    """Return the nearest point with non-negative coordinates that sum to one."""
    ordered = np.sort(v)[::-1]
    excess = (np.cumsum(ordered) - 1) / np.arange(1, len(v) + 1)
    out: FloatArray = np.maximum(v - excess[ordered > excess][-1], 0.0)
    return out


def dirichlet(concentration: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
    """Draw weights; a concentration of 0 gives that metric no weight."""
    positive = concentration > 0
    out = np.zeros((size, len(concentration)))
    out[:, positive] = rng.dirichlet(concentration[positive], size=size)
    return out
