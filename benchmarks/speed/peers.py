"""What users would write or install instead, each doing a given number of draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats

FloatArray = Any


def scipy_function(statistic: str) -> Callable[[FloatArray, FloatArray], float]:
    """Return scipy's function for a statistic, without its result object."""
    call = {"kendall": scipy.stats.kendalltau, "spearman": scipy.stats.spearmanr}[statistic]
    return lambda a, b: float(call(a, b).statistic)


def scipy_bootstrap_loop(x: FloatArray, statistic: str, draws: int, seed: int) -> FloatArray:
    """Draw rows with replacement and correlate every pair of columns, in a loop."""
    rng = np.random.default_rng(seed)
    correlate = scipy_function(statistic)
    n, k = x.shape
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    out = np.empty((draws, len(pairs)))
    for i in range(draws):
        part = x[rng.integers(0, n, n)]
        out[i] = [correlate(part[:, a], part[:, b]) for a, b in pairs]
    return out


def scipy_bootstrap(x: FloatArray, statistic: str, draws: int, seed: int) -> Any:
    """Use scipy.stats.bootstrap on every pair of columns."""
    correlate = scipy_function(statistic)
    k = x.shape[1]
    return [
        scipy.stats.bootstrap(
            (x[:, a], x[:, b]),
            correlate,
            paired=True,
            vectorized=False,
            n_resamples=draws,
            method="percentile",
            rng=seed,
        )
        for a in range(k)
        for b in range(a + 1, k)
    ]


def nlpstats_bootstrap(x: FloatArray, statistic: str, draws: int, seed: int) -> Any:
    """Use nlpstats' bootstrap of systems on every pair of columns."""
    from nlpstats.correlations.bootstrap import bootstrap

    np.random.seed(seed)  # noqa: NPY002
    k = x.shape[1]
    return [
        bootstrap(x[:, [a]], x[:, [b]], "system", statistic, "systems", n_resamples=draws)
        for a in range(k)
        for b in range(a + 1, k)
    ]


def scipy_stratified_loop(
    x: FloatArray, y: FloatArray, cells: list[FloatArray], draws: int, seed: int
) -> FloatArray:
    """Permute y within strata and add up concordant minus discordant pairs, in a loop."""
    rng = np.random.default_rng(seed)
    out = np.empty(draws)
    for i in range(draws):
        above = below = 0.0
        for rows in cells:
            tau = scipy.stats.kendalltau(x[rows], y[rng.permutation(rows)]).statistic
            pairs = len(rows) * (len(rows) - 1) / 2
            above, below = above + tau * pairs, below + pairs
        out[i] = above / below
    return out


def nlpstats_paired(
    x: FloatArray, z: FloatArray, y: FloatArray, statistic: str, draws: int, seed: int
) -> Any:
    """Use nlpstats' paired permutation of systems."""
    from nlpstats.correlations.permutation import permutation_test

    np.random.seed(seed)  # noqa: NPY002
    return permutation_test(
        x[:, None], z[:, None], y[:, None], "system", statistic, "systems", n_resamples=draws
    )


class FenwickTau:
    """Tau-b by a Fenwick tree in plain Python, the side of y prepared once.

    It stands in for mt-metrics-eval, whose documentation describes this method: the package of
    that name on PyPI (0.0.1) is another project.
    """

    def __init__(self, y: FloatArray) -> None:
        self._order = np.argsort(y)
        self._rank = np.unique(y[self._order], return_inverse=True)[1] + 1
        counts = np.bincount(self._rank)
        self._tied = int((counts * (counts - 1) // 2).sum())

    def __call__(self, x: FloatArray) -> float:
        """Return tau-b of x with the prepared column."""
        n = len(x)
        x = x[self._order]
        order = np.argsort(x, kind="stable")
        code = np.unique(x[order], return_inverse=True)[1].tolist()
        rank = self._rank[order].tolist()
        tree = [0] * (n + 2)
        discordant = i = 0
        while i < n:
            j = i
            while j < n and code[j] == code[i]:
                at = rank[j]
                discordant += i
                while at:
                    discordant -= tree[at]
                    at &= at - 1
                j += 1
            for m in range(i, j):
                at = rank[m]
                while at < len(tree):
                    tree[at] += 1
                    at += at & -at
            i = j
        joint = np.unique(np.array(code) * (n + 1) + np.array(rank), return_counts=True)[1]
        both = int((joint * (joint - 1) // 2).sum())
        single = np.bincount(code)
        tied_x = int((single * (single - 1) // 2).sum())
        total = n * (n - 1) // 2
        lead = total - tied_x - self._tied + both - 2 * discordant
        return float(lead / np.sqrt(float(total - tied_x) * float(total - self._tied)))


def fenwick_paired(
    x: FloatArray, z: FloatArray, y: FloatArray, draws: int, seed: int
) -> FloatArray:
    """Swap standardised values of two metrics at random, in a loop over :class:`FenwickTau`."""
    rng = np.random.default_rng(seed)
    tau = FenwickTau(y)
    a, b = ((v - v.mean()) / v.std() for v in (x, z))
    out = np.empty(draws)
    for i in range(draws):
        swapped = rng.random(len(x)) < 0.5
        out[i] = tau(np.where(swapped, b, a)) - tau(np.where(swapped, a, b))
    return out


def scipy_weights_loop(
    values: FloatArray, reference: FloatArray, draws: int, seed: int
) -> FloatArray:
    """Draw weights, score, and correlate with the reference scores, in a loop."""
    rng = np.random.default_rng(seed)
    out = np.empty(draws)
    for i in range(draws):
        weights = rng.dirichlet(np.ones(values.shape[1]))
        out[i] = scipy.stats.kendalltau(values @ weights, reference).statistic
    return out
