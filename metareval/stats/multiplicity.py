"""Correction of p-values for the number of tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metareval.errors import unknown_name

FloatArray = NDArray[np.float64]

# Names that statsmodels gives to its further corrections.
_STATSMODELS = {
    "bonferroni": "bonferroni",
    "sidak": "sidak",
    "holm-sidak": "holm-sidak",
    "hommel": "hommel",
    "hochberg": "simes-hochberg",
    "by": "fdr_by",
}

CORRECTIONS = ("holm", "bh", "none", *_STATSMODELS)


def check_correction(method: str) -> None:
    """Refuse a correction that does not exist."""
    if method not in CORRECTIONS:
        raise unknown_name("correction", method, CORRECTIONS)


def adjust(pvalues: FloatArray, method: str = "holm") -> FloatArray:
    """Return p-values corrected for the number of tests that could be made.

    Parameters
    ----------
    pvalues : ndarray, shape (m,)
        NaN for tests that could not be made: they stay NaN and are not counted.
    method : str
        ``"holm"`` (family-wise error), ``"bh"`` (Benjamini-Hochberg, false discovery rate),
        ``"none"``, or a method of ``statsmodels.stats.multitest``: ``"bonferroni"``,
        ``"sidak"``, ``"holm-sidak"``, ``"hommel"``, ``"hochberg"``, ``"by"``.

    Examples
    --------
    >>> import numpy as np
    >>> adjust(np.array([0.01, 0.04, np.nan, 0.03]))
    array([0.03, 0.06,  nan, 0.06])
    """
    check_correction(method)
    p = np.asarray(pvalues, dtype=np.float64)
    out = np.full(p.shape, np.nan)
    made = ~np.isnan(p)
    m = int(made.sum())
    if m == 0:
        return out
    tests = p[made]
    if method == "none":
        out[made] = tests
        return out
    if method not in ("holm", "bh"):
        from statsmodels.stats.multitest import multipletests

        out[made] = multipletests(tests, method=_STATSMODELS[method])[1]
        return out
    order = np.argsort(tests)
    ranked = tests[order]
    if method == "holm":
        stepped = np.maximum.accumulate(ranked * np.arange(m, 0, -1))
    else:
        stepped = np.minimum.accumulate((ranked * m / np.arange(1, m + 1))[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    out[made] = adjusted
    return out
