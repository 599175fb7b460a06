"""Percentile intervals that do not pretend to know what undefined draws would have been."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metareval.stats.resample import TOLERANCE

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Percentile interval of resampled statistics.

    Parameters
    ----------
    low, high : ndarray
        NaN where the draws carry no information: all undefined, or all equal.
    undefined : ndarray
        Share of draws that were undefined.
    """

    low: FloatArray
    high: FloatArray
    undefined: FloatArray


def percentile_interval(
    draws: FloatArray, *, confidence: float, bounds: tuple[float, float]
) -> Interval:
    """Return the percentile interval along the first axis.

    A draw in which the statistic is undefined could have been anything, so it counts as the
    lowest possible value for the lower end and as the highest for the upper end.

    Parameters
    ----------
    draws : ndarray, shape (b, ...)
    confidence : float
        For example 0.95.
    bounds : tuple of float
        Smallest and largest possible value of the statistic.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.linspace(-0.5, 0.5, 101)
    >>> interval = percentile_interval(draws, confidence=0.9, bounds=(-1, 1))
    >>> round(float(interval.low), 3), round(float(interval.high), 3)
    (-0.45, 0.45)
    """
    missing = np.isnan(draws)
    pessimistic = np.where(missing, bounds[0], draws)
    optimistic = np.where(missing, bounds[1], draws)
    return bounded_interval(pessimistic, optimistic, missing, confidence=confidence)


def bounded_interval(
    pessimistic: FloatArray,
    optimistic: FloatArray,
    undefined: NDArray[np.bool_],
    *,
    confidence: float,
) -> Interval:
    """Return the percentile interval of draws that are known only to lie between two values.

    Parameters
    ----------
    pessimistic, optimistic : ndarray, shape (b, ...)
        Lowest and highest value that each draw could have.
    undefined : ndarray of bool, shape (b, ...)
        Draws that are not known exactly.
    confidence : float
    """
    share = undefined.mean(axis=0)
    tail = (1 - confidence) / 2
    low = np.quantile(pessimistic, tail, axis=0)
    high = np.quantile(optimistic, 1 - tail, axis=0)
    least = np.where(undefined, np.inf, pessimistic).min(axis=0)
    most = np.where(undefined, -np.inf, pessimistic).max(axis=0)
    # Draws that differ by rounding only carry no information either.
    silent = (share == 1) | (most - least <= TOLERANCE)
    return Interval(np.where(silent, np.nan, low), np.where(silent, np.nan, high), share)


def interval_of_mean(
    least: FloatArray, most: FloatArray, undefined: NDArray[np.bool_], *, confidence: float
) -> tuple[float, float]:
    """Return the percentile interval of draws of a mean, parts of which may be undefined.

    Parameters
    ----------
    least, most : ndarray, shape (b,)
        Lowest and highest mean that each draw allows.
    undefined : ndarray of bool, shape (b,)
        Draws with an undefined part. Where all have one, the two ends still bound the mean.
    confidence : float
    """
    if undefined.all():
        tail = (1 - confidence) / 2
        return float(np.quantile(least, tail)), float(np.quantile(most, 1 - tail))
    found = bounded_interval(least, most, undefined, confidence=confidence)
    return float(found.low), float(found.high)
