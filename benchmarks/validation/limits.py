"""How far a simulated share may lie from the truth by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEVELS = (0.01, 0.05, 0.1)
# Chance that one share of a right procedure lies beyond its limit, on each side.
OUTSIDE = 0.0005


def share_limits(truth: float, n: int) -> tuple[float, float]:
    """Return the binomial limits of a share of n, each passed by chance once in 2,000."""
    from scipy.stats import binom

    return float(binom.ppf(OUTSIDE, n, truth) / n), float(binom.ppf(1 - OUTSIDE, n, truth) / n)


def largest_excess(pvalues: FloatArray) -> float:
    """Return the largest amount by which the share of p-values up to t exceeds t."""
    p = np.sort(pvalues)
    return max(0.0, float((np.arange(1, len(p) + 1) / len(p) - p).max()))


def excess_limit(n: int) -> float:
    """Return the bound of Dvoretzky, Kiefer, Wolfowitz and Massart, passed once in 2,000."""
    return math.sqrt(math.log(1 / OUTSIDE) / (2 * n))


def judge(pvalues: FloatArray) -> dict[str, object]:
    """Say how p-values of a true null hypothesis differ from uniform ones.

    Returns
    -------
    dict
        ``verdict``: "uniform" where every rejection rate lies between its limits, "conservative"
        where none lies above and one below, "too small" where one lies above or the whole
        distribution exceeds its bound.
    """
    p = pvalues[~np.isnan(pvalues)]
    n = len(p)
    rates = {f"{level:g}": float((p <= level + 1e-12).mean()) for level in LEVELS}
    limits = {f"{level:g}": share_limits(level, n) for level in LEVELS}
    above = any(rates[key] > limits[key][1] for key in rates)
    below = any(rates[key] < limits[key][0] for key in rates)
    excess = largest_excess(p)
    above = above or excess > excess_limit(n)
    return {
        "n": n,
        "undefined": len(pvalues) - n,
        "rates": rates,
        "limits": limits,
        "excess": excess,
        "excess_limit": excess_limit(n),
        "verdict": "too small" if above else "conservative" if below else "uniform",
    }
