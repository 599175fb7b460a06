"""Agreement, clusters and comparisons of few models, by listing and by writing draws out."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import silhouette_score

import metareval as mr
from metareval.stats.multiplicity import adjust
from metareval.stats.normal_theory import steiger, williams
from metareval.stats.resample import Layout, bootstrap_weights, draw_seed

Array = np.ndarray[Any, Any]
PLAIN = {
    "kendall": scipy.stats.kendalltau,
    "spearman": scipy.stats.spearmanr,
    "pearson": scipy.stats.pearsonr,
}
DRAWS = 60


def table(n: int, names: str = "abcd", seed: int = 0, decimals: int = 1) -> mr.MetricTable:
    """Models in the order of their names, so that draws of rows are draws of models."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({m: rng.normal(size=n).round(decimals) for m in names})
    frame["model"] = [f"m{i:02}" for i in range(n)]
    return mr.MetricTable.from_frame(
        frame, item="model", metrics=list(names), directions=dict.fromkeys(names, "higher")
    )


def correlation(x: Array, y: Array, statistic: str = "kendall") -> float:
    """A correlation by scipy; NaN where a column does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(PLAIN[statistic](x, y).statistic)


def matrix(values: Array, statistic: str = "kendall") -> Array:
    k = values.shape[1]
    return np.array(
        [
            [correlation(values[:, a], values[:, b], statistic) for b in range(k)]
            for a in range(k)
        ]
    )  # fmt: skip


def drawn(values: Array, rng: np.random.Generator, many: int = DRAWS) -> list[Array]:
    """The rows of every bootstrap draw, written out."""
    n = len(values)
    layout = Layout(np.zeros(n, int), np.arange(n), np.zeros(n, int))
    weights = np.concatenate(list(bootstrap_weights(layout, many, rng)))
    return [np.repeat(values, w.astype(int), axis=0) for w in weights]


def ends(draws: Array, confidence: float, low: float = -1, high: float = 1) -> tuple[float, float]:
    """Percentiles of draws, where what is undefined is as low or as high as can be."""
    tail = (1 - confidence) / 2
    return (
        float(np.quantile(np.where(np.isnan(draws), low, draws), tail)),
        float(np.quantile(np.where(np.isnan(draws), high, draws), 1 - tail)),
    )


def two_sided(observed: float, null: Array) -> float:
    """Draws without a value count as extreme."""
    open_ = np.isnan(null)
    return min(
        1.0,
        2 * min((open_ | (side * (null - observed) >= -1e-9)).mean() for side in (1, -1)),
    )


@pytest.mark.parametrize("portions", [2**24, 3 * DRAWS, 1])
def test_intervals_of_pairs_and_of_their_mean(
    portions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever number of pairs is drawn at once."""
    monkeypatch.setattr("metareval.questions.agreement.DRAWS_HELD", portions)
    data = table(4)
    values = data.frame[list("abcd")].to_numpy()
    found = mr.agreement(data, confidence=0.8, n_resamples=DRAWS, rng=5)
    rows = drawn(values, np.random.default_rng(draw_seed(np.random.default_rng(5))))
    draws = np.stack([matrix(r) for r in rows])
    pairs = list(itertools.combinations(range(4), 2))
    assert np.isnan(draws).any(axis=(1, 2)).any()
    for a, b in pairs:
        for i, j in ((a, b), (b, a)):
            low, high = ends(draws[:, i, j], 0.8)
            assert found.low.iloc[i, j] == pytest.approx(low, abs=1e-12)
            assert found.high.iloc[i, j] == pytest.approx(high, abs=1e-12)
            assert found.undefined_draws.iloc[i, j] == np.isnan(draws[:, i, j]).mean()
    wanted = draws[:, *np.array(pairs).T]
    least, most = (np.where(np.isnan(wanted), bound, wanted).mean(axis=1) for bound in (-1, 1))
    assert found.mean_low == pytest.approx(np.quantile(least, 0.1), abs=1e-12)
    assert found.mean_high == pytest.approx(np.quantile(most, 0.9), abs=1e-12)
    observed = matrix(values)
    assert found.mean == pytest.approx(np.mean([observed[p] for p in pairs]), abs=1e-12)


