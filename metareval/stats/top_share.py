"""Share of the weight simplex in which each row scores highest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metareval.stats.simplex import dirichlet

FloatArray = NDArray[np.float64]

# Volumes of polytopes grow costly with the dimension; beyond this they are sampled.
EXACT_METRICS = 8
EXACT_ROWS = 200
# A region without room for a ball of this radius counts as empty.
THINNEST = 1e-10


@dataclass(frozen=True)
class TopShare:
    """Probability of scoring highest under uniform weights.

    Parameters
    ----------
    share : ndarray, shape (n,)
        Equal rows share their region: each gets its whole probability.
    exact : bool
        Computed as a volume, or else as the share of draws.
    """

    share: FloatArray
    exact: bool


def top_share(values: FloatArray, *, n_draws: int, rng: np.random.Generator) -> TopShare:
    """Return the probability that each row has the highest score under uniform weights.

    Parameters
    ----------
    values : ndarray, shape (n, k)
    n_draws : int
        Draws where the volume is not computed: more than 8 metrics or 200 rows.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.6]])
    >>> top_share(rows, n_draws=1, rng=np.random.default_rng(0)).share.round(3).tolist()
    [0.4, 0.4, 0.2]
    """
    distinct, first = np.unique(values, axis=0, return_inverse=True)
    first = first.reshape(-1)
    if values.shape[1] <= EXACT_METRICS and len(distinct) <= EXACT_ROWS:
        shares = [_volume(distinct, i) for i in range(len(distinct))]
        if not any(math.isnan(s) for s in shares):
            return TopShare(np.array(shares)[first], exact=True)
    weights = dirichlet(np.ones(values.shape[1]), n_draws, rng)
    winners = np.argmax(weights @ distinct.T, axis=1)
    counted = np.bincount(winners, minlength=len(distinct)) / n_draws
    return TopShare(counted[first], exact=False)


def _volume(values: FloatArray, i: int) -> float:
    """Volume of the weights for which row i scores highest, over that of the simplex."""
    from scipy.optimize import linprog
    from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

    lead = np.delete(values[i] - values, i, axis=0)
    if (lead <= 0).all(axis=1).any():
        return 0.0
    lead = lead[(lead < 0).any(axis=1)]
    if len(lead) == 0:
        return 1.0
    k = values.shape[1]
    if k == 2:
        # The lead is (1 - t) l0 + t l1 with t uniform.
        roots = lead[:, 0] / (lead[:, 0] - lead[:, 1])
        falls = lead[:, 0] > lead[:, 1]
        high = min([1.0, *roots[falls]])
        low = max([0.0, *roots[~falls]])
        return float(max(high - low, 0.0))
    scale = np.abs(lead).max(axis=1, keepdims=True)
    lead = lead / scale
    # Coordinates: the first k - 1 weights; each row is a v + b <= 0.
    half = np.vstack(
        [
            np.column_stack([lead[:, -1:] - lead[:, :-1], -lead[:, -1]]),
            np.column_stack([-np.eye(k - 1), np.zeros(k - 1)]),
            np.append(np.ones(k - 1), -1.0)[None, :],
        ]
    )
    norm = np.linalg.norm(half[:, :-1], axis=1, keepdims=True)
    half, norm = half[norm[:, 0] > 0], norm[norm[:, 0] > 0]
    centre = linprog(
        np.append(np.zeros(k - 1), -1.0),
        A_ub=np.hstack([half[:, :-1], norm]),
        b_ub=-half[:, -1],
        bounds=[(None, None)] * (k - 1) + [(0, None)],
    )
    if centre.status == 2:
        return 0.0
    if not centre.success or centre.x is None:
        return math.nan
    if centre.x[-1] < THINNEST:
        return 0.0
    try:
        corners = HalfspaceIntersection(half, centre.x[:-1]).intersections
        return float(ConvexHull(corners).volume) * math.factorial(k - 1)
    except QhullError:
        return math.nan
