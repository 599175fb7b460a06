"""The work that is timed: ours, the peers', and a check that both compute the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import peers
import scipy.stats

import metareval as mr
from metareval.stats.association import association, cell_rows, permuted_association
from metareval.stats.concordance import kendall_sums
from metareval.stats.rank_distance import tau_with_reference, weighted_scores
from metareval.stats.resample import Layout, Permutations, UnitSwaps, bootstrap_weights
from metareval.stats.simplex import dirichlet
from metareval.stats.statistics import get_statistic
from metareval.stats.swaps import KendallSwaps

FloatArray = Any
SEED = 0


@dataclass(frozen=True)
class Peer:
    """A peer doing ``draws`` of the case's work; its time is scaled up to all of it."""

    name: str
    run: Callable[[], Any]
    share: float
    wanted: float


@dataclass(frozen=True)
class Case:
    """One kind of work."""

    name: str
    ours: Callable[[], Any]
    peers: tuple[Peer, ...]
    check: Callable[[], None]


def rows_as_units(n: int) -> Layout:
    """Return the layout of n independent rows in one block."""
    zero = np.zeros(n, dtype=np.intp)
    return Layout(zero, np.arange(n, dtype=np.intp), zero)


def bootstrap(x: FloatArray, statistic: str, draws: int) -> FloatArray:
    """Return our bootstrap draws of all pairs, weights drawn and all."""
    n, k = x.shape
    chosen = get_statistic(statistic)
    cells = [np.arange(n, dtype=np.intp)]
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    i, j = (np.array(v) for v in zip(*pairs, strict=True))
    generator = np.random.default_rng(SEED)
    return np.concatenate(
        [
            association(x, cells, chosen, "pooled", w, pairs)[:, i, j]
            for w in bootstrap_weights(rows_as_units(n), draws, generator, per_draw=8 * k**2)
        ]
    )


def check_bootstrap(x: FloatArray, statistic: str) -> None:
    """Compare 40 draws with scipy on the rows written out."""
    n, k = x.shape
    weights = next(iter(bootstrap_weights(rows_as_units(n), 40, np.random.default_rng(SEED))))
    ours = association(x, [np.arange(n)], get_statistic(statistic), "pooled", weights)
    correlate = peers.scipy_function(statistic)
    for b, w in enumerate(weights.astype(int)):
        drawn = x[np.repeat(np.arange(n), w)]
        for a in range(k):
            for c in range(a + 1, k):
                assert abs(ours[b, a, c] - correlate(drawn[:, a], drawn[:, c])) < 1e-12


def bootstrap_case(
    n: int, k: int, statistic: str, draws: int, sample: int, wanted: dict[str, float]
) -> Case:
    """Build the bootstrap of all pairs of k columns."""
    x = np.random.default_rng(1).normal(size=(n, k))
    share = sample / draws
    runs = {
        "scipy loop": lambda: peers.scipy_bootstrap_loop(x, statistic, sample, SEED),
        "scipy.stats.bootstrap": lambda: peers.scipy_bootstrap(x, statistic, sample, SEED),
        "nlpstats": lambda: peers.nlpstats_bootstrap(x, statistic, sample, SEED),
    }
    return Case(
        f"{statistic} bootstrap, n={n}, k={k}, B={draws:,}",
        lambda: bootstrap(x, statistic, draws),
        tuple(Peer(p, runs[p], share, wanted.get(p, float("nan"))) for p in runs),
        lambda: check_bootstrap(x, statistic),
    )


