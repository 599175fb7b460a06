"""What must hold of agreement on every table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import metareval as mr
from metareval.stats.statistics import STATISTICS
from tests.properties.strategies import rebuilt, tables

ESTIMATES = st.sampled_from(["stratified", "mean", "pooled"])
RANK = st.sampled_from(["kendall", "kendall_c", "spearman", "acc_eq"])
FEW = 30


def run(table: mr.MetricTable, **options: object) -> mr.questions.agreement.AgreementResult:
    return mr.agreement(table, n_resamples=FEW, rng=0, **options)  # type: ignore[arg-type]


@given(tables(), st.sampled_from(sorted(STATISTICS)), ESTIMATES)
def test_bounds_symmetry_and_undefined_marks(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    found = run(table, statistic=statistic, estimate=estimate)
    low, high = STATISTICS[statistic].bounds
    value = found.estimate.to_numpy()
    assert (np.isnan(value) | ((value >= low) & (value <= high))).all()
    undefined = np.isnan(value)
    assert ((found.reason != "").to_numpy() == undefined).all()
    assert ((found.n_defined == 0).to_numpy() == undefined).all()
    for part in (found.low, found.high, found.pvalue, found.adjusted):
        assert np.isnan(part.to_numpy()[undefined]).all()
    p = found.pvalue.to_numpy()
    assert (np.isnan(p) | ((p > 0) & (p <= 1))).all()
    assert (np.isnan(p) | (found.adjusted.to_numpy() >= p - 1e-15)).all()
    assert (np.isnan(found.low) | (found.low <= found.high)).to_numpy().all()
    if STATISTICS[statistic].symmetric:
        np.testing.assert_array_equal(value, value.T)
        np.testing.assert_array_equal(p, p.T)
    diagonal = np.diag(value)
    if statistic != "kendall_c":  # below 1 for a tied metric with itself, by its definition
        assert (np.isnan(diagonal) | np.isclose(diagonal, 1, atol=1e-12)).all()


@given(tables(), RANK, ESTIMATES, st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_does_not_matter(
    table: mr.MetricTable, statistic: str, estimate: str, random: object
) -> None:
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = rebuilt(table, table.frame.iloc[order], metrics=list(reversed(table.metrics)))
    first = run(table, statistic=statistic, estimate=estimate)
    second = run(moved, statistic=statistic, estimate=estimate)
    names = list(table.metrics)
    for part in ("estimate", "low", "high", "reason", "n_defined"):
        a, b = getattr(first, part), getattr(second, part).loc[names, names]
        if part in ("estimate", "low", "high"):
            np.testing.assert_allclose(a, b, atol=1e-12)
        else:
            assert (a == b).all(axis=None)


@given(tables(), RANK, ESTIMATES)
def test_monotone_transforms_change_nothing(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    frame = table.frame.copy()
    for name in table.metrics:
        frame[name] = np.arctan(frame[name]) * 3 + 7
    for name in table.metrics:  # arctan must not have merged two values
        assume(frame[name].nunique() == table.frame[name].nunique())
    first = run(table, statistic=statistic, estimate=estimate)
    second = run(rebuilt(table, frame), statistic=statistic, estimate=estimate)
    np.testing.assert_allclose(first.estimate, second.estimate, atol=1e-12)
    np.testing.assert_allclose(first.low, second.low, atol=1e-12)
    np.testing.assert_allclose(first.pvalue, second.pvalue, atol=1e-12)


@pytest.mark.parametrize("statistic", ["kendall", "kendall_c", "spearman", "pearson"])
@given(table=tables(infinities=False), estimate=ESTIMATES)
def test_reversing_a_direction_changes_the_sign(
    statistic: str, table: mr.MetricTable, estimate: str
) -> None:
    assume(len(table.metrics) > 1)
    flipped = dict(table.directions)
    first_name = table.metrics[0]
    flipped[first_name] = "lower" if flipped[first_name] == "higher" else "higher"
    first = run(table, statistic=statistic, estimate=estimate)
    second = run(
        rebuilt(table, table.frame, directions=flipped), statistic=statistic, estimate=estimate
    )
    for other in table.metrics[1:]:
        a, b = (r.estimate.loc[first_name, other] for r in (first, second))
        assert np.isclose(a, -b, atol=1e-12, equal_nan=True)
        p, q = (r.pvalue.loc[first_name, other] for r in (first, second))
        if first.exact and estimate != "pooled":
            assert np.isclose(p, q, atol=1e-12, equal_nan=True)


@given(tables(), RANK, ESTIMATES)
def test_a_copy_of_a_metric_agrees_with_it(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    frame = table.frame.copy()
    name = table.metrics[0]
    frame["copy"] = frame[name]
    doubled = rebuilt(
        table,
        frame,
        metrics=[*table.metrics, "copy"],
        directions={**table.directions, "copy": table.directions[name]},
    )
    found = run(doubled, statistic=statistic, estimate=estimate)
    value = found.estimate.loc[name, "copy"]
    assert np.isnan(value) or statistic == "kendall_c" or value == pytest.approx(1)
    for other in table.metrics[1:]:
        a, b = found.estimate.loc[name, other], found.estimate.loc["copy", other]
        assert np.isclose(a, b, atol=1e-12, equal_nan=True)


@given(tables(), RANK, st.sampled_from(["stratified", "mean"]))
def test_names_of_blocks_do_not_matter(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    frame = table.frame.copy()
    frame["block"] = frame["block"].map({"b0": "z", "b1": "a", "b2": "m"})
    first = run(table, statistic=statistic, estimate=estimate)
    second = run(rebuilt(table, frame), statistic=statistic, estimate=estimate)
    np.testing.assert_allclose(first.estimate, second.estimate, atol=1e-12)


@given(tables(min_rows=2), RANK)
def test_one_cell_makes_all_estimates_one(table: mr.MetricTable, statistic: str) -> None:
    frame = table.frame.copy()
    frame["block"] = "only"
    frame["item"] = [f"i{i}" for i in range(len(frame))]
    single = rebuilt(table, frame, replicate=None)
    values = [
        run(single, statistic=statistic, estimate=e).estimate
        for e in ("stratified", "mean", "pooled")
    ]
    np.testing.assert_allclose(values[0], values[1], atol=1e-12)
    np.testing.assert_allclose(values[0], values[2], atol=1e-12)