def test_mean_interval_where_no_draw_defines_all_pairs() -> None:
    """a and b vary in other models each, so that most draws leave one of them constant."""
    frame = pd.DataFrame({"a": [0.0, 0, 0, 0, 1], "b": [0.0, 1, 0, 0, 0], "c": [1.0, 2, 3, 4, 5]})
    options: dict[str, Any] = {"directions": dict.fromkeys("abc", "higher"), "item": list("vwxyz")}
    seen = 0
    for seed in range(10):
        found = mr.agreement(frame, n_resamples=2, rng=seed, **options)
        rng = np.random.default_rng(draw_seed(np.random.default_rng(seed)))
        rows = drawn(frame.to_numpy(), rng, 2)
        taus = np.array([off_diagonal(r) for r in rows])
        least, most = (np.where(np.isnan(taus), bound, taus).mean(axis=1) for bound in (-1, 1))
        if np.isnan(taus).any(axis=1).all():
            seen += 1
            assert found.mean_low == pytest.approx(np.quantile(least, 0.025))
            assert found.mean_high == pytest.approx(np.quantile(most, 0.975))
    assert seen


@pytest.mark.parametrize("statistic", ["kendall", "spearman"])
def test_agreement_p_lists_the_orders_of_the_rows_that_a_pair_shares(statistic: str) -> None:
    data = table(6, "abc")
    frame = data.frame.copy()
    frame.loc[1, "a"] = frame.loc[4, "b"] = np.nan
    found = mr.agreement(
        frame, statistic=statistic, item="model", metrics=list("abc"),
        directions=data.directions, correction="bh", n_resamples=DRAWS, rng=0,
    )  # fmt: skip
    assert found.exact
    pvalues = {}
    for first, second in itertools.combinations("abc", 2):
        shared = frame[[first, second]].dropna().to_numpy()
        x, y = shared.T
        null = np.array([correlation(x, np.array(p), statistic) for p in permutations(y)])
        pvalues[first, second] = two_sided(correlation(x, y, statistic), null)
        assert found.n_rows.loc[first, second] == found.n_rows.loc[second, first] == len(shared)
    adjusted = scipy.stats.false_discovery_control(list(pvalues.values()))
    for (first, second), q in zip(pvalues, adjusted, strict=True):
        for pair in ((first, second), (second, first)):
            assert found.pvalue.loc[pair] == pytest.approx(pvalues[first, second], abs=1e-12)
            assert found.adjusted.loc[pair] == pytest.approx(q, abs=1e-12)


def permutations(values: Array) -> list[tuple[float, ...]]:
    return list(itertools.permutations(values.tolist()))


