"""How far ranks may move: with the weights, and with the data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metareval.stats.rank_distance import weighted_scores
from metareval.stats.simplex import dirichlet, outranks, reversal
from metareval.stats.top_share import top_share

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Pairs of items, and volumes of the weight simplex, take time with the square of the items.
MOST_PAIRED = 200
# Scores held at once: draws times items.
MOST_SCORES = 10_000_000
# Atoms of an exact distribution, and look-ups when distributions are held against each other.
MOST_ATOMS = 50_000
MOST_LOOKUPS = 30_000_000
# Scores that should be equal differ by rounding only.
DECIMALS = 12


def rank_rows(scores: FloatArray) -> NDArray[np.int32]:
    """Rank along the last axis, the highest first; equal scores share the best rank.

    Parameters
    ----------
    scores : ndarray, shape (..., n)
        No missing values.

    Examples
    --------
    >>> import numpy as np
    >>> rank_rows(np.array([[0.5, 0.9, 0.5]]))
    array([[2, 1, 2]], dtype=int32)
    """
    order = np.argsort(-scores, axis=-1, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=-1)
    place = np.broadcast_to(np.arange(1, scores.shape[-1] + 1, dtype=np.int32), scores.shape)
    starts = np.ones(scores.shape, dtype=bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    shared = np.maximum.accumulate(np.where(starts, place, 0), axis=-1).astype(np.int32)
    out = np.empty(scores.shape, dtype=np.int32)
    np.put_along_axis(out, order, shared, axis=-1)
    return out


def n_draws(n_resamples: int, n_rows: int) -> int:
    """Return how many draws are made of so many rows: all, unless they would not fit memory."""
    return min(n_resamples, max(MOST_SCORES // max(n_rows, 1), 200))


def rank_range(
    ranks: NDArray[np.int32], confidence: float, *, unknown: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Return the best and the worst rank of the central draws, each shape (n,).

    Parameters
    ----------
    ranks : ndarray of int, shape (b, n)
    confidence : float
        Share of the draws that the range holds at least.
    unknown : int
        Further draws without a ranking: any rank could have been theirs.
    """
    b, n = ranks.shape
    tail = (1 - confidence) / 2
    ordered = np.sort(ranks, axis=0)
    # How many of all draws may lie outside on either side.
    outside = int(np.floor(tail * (b + unknown) + 1e-9))
    best = ordered[outside - unknown] if outside >= unknown else np.ones(n)
    worst = ordered[b - 1 - outside + unknown] if outside >= unknown else np.full(n, n)
    return best.astype(np.float64), worst.astype(np.float64)


@dataclass(frozen=True)
class Tie:
    """The smallest change of the weights that makes two neighbours of a ranking tie.

    Parameters
    ----------
    distance : float
        Euclidean length; infinite where no weights do it, NaN where there is nothing to compare.
    pair : tuple of int
        Leader and follower; empty where there are none.
    weights : ndarray, shape (k,)
        Weights at which they tie.
    """

    distance: float
    pair: tuple[int, ...]
    weights: FloatArray


@dataclass(frozen=True)
class Stability:
    """What other weights would do to a ranking.

    Parameters
    ----------
    best, worst : ndarray, shape (n,)
        Ranks under the central share of the weights.
    first : ndarray, shape (n,)
        Probability of the first place.
    exact : bool
        Whether ``first`` is a volume of the simplex rather than a share of draws.
    outranks : ndarray, shape (n, n), or None
        Exact probability that the row's item outranks the column's; None for more than
        ``MOST_PAIRED`` items.
    tie : Tie or None
        None for more than ``MOST_PAIRED`` items.
    draws : int
    """

    best: FloatArray
    worst: FloatArray
    first: FloatArray
    exact: bool
    outranks: FloatArray | None
    tie: Tie | None
    draws: int


def stability(
    values: FloatArray,
    weights: FloatArray,
    scores: FloatArray,
    *,
    confidence: float,
    n_resamples: int,
    rng: np.random.Generator,
    drawn: FloatArray | None = None,
) -> Stability:
    """Say what other weights would do to a ranking.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        Transformed metrics; no missing values.
    weights : ndarray, shape (k,)
        The weights in use.
    scores : ndarray, shape (n,)
        Their scores.
    confidence : float
    n_resamples : int
    rng : Generator
    drawn : ndarray, shape (b, k), optional
        Weights that stand for all weights. By default they are uniform on the simplex.
    """
    n, k = values.shape
    if drawn is None:
        drawn = dirichlet(np.ones(k), n_draws(n_resamples, n), rng)
    ranks = rank_rows(weighted_scores(values, drawn))
    best, worst = rank_range(ranks, confidence)
    if n > MOST_PAIRED:
        return Stability(best, worst, (ranks == 1).mean(axis=0), False, None, None, len(drawn))
    first = top_share(values, n_draws=n_resamples, rng=rng)
    return Stability(
        best=best,
        worst=worst,
        first=first.share,
        exact=first.exact,
        outranks=outranks(values),
        tie=_nearest_tie(values, weights, scores),
        draws=len(drawn),
    )


