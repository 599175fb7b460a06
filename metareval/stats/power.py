"""How many models a rank correlation needs, and what a given number can show."""

from __future__ import annotations

import math

from scipy import special

from metareval.errors import ArgumentError, unknown_name

# Variance of Fisher's z for each statistic, over (n - offset): Fieller, Hartley and Pearson 1957
# for Kendall; Bonett and Wright 2000 for Spearman.
_OFFSET = {"kendall": 4, "spearman": 3, "pearson": 3}


def _variance(statistic: str, r: float) -> float:
    if statistic == "kendall":
        return 0.437
    return 1 + r**2 / 2 if statistic == "spearman" else 1.0


def _check(statistic: str) -> None:
    if statistic not in _OFFSET:
        raise unknown_name("statistic", statistic, _OFFSET)


def power(r: float, n: int, *, alpha: float, statistic: str) -> float:
    """Return the power of a two-sided test of no correlation, by Fisher's z."""
    _check(statistic)
    if n <= _OFFSET[statistic]:
        return 0.0
    if abs(r) >= 1:
        return 1.0
    scale = math.sqrt(n - _OFFSET[statistic])
    critical = -float(special.ndtri(alpha / 2)) * math.sqrt(_variance(statistic, 0.0))
    spread = math.sqrt(_variance(statistic, r))
    shift = abs(math.atanh(r)) * scale
    return float(
        special.ndtr((shift - critical) / spread) + special.ndtr((-shift - critical) / spread)
    )


def models_needed(r: float, *, power_wanted: float, alpha: float, statistic: str) -> int:
    """Return the smallest number of independent models that reaches the power."""
    _check(statistic)
    if not 0 < abs(r) <= 1:
        raise ArgumentError(f"The correlation is {r!r}; it must lie in [-1, 1] and not be 0.")
    low, high = _OFFSET[statistic], 8
    while power(r, high, alpha=alpha, statistic=statistic) < power_wanted:
        low, high = high, high * 2
        if high > 10**9:
            raise ArgumentError(f"A correlation of {r!r} needs more than a billion models.")
    while high - low > 1:
        middle = (low + high) // 2
        if power(r, middle, alpha=alpha, statistic=statistic) < power_wanted:
            low = middle
        else:
            high = middle
    return high


def smallest_detectable(n: int, *, power_wanted: float, alpha: float, statistic: str) -> float:
    """Return the smallest correlation that n models detect with the power; NaN where none."""
    _check(statistic)
    if power(1 - 1e-12, n, alpha=alpha, statistic=statistic) < power_wanted:
        return math.nan
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if power(middle, n, alpha=alpha, statistic=statistic) < power_wanted:
            low = middle
        else:
            high = middle
    return high


def smallest_pvalue(*sizes: int) -> float:
    """Return the smallest two-sided p that permutations within blocks can reach.

    It is 2 / n! for a block of n models, and 2 over the product of these for several.
    """
    if not sizes or min(sizes) < 1:
        return math.nan
    orders = sum(math.lgamma(n + 1) for n in sizes)
    if orders < 30:
        return min(1.0, 2 / math.prod(map(math.factorial, sizes)))
    return max(2 * math.exp(-orders), 5e-324)


def smallest_detectable_difference(
    r: float, n: int, between: float, *, power_wanted: float, alpha: float, statistic: str
) -> float:
    """Return the smallest drop from r that a test of two dependent correlations detects.

    Parameters
    ----------
    r : float
        The higher correlation with the shared variable, in (0, 1).
    n : int
        Independent models.
    between : float
        Correlation between the two metrics.

    Returns
    -------
    float
        NaN where not even a correlation of -0.999 is told apart.
    """
    _check(statistic)
    if n <= _OFFSET[statistic]:
        return math.nan
    critical = -float(special.ndtri(alpha / 2)) + float(special.ndtri(power_wanted))

    def found(drop: float) -> bool:
        other = r - drop
        pooled = (r + other) / 2
        psi = between * (1 - 2 * pooled**2) - pooled**2 * (1 - 2 * pooled**2 - between**2) / 2
        covariance = psi / (1 - pooled**2) ** 2
        variance = _variance(statistic, pooled) * max(2 - 2 * covariance, 1e-12)
        gap = math.atanh(r) - math.atanh(other)
        return gap * math.sqrt((n - _OFFSET[statistic]) / variance) >= critical

    low, high = 0.0, r + 0.999
    if not found(high):
        return math.nan
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high
