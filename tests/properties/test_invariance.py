"""What must not change a result: order, names, scales, copies, equal blocks, turned directions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import metareval as mr
from metareval.errors import TableError
from tests.properties.strategies import rebuilt, tables

ESTIMATES = st.sampled_from(["stratified", "mean", "pooled"])
WITHIN = st.sampled_from(["stratified", "mean"])
RANK = st.sampled_from(["kendall", "spearman"])
RANDOM = st.randoms(use_true_random=False)
FEW: dict[str, Any] = {"n_resamples": 30, "rng": 0}
CLOSE = {"atol": 1e-12, "rtol": 0}
# Two tables have many exchanges, and a score is fitted several times.
costly = settings(max_examples=max(5, settings().max_examples // 3))


def shuffled(table: mr.MetricTable, random: Any, *, columns: bool = True) -> mr.MetricTable:
    """The table with rows in another order, and its metrics too."""
    rows, metrics = list(range(len(table))), list(table.metrics)
    random.shuffle(rows)
    if columns:
        random.shuffle(metrics)
    return rebuilt(table, table.frame.iloc[rows], metrics=metrics)


def renamed(table: mr.MetricTable) -> mr.MetricTable:
    """The table with other names of blocks, items and replicates, in another order."""
    frame = table.frame.copy()
    for role in ("block", "item", "replicate"):
        names = sorted(set(frame[role]))
        frame[role] = frame[role].map({n: f"{len(names) - i:03d}" for i, n in enumerate(names)})
    return rebuilt(table, frame)


def bent(table: mr.MetricTable) -> mr.MetricTable:
    """The table with metrics and distance bent by increasing functions that merge no values."""
    frame = table.frame.copy()
    columns = [*table.metrics, *([table.oracle] if table.oracle else [])]
    for name in columns:
        levels = np.unique(frame[name].dropna())
        place = np.searchsorted(levels, frame[name]).astype(float)
        frame[name] = np.where(frame[name].isna(), np.nan, place**3 + 2)
    return rebuilt(table, frame)


def doubled(table: mr.MetricTable) -> mr.MetricTable:
    """The table with a second block equal to each."""
    again = table.frame.assign(block="again " + table.frame["block"])
    return rebuilt(table, pd.concat([table.frame, again], ignore_index=True))


def reversed_directions(table: mr.MetricTable, *names: str) -> mr.MetricTable:
    """The table with some metrics better where they were worse."""
    other = {"higher": "lower", "lower": "higher"}
    flipped = {m: other[d] if m in names else d for m, d in table.directions.items()}
    return rebuilt(table, table.frame, directions=flipped)


def with_copy(table: mr.MetricTable) -> mr.MetricTable:
    """The table with its first metric twice."""
    name = table.metrics[0]
    return rebuilt(
        table,
        table.frame.assign(copy=table.frame[name]),
        metrics=[*table.metrics, "copy"],
        directions={**table.directions, "copy": table.directions[name]},
    )


CHANGES: list[Callable[[mr.MetricTable], mr.MetricTable]] = [renamed, bent]


# Reliability


@pytest.mark.parametrize("change", CHANGES)
@given(table=tables(), statistic=RANK, estimate=ESTIMATES)
def test_reliability_keeps(
    change: Callable[[mr.MetricTable], mr.MetricTable],
    table: mr.MetricTable,
    statistic: str,
    estimate: str,
) -> None:
    first, second = (
        mr.reliability(t, statistic=statistic, estimate=estimate, **FEW)
        for t in (table, change(table))
    )
    assert (first.frame["reason"] == second.frame["reason"]).all()
    np.testing.assert_allclose(first.rho, second.rho, **CLOSE)
    if first.exact:
        np.testing.assert_allclose(first.frame["pvalue"], second.frame["pvalue"], **CLOSE)


@given(tables(), RANK, ESTIMATES, RANDOM)
def test_reliability_of_a_metric_does_not_depend_on_the_order_of_metrics(
    table: mr.MetricTable, statistic: str, estimate: str, random: Any
) -> None:
    first, second = (
        mr.reliability(t, statistic=statistic, estimate=estimate, **FEW)
        for t in (table, shuffled(table, random))
    )
    numbers = ["rho", "low", "high", *(["pvalue", "adjusted"] if first.exact else [])]
    a, b = (r.frame.loc[list(table.metrics), numbers] for r in (first, second))
    np.testing.assert_allclose(a, b, **CLOSE)


@given(tables(infinities=False), st.sampled_from(["kendall", "spearman", "pearson"]), ESTIMATES)
def test_a_reversed_metric_has_the_opposite_reliability(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    options = {"statistic": statistic, "estimate": estimate, **FEW}
    first = mr.reliability(table, alternative="greater", **options)
    back = mr.reliability(reversed_directions(table, *table.metrics), alternative="less", **options)
    np.testing.assert_allclose(first.rho, -back.rho, **CLOSE)
    if first.exact:
        np.testing.assert_allclose(first.frame["pvalue"], back.frame["pvalue"], **CLOSE)


@given(tables(), RANK, WITHIN)
def test_equal_blocks_have_the_reliability_of_one(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    first, second = (
        mr.reliability(t, statistic=statistic, estimate=estimate, n_resamples=1, rng=0).rho
        for t in (table, doubled(table))
    )
    np.testing.assert_allclose(first, second, **CLOSE)


@given(tables(), RANK, ESTIMATES)
def test_a_copy_is_as_reliable_and_never_told_apart(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    twice, name = with_copy(table), table.metrics[0]
    options = {"statistic": statistic, "estimate": estimate, **FEW}
    frame = mr.reliability(twice, **options).frame
    numbers = ["rho", "low", "high"]
    np.testing.assert_allclose(
        frame.loc[name, numbers].astype(float), frame.loc["copy", numbers].astype(float), **CLOSE
    )
    found = mr.compare_metrics(twice, **options)
    row = found.frame.loc[(name, "copy")]
    if not row["reason"]:
        assert row["difference"] == 0
        assert row["pvalue"] == 1
    assert (name in found.best_set) == ("copy" in found.best_set)


# Comparison of metrics


@pytest.mark.parametrize("change", CHANGES)
@given(table=tables(), statistic=RANK, estimate=ESTIMATES)
def test_comparison_keeps(
    change: Callable[[mr.MetricTable], mr.MetricTable],
    table: mr.MetricTable,
    statistic: str,
    estimate: str,
) -> None:
    first, second = (
        mr.compare_metrics(t, statistic=statistic, estimate=estimate, **FEW)
        for t in (table, change(table))
    )
    assert first.best_set == second.best_set
    numbers = ["difference", "williams_t", "williams_p", "steiger_z"]
    numbers += ["pvalue"] if first.exact else []
    a, b = (r.frame[numbers].astype(float) for r in (first, second))
    np.testing.assert_allclose(a, b, atol=1e-9)


@given(tables(), RANK, ESTIMATES, RANDOM)
def test_comparison_is_antisymmetric_in_any_order(
    table: mr.MetricTable, statistic: str, estimate: str, random: Any
) -> None:
    first, second = (
        mr.compare_metrics(t, statistic=statistic, estimate=estimate, **FEW)
        for t in (table, shuffled(table, random))
    )
    assert set(first.best_set) == set(second.best_set)
    for (a, b), row in first.frame.iterrows():
        sign = 1 if (a, b) in second.frame.index else -1
        other = second.frame.loc[(a, b) if sign == 1 else (b, a)]
        assert row["reason"] == other["reason"]
        for name in ("difference", "williams_t", "steiger_z"):
            assert np.isclose(row[name], sign * other[name], atol=1e-9, equal_nan=True)
        low, high = (other["low"], other["high"])[::sign]
        assert np.isclose(row["low"], sign * low, atol=1e-12, equal_nan=True)
        assert np.isclose(row["high"], sign * high, atol=1e-12, equal_nan=True)
        if first.exact:
            assert np.isclose(row["pvalue"], other["pvalue"], atol=1e-12, equal_nan=True)


def test_the_best_set_does_not_depend_on_which_of_two_equals_comes_first() -> None:
    """Metrics a and b are equally reliable; c can be told from b, and not from a."""
    frame = pd.DataFrame(
        {
            "a": [-1.0, -1, -3, -3, -1, -4, 0, -2],
            "b": [-1.0, 1, -3, -4, -1, -3, 0, -3],
            "c": [1.0, 0, -3, -3, -3, -2, 0, -4],
        }
    )
    distance = [1.0, 0, 5, 6, 4, 7, 2, 3]
    for names in itertools.permutations("abc"):
        found = mr.compare_metrics(
            frame[list(names)],
            distance,
            directions=dict.fromkeys("abc", "higher"),
            alpha=0.2,
            n_resamples=1,
            rng=0,
        )
        assert found.exact
        assert found.best == "a"
        assert set(found.best_set) == {"a", "b", "c"}


def test_the_best_part_does_not_depend_on_the_order_of_columns() -> None:
    """In each block both metrics are equally reliable on the other block."""
    frame = pd.DataFrame(
        {
            "block": np.repeat(["x", "y"], 4),
            "a": [0.2, 0.1, 0.3, 0.4, 0.1, 0.2, 0.4, 0.3],
            "b": [0.1, 0.2, 0.4, 0.3, 0.2, 0.1, 0.3, 0.4],
            "d": [4.0, 3, 2, 1, 4, 3, 2, 1],
        }
    )
    found = [
        mr.UQS.fit(
            frame,
            "d",
            metrics=list(names),
            directions={"a": "higher", "b": "higher"},
            block="block",
            n_resamples=20,
            rng=0,
        ).validation
        for names in ("ab", "ba")
    ]
    pd.testing.assert_frame_equal(*found)
    assert found[0].loc["best metric", "parts"] == "x: a; y: a"


# Agreement and its differences


@given(tables(), RANK, WITHIN)
def test_equal_blocks_agree_as_one(table: mr.MetricTable, statistic: str, estimate: str) -> None:
    first, second = (
        mr.agreement(t, statistic=statistic, estimate=estimate, n_resamples=1, rng=0)
        for t in (table, doubled(table))
    )
    np.testing.assert_allclose(first.estimate, second.estimate, **CLOSE)
    assert (first.n_defined * 2 == second.n_defined).all(axis=None)


@st.composite
def two_tables(draw: st.DrawFn) -> tuple[mr.MetricTable, mr.MetricTable]:
    """Two tables that share at least two metrics, with one direction for each."""
    first, second = (draw(tables(oracle=False, gaps=False)) for _ in range(2))
    shared = [m for m in first.metrics if m in second.metrics]
    assume(len(shared) > 1)
    return first, rebuilt(
        second,
        second.frame,
        directions={m: first.directions.get(m, "higher") for m in second.metrics},
    )


@costly
@given(two_tables(), st.sampled_from(["kendall", "kendall_c", "spearman", "acc_eq"]), ESTIMATES)
def test_difference_in_agreement_is_bounded_and_antisymmetric(
    pair: tuple[mr.MetricTable, mr.MetricTable], statistic: str, estimate: str
) -> None:
    options = {"statistic": statistic, "estimate": estimate, **FEW}
    there, back = (
        mr.compare_agreement(*pair, **options),
        mr.compare_agreement(*pair[::-1], **options),
    )
    assert there.reason == back.reason
    if there.reason:
        assert math.isnan(there.difference)
        assert math.isnan(there.pvalue)
        return
    low, high = (0, 1) if statistic == "acc_eq" else (-1, 1)
    assert low <= there.a <= high
    assert low <= there.b <= high
    assert there.difference == pytest.approx(there.a - there.b)
    assert there.difference == pytest.approx(-back.difference)
    assert 0 < there.pvalue <= 1
    assert math.isnan(there.low) or -2 <= there.low <= there.high <= 2


@costly
@pytest.mark.parametrize("change", CHANGES)
@given(pair=two_tables(), statistic=RANK, estimate=WITHIN)
def test_difference_in_agreement_keeps(
    change: Callable[[mr.MetricTable], mr.MetricTable],
    pair: tuple[mr.MetricTable, mr.MetricTable],
    statistic: str,
    estimate: str,
) -> None:
    options = {"statistic": statistic, "estimate": estimate, **FEW}
    first = mr.compare_agreement(*pair, **options)
    second = mr.compare_agreement(change(pair[0]), change(pair[1]), **options)
    assert first.reason == second.reason
    assert np.isclose(first.difference, second.difference, atol=1e-12, equal_nan=True)


@costly
@given(two_tables(), RANK, ESTIMATES, RANDOM)
def test_no_order_changes_a_difference_in_agreement(
    pair: tuple[mr.MetricTable, mr.MetricTable], statistic: str, estimate: str, random: Any
) -> None:
    options = {"statistic": statistic, "estimate": estimate, **FEW}
    first = mr.compare_agreement(*pair, **options)
    second = mr.compare_agreement(*(shuffled(t, random) for t in pair), **options)
    for name in ("a", "b", "difference", "low", "high", "pvalue"):
        assert np.isclose(getattr(first, name), getattr(second, name), atol=1e-12, equal_nan=True)


@costly
@given(tables(oracle=False, gaps=False), RANK)
def test_a_table_agrees_as_much_as_itself(table: mr.MetricTable, statistic: str) -> None:
    assume(len(table.metrics) > 1)
    found = mr.compare_agreement(table, table, statistic=statistic, **FEW)
    if not found.reason:
        assert found.difference == 0
        # Exactly 1 where every exchange is listed; here most are drawn.
        assert found.pvalue > 0.2


# Clusters


def partition(found: Any) -> set[frozenset[str]]:
    return {frozenset(found.members(c)) for c in found.support.index}


@given(tables(gaps=False), RANK, ESTIMATES, RANDOM)
def test_no_order_changes_the_clusters(
    table: mr.MetricTable, statistic: str, estimate: str, random: Any
) -> None:
    first, second = (
        mr.cluster_metrics(t, statistic=statistic, estimate=estimate, **FEW)
        for t in (table, shuffled(table, random))
    )
    assert partition(first) == partition(second)
    assert first.excluded.to_dict() == second.excluded.to_dict()
    assert np.isclose(first.silhouette, second.silhouette, atol=1e-12, equal_nan=True)
    support = [
        {frozenset(r.members(c)): r.support[c] for c in r.support.index} for r in (first, second)
    ]
    assert support[0] == pytest.approx(support[1], nan_ok=True)


@given(tables(gaps=False), RANK, ESTIMATES)
def test_clusters_keep_when_all_directions_turn_and_scales_bend(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    options = {"statistic": statistic, "estimate": estimate, **FEW}
    first = mr.cluster_metrics(table, **options)
    for changed in (reversed_directions(table, *table.metrics), bent(table), renamed(table)):
        assert partition(mr.cluster_metrics(changed, **options)) == partition(first)


@given(tables(gaps=False), RANK)
def test_a_copy_shares_the_cluster(table: mr.MetricTable, statistic: str) -> None:
    found = mr.cluster_metrics(with_copy(table), statistic=statistic, **FEW)
    name = table.metrics[0]
    if name in found.labels.index and "copy" in found.labels.index:
        assert found.labels[name] == found.labels["copy"]
    else:
        assert {name, "copy"} <= set(found.excluded.index)


# Scores and their perturbation


def in_unit_interval(table: mr.MetricTable) -> mr.MetricTable:
    frame = table.frame.copy()
    for name in table.metrics:
        frame[name] = frame[name].clip(0, 1)
    return rebuilt(table, frame)


def fitted(table: mr.MetricTable, **options: Any) -> mr.UQS | None:
    try:
        return mr.UQS.fit(table, **options, **FEW)
    except TableError:  # nothing to weight, or one block: both have unit tests
        return None


@costly
@given(
    tables(gaps=False, infinities=False),
    st.sampled_from(["stratified", "pooled", "cross_fitted"]),
    RANDOM,
)
def test_no_order_and_no_name_changes_a_score(
    table: mr.MetricTable, weights: str, random: Any
) -> None:
    table = in_unit_interval(table)
    first = fitted(table, weights=weights)
    names = list(table.metrics)
    for changed in (shuffled(table, random), renamed(table)):
        second = fitted(changed, weights=weights)
        assert (first is None) == (second is None)
        if first is None or second is None:
            continue
        np.testing.assert_allclose(first.weights[names], second.weights[names], **CLOSE)
        a, b = (np.sort(u.score(t, by="item")) for u, t in ((first, table), (second, changed)))
        np.testing.assert_allclose(a, b, **CLOSE)


@costly
@given(tables(gaps=False, infinities=False))
def test_copies_get_equal_weights_and_equal_blocks_change_none(table: mr.MetricTable) -> None:
    table = in_unit_interval(table)
    first = fitted(table)
    assume(first is not None)
    assert first is not None
    twice = fitted(with_copy(table))
    assert twice is not None
    assert twice.weights[table.metrics[0]] == pytest.approx(twice.weights["copy"], abs=1e-12)
    again = fitted(doubled(table))
    assert again is not None
    np.testing.assert_allclose(first.weights, again.weights, **CLOSE)


@costly
@given(tables(gaps=False, infinities=False), RANDOM)
def test_no_order_changes_a_perturbation(table: mr.MetricTable, random: Any) -> None:
    table = in_unit_interval(table)
    uqs = fitted(table)
    assume(uqs is not None)
    assert uqs is not None
    moved = shuffled(table, random, columns=False)
    first, second = mr.perturb(uqs, table, **FEW), mr.perturb(uqs, moved, **FEW)
    items = list(first.scores.index)
    assert np.isclose(first.expected_tau, second.expected_tau, atol=1e-12, equal_nan=True)
    assert np.isclose(first.mean_tau, second.mean_tau, atol=1e-12, equal_nan=True)
    assert np.isclose(first.radius, second.radius, atol=1e-9, equal_nan=True)
    np.testing.assert_allclose(first.top1[items], second.top1[items], atol=1e-9)
    np.testing.assert_allclose(first.outranks, second.outranks.loc[items, items], **CLOSE)
    np.testing.assert_allclose(
        first.rank_probability.loc[items], second.rank_probability.loc[items], **CLOSE
    )


# Planning


@given(
    st.floats(0.05, 0.95),
    st.integers(5, 400),
    st.integers(1, 20),
    st.sampled_from(["spearman", "kendall", "pearson"]),
)
def test_plans_are_consistent(rho: float, n: int, tests: int, statistic: str) -> None:
    options: dict[str, Any] = {"statistic": statistic}
    found = mr.plan(rho=rho, n_units=n, tests=tests, **options)
    assert 0 <= found.power_at_hand <= 1
    assert mr.plan(rho=-rho, n_units=n, tests=tests, **options).power_at_hand == pytest.approx(
        found.power_at_hand
    )
    assert (found.power_at_hand >= 0.8) == (n >= found.models_needed)
    # More models, fewer tests and a larger correlation are never harder.
    assert mr.plan(rho=rho, n_units=n + 1, tests=tests, **options).power_at_hand >= (
        found.power_at_hand - 1e-12
    )
    assert mr.plan(rho=rho, n_units=n, tests=tests + 1, **options).power_at_hand <= (
        found.power_at_hand + 1e-12
    )
    assert mr.plan(rho=rho + 0.02, n_units=n, tests=tests, **options).power_at_hand >= (
        found.power_at_hand - 1e-3
    )
    if not math.isnan(found.smallest_detectable):
        assert 0 < found.smallest_detectable < 1
        assert (rho >= found.smallest_detectable - 1e-9) == (found.power_at_hand >= 0.8 - 1e-6)
    assert math.isnan(found.smallest_difference) or 0 < found.smallest_difference < rho + 1
    assert 0 < found.smallest_pvalue <= 1