def _nearest_tie(values: FloatArray, weights: FloatArray, scores: FloatArray) -> Tie:
    order = np.argsort(-scores, kind="stable")
    nothing = np.full(len(weights), np.nan)
    if len(order) < 2:
        return Tie(math.nan, (), nothing)
    found = [
        (reversal(values[a] - values[b], weights), (int(a), int(b)))
        for a, b in itertools.pairwise(order)
    ]
    least, pair = min(found, key=lambda f: f[0].distance)
    if math.isinf(least.distance):
        return Tie(math.inf, (), nothing)
    return Tie(least.distance, pair, least.weights)


@dataclass(frozen=True)
class Distribution:
    """A discrete distribution of a score: sorted atoms and their probabilities."""

    atoms: FloatArray
    probability: FloatArray


def redrawn_mean(values: FloatArray) -> Distribution | None:
    """Return the exact distribution of the mean of n values drawn with replacement from n.

    None where there are too many outcomes to list.

    Examples
    --------
    >>> import numpy as np
    >>> found = redrawn_mean(np.array([0.0, 1.0]))
    >>> found.atoms, found.probability
    (array([0. , 0.5, 1. ]), array([0.25, 0.5 , 0.25]))
    """
    m = len(values)
    if math.comb(2 * m - 1, m) > MOST_ATOMS:
        return None
    chosen = np.array(list(itertools.combinations_with_replacement(range(m), m)), dtype=np.intp)
    counts = (chosen[:, :, None] == np.arange(m)).sum(axis=1)
    factorial = np.array([math.factorial(c) for c in range(m + 1)], dtype=np.float64)
    probability = factorial[m] / factorial[counts].prod(axis=1) / float(m) ** m
    return _merged(values[chosen].mean(axis=1), probability)


def averaged(parts: Sequence[Distribution]) -> Distribution | None:
    """Return the distribution of the mean of independent scores; None where it grows too large."""
    total = parts[0]
    for part in parts[1:]:
        if len(total.atoms) * len(part.atoms) > MOST_ATOMS:
            return None
        total = _merged(
            np.add.outer(total.atoms, part.atoms).ravel(),
            np.multiply.outer(total.probability, part.probability).ravel(),
        )
    return Distribution(np.round(total.atoms / len(parts), DECIMALS), total.probability)


def _merged(atoms: FloatArray, probability: FloatArray) -> Distribution:
    distinct, at = np.unique(np.round(atoms, DECIMALS), return_inverse=True)
    mass = np.bincount(at.reshape(-1), weights=probability).astype(np.float64)
    return Distribution(distinct, mass)


def first_place(scores: Sequence[Distribution | None]) -> FloatArray | None:
    """Return the exact probability that each of several independent scores is not beaten.

    None where a distribution is missing or the work is too great. Scores that tie for the first
    place all hold it.

    Examples
    --------
    >>> import numpy as np
    >>> coin = Distribution(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    >>> half = Distribution(np.array([0.5]), np.array([1.0]))
    >>> first_place([coin, half])
    array([0.5, 0.5])
    """
    known = [s for s in scores if s is not None]
    if len(known) < len(scores):
        return None
    if sum(len(s.atoms) for s in known) * len(known) > MOST_LOOKUPS:
        return None
    cumulative = [np.append(0.0, np.cumsum(s.probability)) for s in known]
    out = np.empty(len(known))
    for i, own in enumerate(known):
        chance = own.probability.copy()
        for j, other in enumerate(known):
            if j != i:
                chance *= cumulative[j][np.searchsorted(other.atoms, own.atoms, side="right")]
        out[i] = min(float(chance.sum()), 1.0)
    return out


def redrawn_units(
    rows: FloatArray, unit: IntArray, weights: FloatArray, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Redraw the rows of every unit with replacement, and score the units with given weights.

    Parameters
    ----------
    rows : ndarray, shape (n_rows, k)
        Transformed metrics, sorted by unit.
    unit : ndarray of int, shape (n_rows,)
    weights : ndarray, shape (b, k)
        Weights of each draw.
    rng : Generator

    Yields
    ------
    ndarray, shape (a portion of the draws, n_units)
    """
    starts = np.flatnonzero(np.append(True, unit[1:] != unit[:-1]))
    sizes = np.diff(np.append(starts, len(unit)))
    step = max(1, min(1000, MOST_SCORES // max(len(rows), 1)))
    for at in range(0, len(weights), step):
        part = weights[at : at + step]
        scores: FloatArray = part @ rows.T
        for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
            drawn = rng.multinomial(size, np.full(size, 1 / size), size=len(part)) / size
            scores[:, start : start + size] *= drawn
        # Equal units must stay equal in spite of rounding.
        units: FloatArray = np.add.reduceat(scores, starts, axis=1)
        yield np.round(units, DECIMALS)