def permutation_case() -> Case:
    """Build stratified permutations: 36 rows in three strata of twelve, a million draws."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 36))
    strata = np.repeat([0, 1, 2], 12)
    cells = cell_rows(strata)
    layout = Layout(strata, np.arange(36), np.zeros(36, dtype=np.intp))
    statistic = get_statistic("kendall")
    draws, sample = 1_000_000, 400

    def ours(count: int = draws) -> FloatArray:
        perms = Permutations(layout, count, np.random.default_rng(SEED))
        return permuted_association(x[:, None], y, perms, cells, statistic, "stratified")[:, 0]

    def check() -> None:
        perms = next(iter(Permutations(layout, 50, np.random.default_rng(SEED))))
        for tau, perm in zip(ours(50), perms, strict=True):
            parts = [scipy.stats.kendalltau(x[c], y[perm[c]]).statistic * 66 for c in cells]
            assert abs(tau - sum(parts) / 198) < 1e-12

    return Case(
        f"stratified permutations, n=36, B={draws:,}",
        ours,
        (
            Peer(
                "scipy loop",
                lambda: peers.scipy_stratified_loop(x, y, cells, sample, SEED),
                sample / draws,
                800,
            ),
        ),
        check,
    )


def paired_case() -> Case:
    """Build the paired comparison of two metrics on 36 rows, a million swaps."""
    rng = np.random.default_rng(3)
    y = rng.normal(size=36)
    x, z = y + rng.normal(size=36), y + rng.normal(size=36)
    cells = [np.arange(36, dtype=np.intp)]
    unit = np.arange(36, dtype=np.intp)
    draws, sample = 1_000_000, 300

    def ours(count: int = draws) -> FloatArray:
        taus = KendallSwaps(x, z, y, unit, cells, "pooled")
        swaps = UnitSwaps(36, count, np.random.default_rng(SEED))
        return np.concatenate([np.subtract(*taus(swapped)) for swapped in swaps])

    def check() -> None:
        swaps = next(iter(UnitSwaps(36, 50, np.random.default_rng(SEED))))
        tau = peers.FenwickTau(y)
        for difference, swapped in zip(ours(50), swaps, strict=True):
            first, second = np.where(swapped, z, x), np.where(swapped, x, z)
            expected = (
                scipy.stats.kendalltau(first, y).statistic
                - scipy.stats.kendalltau(second, y).statistic
            )
            assert abs(difference - expected) < 1e-12
            assert abs(tau(first) - tau(second) - expected) < 1e-12

    return Case(
        f"paired comparison of two metrics, n=36, B={draws:,}",
        ours,
        (
            Peer(
                "nlpstats",
                lambda: peers.nlpstats_paired(x, z, y, "kendall", sample, SEED),
                sample / draws,
                1500,
            ),
            Peer(
                "Fenwick loop (for mt-metrics-eval)",
                lambda: peers.fenwick_paired(x, z, y, sample, SEED),
                sample / draws,
                600,
            ),
        ),
        check,
    )


def all_pairs_case() -> Case:
    """Build all pairs of 20 metrics on 150 models, 1,000 paired permutations each."""
    rng = np.random.default_rng(4)
    d = rng.random(150)
    frame = pd.DataFrame({f"m{i}": -d + rng.normal(size=150) * (0.2 + i / 20) for i in range(20)})
    directions = dict.fromkeys(frame, "higher")

    def ours() -> Any:
        return mr.compare_metrics(
            frame, d, statistic="kendall", directions=directions, n_resamples=1000, rng=SEED
        )

    def one_pair() -> Any:
        x, z = frame["m0"].to_numpy(), frame["m1"].to_numpy()
        return peers.fenwick_paired(x, z, -d, 100, SEED)

    def check() -> None:
        result = ours()
        for a, b in (("m0", "m1"), ("m3", "m17")):
            expected = (
                scipy.stats.kendalltau(frame[a], -d).statistic
                - scipy.stats.kendalltau(frame[b], -d).statistic
            )
            assert abs(result.frame.loc[(a, b), "difference"] - expected) < 1e-12

    return Case(
        "all 190 pairs of 20 metrics, n=150, 1,000 paired permutations and bootstrap intervals",
        ours,
        (Peer("Fenwick loop (for mt-metrics-eval)", one_pair, 1 / 190 / 10, 300),),
        check,
    )


def weights_case(n: int, draws: int, sample: int, wanted: float) -> Case:
    """Build the perturbation of five weights."""
    rng = np.random.default_rng(5)
    values = rng.random((n, 5))
    reference = values @ np.array([0.1, 0.3, 0.2, 0.25, 0.15])

    def ours(count: int = draws) -> FloatArray:
        weights = dirichlet(np.ones(5), count, np.random.default_rng(SEED))
        return tau_with_reference(weighted_scores(values, weights), reference, scores_tie=False)

    def check() -> None:
        weights = dirichlet(np.ones(5), 50, np.random.default_rng(SEED))
        for tau, w in zip(ours(50), weights, strict=True):
            expected = scipy.stats.kendalltau(values @ w, reference).statistic
            assert abs(tau - expected) < 1e-12

    return Case(
        f"weight perturbation, n={n}, B={draws:,}",
        ours,
        (
            Peer(
                "scipy loop",
                lambda: peers.scipy_weights_loop(values, reference, sample, SEED),
                sample / draws,
                wanted,
            ),
        ),
        check,
    )


def matrix_case(n: int, k: int, kind: str, wanted: float) -> Case:
    """Build the tau-b matrix of a whole table."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(n, k)) if kind == "continuous" else rng.integers(0, 10, size=(n, k)) * 1.0
    frame = pd.DataFrame(x)
    statistic = get_statistic("kendall")
    cells = [np.arange(n, dtype=np.intp)]

    def ours() -> FloatArray:
        return association(x, cells, statistic, "pooled")[0]

    def check() -> None:
        expected = scipy.stats.kendalltau(x[:, 0], x[:, 1]).statistic
        assert abs(ours()[0, 1] - expected) < 1e-12
        assert kendall_sums(x[:, :2])[0, 1] == np.rint(kendall_sums(x[:, :2])[0, 1])
        np.testing.assert_allclose(ours(), frame.corr("kendall"), atol=1e-10)

    return Case(
        f"tau-b matrix, {n:,} x {k}, {kind}",
        ours,
        (Peer("pandas", lambda: frame.corr("kendall"), 1.0, wanted),),
        check,
    )


def all_cases() -> list[Case]:
    """Return every case, quick ones first."""
    loops = {"scipy loop": 500.0, "nlpstats": 500.0}
    return [
        matrix_case(36, 50, "continuous", 3),
        matrix_case(10_000, 20, "10 distinct values", 15),
        matrix_case(10_000, 20, "continuous", 1.5),
        matrix_case(100_000, 5, "continuous", 1.5),
        bootstrap_case(36, 5, "kendall", 10_000, 60, loops),
        bootstrap_case(36, 5, "spearman", 10_000, 60, {"scipy loop": 400}),
        bootstrap_case(1000, 2, "kendall", 10_000, 300, {"scipy loop": 15}),
        bootstrap_case(1000, 2, "spearman", 10_000, 300, {"scipy loop": 20}),
        permutation_case(),
        paired_case(),
        all_pairs_case(),
        weights_case(36, 10_000, 400, 400),
        weights_case(1000, 2_000, 200, 3),
    ]
