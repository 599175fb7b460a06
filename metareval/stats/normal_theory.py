"""Normal-theory tests of correlations: the t approximation, Williams' and Steiger's tests."""

from __future__ import annotations

import math

from scipy import special


def t_two_sided(t: float, df: float) -> float:
    """Return the two-sided p-value of a t statistic."""
    if math.isnan(t) or df < 1:
        return math.nan
    return float(2 * special.stdtr(df, -abs(t)))


def correlation_pvalue(r: float, n: int) -> float:
    """Return the two-sided p-value of a correlation by the t approximation.

    t = r sqrt((n - 2) / (1 - r^2)) on n - 2 degrees of freedom, as in ``scipy.stats.spearmanr``.

    Examples
    --------
    >>> round(correlation_pvalue(0.48365316307562467, 36), 6)
    0.002804
    """
    if math.isnan(r) or n < 3:
        return math.nan
    if abs(r) >= 1:
        return 0.0
    return t_two_sided(r * math.sqrt((n - 2) / ((1 - r) * (1 + r))), n - 2)


def williams(r_xy: float, r_zy: float, r_xz: float, n: int) -> tuple[float, float]:
    """Test whether two dependent correlations with one variable differ.

    Williams' t (1959) in the form Steiger (1980) recommends, on the signed correlations.

    Parameters
    ----------
    r_xy, r_zy : float
        Correlations of x and of z with the shared variable y.
    r_xz : float
        Correlation of x with z.
    n : int
        Number of independent observations.

    Returns
    -------
    t, pvalue : float
        Two-sided, on n - 3 degrees of freedom; NaN where undefined.

    Examples
    --------
    >>> t, p = williams(0.4, 0.5, 0.1, 103)
    >>> round(t, 3), round(p, 3)
    (-0.891, 0.375)
    """
    if n < 4 or any(math.isnan(r) for r in (r_xy, r_zy, r_xz)):
        return math.nan, math.nan
    determinant = 1 - r_xy**2 - r_zy**2 - r_xz**2 + 2 * r_xy * r_zy * r_xz
    mean = (r_xy + r_zy) / 2
    below = 2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - r_xz) ** 3
    if below <= 0:
        return math.nan, math.nan
    t = (r_xy - r_zy) * math.sqrt((n - 1) * (1 + r_xz) / below)
    return t, t_two_sided(t, n - 3)


def steiger(r_xy: float, r_zy: float, r_xz: float, n: int) -> tuple[float, float]:
    """Test the same difference by Steiger's Z with pooled correlations (1980, equation 14).

    Parameters and returns are those of :func:`williams`; the statistic is standard normal.
    """
    if n < 4 or any(math.isnan(r) or abs(r) >= 1 for r in (r_xy, r_zy)) or math.isnan(r_xz):
        return math.nan, math.nan
    pooled = (r_xy + r_zy) / 2
    psi = r_xz * (1 - 2 * pooled**2) - pooled**2 * (1 - 2 * pooled**2 - r_xz**2) / 2
    covariance = psi / (1 - pooled**2) ** 2
    if covariance >= 1:
        return math.nan, math.nan
    z = (math.atanh(r_xy) - math.atanh(r_zy)) * math.sqrt((n - 3) / (2 - 2 * covariance))
    return z, float(2 * special.ndtr(-abs(z)))
