"""How far noise in an oracle limits the correlation that any metric can have with it.

Spearman (1904, 1910) and Brown (1910): repeats that correlate r with each other have a mean of
reliability k r / (1 + (k - 1) r), and what is free of noise correlates with that mean as the square
root of its reliability.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.stats.cells import Statistic
from metareval.stats.pairs import Pairs
from metareval.stats.resample import TOLERANCE

FloatArray = NDArray[np.float64]

# Correlations for which the formula holds, at least approximately.
CORRELATIONS = ("pearson", "spearman", "kendall", "kendall_c")
_OF_PAIRS = ("kendall", "kendall_c")


def has_ceiling(statistic: Statistic) -> bool:
    """Say whether a statistic is a correlation, so that noise attenuates it by a known law."""
    return statistic.name in CORRELATIONS


def repeat_pairs(k: int, start: int = 0) -> Pairs:
    """Return all pairs of k columns that begin at ``start``."""
    return [(start + a, start + b) for a, b in itertools.combinations(range(k), 2)]


def spearman_brown(r: Any, k: int) -> FloatArray:
    """Return the reliability of the mean of k repeats that correlate r with each other.

    Examples
    --------
    >>> float(spearman_brown(0.5, 3))
    0.75
    """
    r = np.asarray(r, dtype=np.float64)
    out: FloatArray = k * r / (1 + (k - 1) * r)
    return out


def correlation_ceiling(agreement: Any, k: int, statistic: Statistic) -> FloatArray:
    """Return the correlation with the mean of k repeats of what they all measure.

    Parameters
    ----------
    agreement : float or ndarray
        Mean association of two repeats.
    k : int
        Number of repeats.
    statistic : Statistic
        Kendall's tau is turned into the r that a normal distribution has with it (Greiner 1909),
        and back, since the formula is one of products of deviations.

    Returns
    -------
    ndarray
        In [0, 1]. NaN where the agreement is undefined or negative, or the statistic is no
        correlation.

    Examples
    --------
    >>> from metareval.stats.statistics import get_statistic
    >>> round(float(correlation_ceiling(0.5, 3, get_statistic("spearman"))), 3)
    0.866
    """
    r = np.asarray(agreement, dtype=np.float64)
    # What differs from 0 by rounding only is 0, and has a ceiling.
    r = np.where(np.abs(r) <= TOLERANCE, 0.0, r)
    r = np.where(r < 0, np.nan, r)
    if not has_ceiling(statistic):
        return np.full(r.shape, np.nan)
    if statistic.name not in _OF_PAIRS:
        return np.sqrt(spearman_brown(r, k))
    with_mean = np.sqrt(spearman_brown(np.sin(np.pi / 2 * r), k))
    out: FloatArray = 2 / np.pi * np.arcsin(np.minimum(with_mean, 1.0))
    return out
