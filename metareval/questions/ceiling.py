"""How high can a correlation with the oracle be? Agreement among its repeats sets a ceiling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metareval.stats.association import association, finite_columns, undefined_reason
from metareval.stats.attenuation import correlation_ceiling, has_ceiling, repeat_pairs
from metareval.stats.cells import Statistic
from metareval.stats.intervals import percentile_interval

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Ceiling:
    """What repeats of the oracle allow; see :func:`metareval.reliability`.

    Parameters
    ----------
    agreement : float
        Mean association over the pairs of repeats.
    value : float
        Highest correlation to be expected with their mean; NaN where ``reason`` says why.
    reason : str
        Empty where the ceiling is defined; ``negative``, ``no_correlation``, or the reason for
        which two repeats have no association.
    agreement_interval, interval : tuple of float
        Bootstrap intervals; NaN without draws.
    """

    agreement: float = math.nan
    value: float = math.nan
    reason: str = ""
    agreement_interval: tuple[float, float] = (math.nan, math.nan)
    interval: tuple[float, float] = (math.nan, math.nan)

    def share(self, rho: FloatArray) -> FloatArray:
        """Return correlations as shares of the ceiling; NaN where there is none above 0."""
        return rho / self.value if self.value > 0 else np.full(rho.shape, np.nan)


def complete_repeats(repeats: FloatArray) -> FloatArray:
    """Drop the values of rows that lack one: such a row has no mean distance."""
    return np.where(np.isnan(repeats).any(axis=1, keepdims=True), np.nan, repeats)


def oracle_ceiling(
    repeats: FloatArray,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    *,
    draws: FloatArray | None = None,
    confidence: float = 0.95,
) -> Ceiling:
    """Return the ceiling that the agreement among repeats sets.

    Parameters
    ----------
    repeats : ndarray, shape (n, k)
        Closeness to each of k oracles; see :func:`complete_repeats`.
    cells, statistic, estimate
        As for the metrics.
    draws : ndarray, shape (b, n_pairs), optional
        Resampled association of every pair of repeats.
    confidence : float
    """
    k = repeats.shape[1]
    pairs = repeat_pairs(k)
    if not pairs:
        return Ceiling()
    columns = finite_columns(repeats, statistic)
    matrix = association(columns, cells, statistic, estimate, pairs=pairs)[0]
    found = np.array([matrix[a, b] for a, b in pairs])
    agreement = float(found.mean())
    if math.isnan(agreement):
        a, b = pairs[int(np.flatnonzero(np.isnan(found))[0])]
        return Ceiling(
            reason=undefined_reason(
                repeats[:, a], repeats[:, b], cells, finite=statistic.needs_finite
            )
        )
    value = float(correlation_ceiling(agreement, k, statistic))
    reason = ""
    if math.isnan(value):
        reason = "negative" if has_ceiling(statistic) else "no_correlation"
    if draws is None:
        return Ceiling(agreement, value, reason)
    between = percentile_interval(
        draws.mean(axis=1), confidence=confidence, bounds=statistic.bounds
    )
    low, high = float(between.low), float(between.high)
    # The ceiling rises with the agreement, so its quantiles are those of the agreement, mapped. A
    # ceiling is at least 0, also for a draw in which the repeats contradict each other.
    ends = correlation_ceiling(np.maximum([low, high], 0.0), k, statistic)
    mapped = (math.nan, math.nan) if reason else (float(ends[0]), float(ends[1]))
    return Ceiling(agreement, value, reason, (low, high), mapped)