def test_levels_are_confounded_where_kruskal_finds_both_to_differ() -> None:
    rng = np.random.default_rng(3)
    labels = list(itertools.product("xy", "klmnop", (1, 2)))
    frame = pd.DataFrame(labels, columns=["block", "item", "seed"])
    shift = (frame["block"] == "y").astype(float)
    for name, by in (("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 3.0), ("e", -2.0)):
        frame[name] = by * shift + rng.normal(size=len(frame)).round(1)
    frame.loc[3, "c"] = np.inf
    metrics = list("abcde")
    found = mr.agreement(
        frame, estimate="pooled", metrics=metrics, directions=dict.fromkeys(metrics, "higher"),
        block="block", item="item", replicate="seed", n_resamples=5, rng=0,
    )  # fmt: skip
    units = frame[metrics].rank().groupby([frame["block"], frame["item"]]).mean()
    p = [scipy.stats.kruskal(units.loc["x", m], units.loc["y", m]).pvalue for m in metrics]
    differs = np.array(p) < 0.05
    assert 1 < differs.sum() < 5
    np.testing.assert_array_equal(found.confounded, differs[:, None] & differs[None, :])


def test_cluster_support_and_opposition_from_draws_written_out() -> None:
    data = table(9, "abcde", decimals=12)
    values = data.frame[list("abcde")].to_numpy().copy()
    values[:, 1] += 2 * values[:, 0]
    values[:, 4] += 1.5 * values[:, 3]
    frame = data.frame.assign(**dict(zip("abcde", values.T, strict=True)))
    found = mr.cluster_metrics(
        frame, n_clusters=3, statistic="pearson", item="model", metrics=list("abcde"),
        directions=data.directions, confidence=0.9, n_resamples=DRAWS, rng=2,
    )  # fmt: skip

    def clusters(rows: Array) -> tuple[Array, list[set[int]]]:
        r = matrix(rows, "pearson")
        tree = linkage((1 - r[np.triu_indices(5, 1)]) / 2, "average")
        labels = fcluster(tree, 3, "maxclust")
        return r, [set(np.flatnonzero(labels == c)) for c in np.unique(labels)]

    r, groups = clusters(values)
    groups.sort(key=min)
    assert [[*map("abcde".index, found.members(c))] for c in (1, 2, 3)] == [*map(sorted, groups)]
    parts = [clusters(rows) for rows in drawn(values, np.random.default_rng(2))]
    for number, own in enumerate(groups, start=1):
        held = [own in g if len(own) == 1 else any(own <= other for other in g) for _, g in parts]
        assert 0 < np.mean(held) < 1
        assert found.support[number] == pytest.approx(np.mean(held))
    for (i, first), (j, second) in itertools.combinations(enumerate(groups, start=1), 2):
        at = np.ix_(sorted(first), sorted(second))
        row = found.opposition.loc[(i, j)]
        assert row["tau"] == pytest.approx(r[at].mean())
        low, high = ends(np.array([drawing[at].mean() for drawing, _ in parts]), 0.9)
        assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
        assert row["opposing"] == (high < 0)


@pytest.mark.parametrize("seed", range(6))
def test_clusters_are_as_many_as_have_the_highest_silhouette(seed: int) -> None:
    data = table(8, "abcdef", seed=seed, decimals=12)
    found = mr.cluster_metrics(data, statistic="pearson", n_resamples=2, rng=0)
    r = matrix(data.frame[list("abcdef")].to_numpy(), "pearson")
    distance = (1 - r) / 2
    np.fill_diagonal(distance, 0)
    tree = linkage(distance[np.triu_indices(6, 1)], "average")
    scores = {
        k: silhouette_score(distance, fcluster(tree, k, "maxclust"), metric="precomputed")
        for k in range(2, 6)
    }
    best = max(scores, key=lambda k: scores[k])
    assert found.n_clusters == best
    assert found.silhouette == pytest.approx(scores[best])
    np.testing.assert_allclose(found.linkage[:, 2:], tree[:, 2:], atol=1e-12)


@pytest.mark.parametrize("estimate", ["stratified", "pooled"])
def test_tests_of_differences_count_the_units_that_are_free(estimate: str) -> None:
    """Of rows with both metrics, less one unit for each block after the first unless pooled."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"block": np.repeat(list("xyz"), 6), "d": rng.normal(size=18)})
    frame["a"] = frame["d"] + rng.normal(size=18)
    frame["b"] = frame["d"] + rng.normal(size=18)
    frame.loc[[0, 7], "a"] = np.nan
    frame.loc[12:, "b"] = np.nan
    roles: dict[str, Any] = {"block": "block", "directions": {"a": "lower", "b": "lower"}}
    options: dict[str, Any] = {"estimate": estimate, "statistic": "pearson", "n_resamples": 20}
    found = mr.compare_metrics(frame, "d", rng=0, **roles, **options).frame.iloc[0]
    both = frame.dropna()
    rho = mr.reliability(both, "d", rng=0, **roles, **options).rho
    between = mr.agreement(both.drop(columns="d"), rng=0, **roles, **options).estimate.loc["a", "b"]
    n = 10 if estimate == "pooled" else 9
    assert found["n_units"] == len(both) == 10
    assert found["difference"] == pytest.approx(rho["a"] - rho["b"])
    for name, test in (("williams", (williams, "t", "p")), ("steiger", (steiger, "z", "p"))):
        call, statistic, p = test
        wanted = call(rho["a"], rho["b"], between, n)
        assert found[f"{name}_{statistic}"] == pytest.approx(wanted[0])
        assert found[f"{name}_{p}"] == pytest.approx(wanted[1])


@pytest.mark.parametrize("gap", [False, True])
def test_interval_of_a_difference_in_reliability(gap: bool) -> None:
    """Undefined draws count as the lowest and as the highest difference there can be."""
    data = table(6, "abd")
    frame = data.frame.copy()
    if gap:
        frame.loc[2, "a"] = np.nan
    found = mr.compare_metrics(
        frame, "d", metrics=["a", "b"], item="model", directions={"a": "higher", "b": "higher"},
        alpha=0.2, n_resamples=DRAWS, rng=1,
    )  # fmt: skip
    rows = drawn(
        frame[["a", "b", "d"]].to_numpy(),
        np.random.default_rng(draw_seed(np.random.default_rng(1))),
    )
    complete = [r[~np.isnan(r).any(axis=1)] for r in rows]
    draws = np.array(
        [
            correlation(r[:, 0], -r[:, 2], "spearman") - correlation(r[:, 1], -r[:, 2], "spearman")
            for r in complete
        ]
    )
    low, high = ends(draws, 0.8, -2, 2)
    assert found.frame.iloc[0]["low"] == pytest.approx(low, abs=1e-12)
    assert found.frame.iloc[0]["high"] == pytest.approx(high, abs=1e-12)


@pytest.mark.parametrize("correction", ["holm", "none"])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_set_is_corrected_over_comparisons_with_the_best(
    seed: int, correction: str
) -> None:
    rng = np.random.default_rng(seed)
    d = np.arange(7.0)
    frame = pd.DataFrame({m: -d + s * rng.normal(size=7) for m, s in zip("abcd", (1, 2, 4, 8),
                                                                         strict=True)})  # fmt: skip
    options: dict[str, Any] = {"directions": dict.fromkeys("abcd", "higher"), "rng": 0}
    whole = mr.compare_metrics(frame, d, correction=correction, n_resamples=2, **options)
    best = whole.rho.idxmax()
    others = [m for m in "abcd" if m != best]
    pvalues = np.array([whole.frame["pvalue"].loc[tuple(sorted((m, best)))] for m in others])
    adjusted = adjust(pvalues, correction)
    for alpha in {p for p in adjusted if p < 1} | {0.05, 0.4}:
        found = mr.compare_metrics(
            frame, d, correction=correction, alpha=alpha, n_resamples=2, **options
        )
        kept = {best, *(m for m, p in zip(others, adjusted, strict=True) if p > alpha)}
        assert set(found.best_set) == kept
        assert found.best == best


def off_diagonal(values: Array) -> Array:
    return matrix(values)[np.triu_indices(values.shape[1], 1)]


def scaled(values: Array) -> Array:
    """Ranks of every column about their mean, over the number of rows."""
    n = len(values)
    return (scipy.stats.rankdata(values, axis=0) - (n + 1) / 2) / n


def mean_tau(values: Array) -> float:
    taus = off_diagonal(values)
    return float(np.nanmean(taus)) if (~np.isnan(taus)).any() else math.nan


@pytest.mark.parametrize(("names", "decimals", "undefined"), [("abc", 1, False), ("ab", 0, True)])
def test_difference_in_agreement_lists_who_could_be_in_which_table(
    names: str, decimals: int, undefined: bool
) -> None:
    first, second = (table(n, names, n + 8, decimals) for n in (4, 3))
    found = mr.compare_agreement(first, second, confidence=0.8, n_resamples=DRAWS, rng=3)
    a, b = (t.frame[list(names)].to_numpy() for t in (first, second))
    ranks = np.concatenate([scaled(a), scaled(b)])
    null = []
    for chosen in itertools.combinations(range(7), 4):
        rest = [i for i in range(7) if i not in chosen]
        null.append(mean_tau(ranks[[*chosen]]) - mean_tau(ranks[rest]))
    assert np.isnan(null).any() == undefined
    assert 0 < found.pvalue < 1
    assert found.difference == pytest.approx(mean_tau(a) - mean_tau(b), abs=1e-12)
    assert found.pvalue == pytest.approx(two_sided(found.difference, np.array(null)), abs=1e-12)

    rng = np.random.default_rng(3)
    lows, highs = [], []
    for values in (a, b):
        taus = np.array([off_diagonal(r) for r in drawn(values, rng)])
        lows.append(np.where(np.isnan(taus), -1, taus).mean(axis=1))
        highs.append(np.where(np.isnan(taus), 1, taus).mean(axis=1))
    assert found.low == pytest.approx(np.quantile(lows[0] - highs[1], 0.1), abs=1e-12)
    assert found.high == pytest.approx(np.quantile(highs[0] - lows[1], 0.9), abs=1e-12)


def test_interval_of_a_difference_where_no_draw_defines_all_pairs() -> None:
    """a and b vary in one model each; every draw that lacks it leaves pairs open."""
    frame = pd.DataFrame({"a": [0.0, 0, 0, 0, 1], "b": [0.0, 1, 0, 0, 0], "c": [1.0, 2, 3, 4, 5]})
    roles: dict[str, Any] = {"directions": dict.fromkeys("abc", "higher"), "item": list("vwxyz")}
    seen = 0
    for seed in range(10):
        found = mr.compare_agreement(frame, frame, n_resamples=2, rng=seed, **roles)
        rng = np.random.default_rng(seed)
        sides = [np.array([off_diagonal(r) for r in drawn(frame.to_numpy(), rng, 2)])
                 for _ in range(2)]  # fmt: skip
        if all(np.isnan(taus).any(axis=1).all() for taus in sides):
            seen += 1
            least, most = (
                [np.where(np.isnan(taus), bound, taus).mean(axis=1) for taus in sides]
                for bound in (-1, 1)
            )
            assert found.low == pytest.approx(np.quantile(least[0] - most[1], 0.025))
            assert found.high == pytest.approx(np.quantile(most[0] - least[1], 0.975))
    assert seen


def test_interval_of_a_difference_where_every_draw_of_one_table_is_open() -> None:
    """Without its last model the first table says nothing; the second agrees in every draw."""
    rare = np.array([0.0, 0, 0, 0, 1])
    sure = np.arange(12.0)
    tables = [
        pd.DataFrame({"a": v, "b": v}, index=[f"{name}{i}" for i in range(len(v))])
        for name, v in (("first", rare), ("second", sure))
    ]
    ends = set()
    for seed in range(10):
        found = mr.compare_agreement(
            *tables, directions={"a": "higher", "b": "higher"}, n_resamples=2, rng=seed
        )
        ends.add((found.low, found.high) if not np.isnan(found.low) else "silent")
    # Both draws open, one of two, or none: then all draws are equal and tell nothing.
    assert (-2.0, 0.0) in ends
    assert "silent" in ends


def test_exchanged_models_take_their_replicates_along_whatever_these_are_called() -> None:
    def replicated(n: int, seed: int, names: tuple[str, str]) -> mr.MetricTable:
        rng = np.random.default_rng(seed)
        labels = list(itertools.product([f"m{i}" for i in range(n)], names))
        frame = pd.DataFrame(labels, columns=["model", "run"])
        for metric in "abc":
            frame[metric] = rng.normal(size=len(frame)).round(1)
        return mr.MetricTable.from_frame(
            frame, item="model", replicate="run", directions=dict.fromkeys("abc", "higher")
        )

    first, second = replicated(3, 1, ("r", "s")), replicated(3, 2, ("7", "8"))
    found = mr.compare_agreement(first, second, estimate="mean", n_resamples=20, rng=0)
    models = []
    for data in (first, second):
        runs = [data.frame.iloc[i::2][list("abc")].to_numpy() for i in (0, 1)]
        models += list(np.stack([scaled(r) for r in runs], axis=1))

    def agreement(side: list[Array]) -> float:
        values = np.stack(side)
        taus = np.array([off_diagonal(values[:, run]) for run in (0, 1)])
        count = (~np.isnan(taus)).sum(axis=0)
        pairs = np.nansum(taus, axis=0)[count > 0] / count[count > 0]
        return float(pairs.mean()) if len(pairs) else math.nan

    null = []
    for chosen in itertools.combinations(range(6), 3):
        sides = [[m for i, m in enumerate(models) if (i in chosen) == here] for here in (1, 0)]
        null.append(agreement(sides[0]) - agreement(sides[1]))
    assert found.difference == pytest.approx(null[0], abs=1e-12)
    assert found.pvalue == pytest.approx(two_sided(null[0], np.array(null)), abs=1e-12)
