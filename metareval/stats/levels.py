"""Whether groups differ in level, on ranks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metareval.stats.ranks import centred_ranks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def share_between(values: FloatArray, groups: IntArray) -> float:
    """Return the share of the variance of ranks that lies between groups; NaN where none varies.

    Examples
    --------
    >>> import numpy as np
    >>> share_between(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1]))
    0.8
    """
    keep = ~np.isnan(values)
    if not keep.any():
        return math.nan
    ranks = centred_ranks(values[keep])
    total = float(ranks @ ranks)
    if total == 0:
        return math.nan
    kept = groups[keep]
    between = sum(
        float(ranks[kept == g].sum()) ** 2 / int((kept == g).sum()) for g in np.unique(kept)
    )
    return between / total


def kruskal_wallis(values: FloatArray, groups: IntArray) -> float:
    """Return the p-value of the Kruskal-Wallis test that groups have one level; NaN if undefined.

    Examples
    --------
    >>> import numpy as np
    >>> round(kruskal_wallis(np.arange(6.0), np.array([0, 0, 0, 1, 1, 1])), 4)
    0.0495
    """
    keep = ~np.isnan(values)
    n_groups = len(np.unique(groups[keep]))
    share = share_between(values, groups)
    if n_groups < 2 or math.isnan(share):
        return math.nan
    return float(special.chdtrc(n_groups - 1, (int(keep.sum()) - 1) * share))
