"""What must hold of reliability, comparisons, scores and perturbations on every table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import metareval as mr
from metareval.errors import TableError
from tests.properties.strategies import rebuilt, tables

ESTIMATES = st.sampled_from(["stratified", "mean", "pooled"])
STATISTIC = st.sampled_from(["kendall", "spearman"])
FEW = 30


@given(tables(), STATISTIC, ESTIMATES, st.sampled_from(["cell", "row"]))
def test_reliability_is_bounded_and_marked(
    table: mr.MetricTable, statistic: str, estimate: str, unit: str
) -> None:
    found = mr.reliability(
        table, statistic=statistic, estimate=estimate, unit=unit, n_resamples=FEW, rng=0
    ).to_frame()
    undefined = found["rho"].isna()
    assert ((found["reason"] != "") == undefined).all()
    assert found.loc[undefined, ["low", "high", "pvalue", "adjusted"]].isna().all(axis=None)
    assert found.loc[~undefined, "rho"].between(-1, 1).all()
    assert (found["adjusted"].isna() | (found["adjusted"] >= found["pvalue"] - 1e-15)).all()
    assert (found["pvalue"].isna() | ((found["pvalue"] > 0) & (found["pvalue"] <= 1))).all()
    assert (found["n_units"] <= found["n_rows"]).all()


@given(tables(), STATISTIC, ESTIMATES, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(
    table: mr.MetricTable, statistic: str, estimate: str, random: object
) -> None:
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = rebuilt(table, table.frame.iloc[order])
    options = {"statistic": statistic, "estimate": estimate, "n_resamples": FEW, "rng": 0}
    first = mr.reliability(table, **options).to_frame()  # type: ignore[arg-type]
    second = mr.reliability(moved, **options).to_frame()  # type: ignore[arg-type]
    numbers = ["rho", "low", "high", "pvalue"]
    np.testing.assert_allclose(first[numbers], second[numbers], atol=1e-12)


@given(tables(), STATISTIC, ESTIMATES)
def test_the_oracle_is_its_own_best_metric(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    frame = table.frame.copy()
    frame["m1"] = frame["distance"]
    own = rebuilt(table, frame, directions={**table.directions, "m1": "lower"})
    rho = mr.reliability(own, statistic=statistic, estimate=estimate, n_resamples=FEW, rng=0).rho[
        "m1"
    ]
    assert math.isnan(rho) or rho == pytest.approx(1, abs=1e-12)


@given(tables(), ESTIMATES)
def test_comparisons_are_differences_and_undefined_metrics_never_win(
    table: mr.MetricTable, estimate: str
) -> None:
    found = mr.compare_metrics(table, estimate=estimate, n_resamples=FEW, rng=0)
    rho = mr.reliability(table, estimate=estimate, n_resamples=FEW, rng=0).rho
    complete = not table.frame[list(table.metrics)].isna().any(axis=None)
    for (a, b), row in found.frame.iterrows():
        # With gaps, a comparison rests on the rows that both metrics have.
        assert not complete or np.isclose(
            row["difference"], rho[a] - rho[b], atol=1e-12, equal_nan=True
        )
        assert math.isnan(row["pvalue"]) or 0 < row["pvalue"] <= 1
    assert all(not math.isnan(rho[m]) for m in found.best_set)
    if found.best:
        assert found.best in found.best_set
        assert rho[found.best] == pytest.approx(rho.max(), abs=1e-12)
    else:
        assert rho.isna().all()


@given(tables(gaps=False), st.sampled_from(["kendall", "spearman"]), ESTIMATES)
def test_clusters_partition_the_metrics_that_vary(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    found = mr.cluster_metrics(
        table, statistic=statistic, estimate=estimate, n_resamples=FEW, rng=0
    )
    names = [*found.labels.index, *found.excluded.index]
    assert sorted(names) == sorted(table.metrics)
    assert sorted(found.order) == sorted(table.metrics)
    constant = [m for m in table.metrics if table.frame[m].nunique(dropna=False) == 1]
    assert set(constant) <= set(found.excluded.index)
    assert (found.support.isna() | found.support.between(0, 1)).all()
    assert found.support.isna().all() == (found.n_clusters in {0, 1, len(found.labels)})
    assert sorted(set(found.labels)) == list(found.support.index)
    for _, row in found.opposition.iterrows():
        assert bool(row["opposing"]) == (row["high"] < 0)


@st.composite
def scored(draw: st.DrawFn) -> mr.MetricTable:
    """A table whose metrics lie in [0, 1]."""
    table = draw(tables(gaps=False, infinities=False))
    frame = table.frame.copy()
    for name in table.metrics:
        frame[name] = frame[name].clip(0, 1)
    return rebuilt(table, frame)


@given(scored(), st.sampled_from(["stratified", "pooled", "cross_fitted"]))
def test_scores_are_weighted_means(table: mr.MetricTable, weights: str) -> None:
    try:
        uqs = mr.UQS.fit(table, weights=weights, n_resamples=FEW, rng=0)
    except TableError:  # nothing to weight, or one block: both have unit tests
        return
    assert (uqs.weights >= 0).all()
    assert uqs.weights.sum() == pytest.approx(1)
    # A block whose other blocks teach nothing has no weights, and its items no score.
    untaught = bool(uqs.fold_weights.isna().any(axis=None))
    assert (uqs.weights[uqs.excluded.index] == 0).all()
    for by in ("item", "unit", "row"):
        score = uqs.score(table, by=by)
        rank = uqs.rank(table, by=by)
        assert (rank.isna() == score.isna()).all()
        if not untaught:
            assert score.between(0, 1 + 1e-12).all()
            assert rank.min() == 1
        assert (score[rank == 1] == score.max()).all()


@given(scored())
def test_perturbation_is_consistent(table: mr.MetricTable) -> None:
    try:
        uqs = mr.UQS.fit(table, n_resamples=FEW, rng=0)
    except TableError:
        return
    found = mr.perturb(uqs, table, n_resamples=FEW, rng=0)
    p = found.outranks.to_numpy()
    assert ((p >= 0) & (p <= 1)).all()
    assert (p + p.T <= 1 + 1e-12).all()
    assert found.top1.between(0, 1 + 1e-9).all()
    assert found.top1.sum() >= 1 - 1e-6
    if not math.isnan(found.expected_tau):
        assert -1 <= found.expected_tau <= 1
    assert math.isnan(found.radius) or found.radius >= 0
    ranks = found.to_frame()
    assert (ranks["best_rank"] <= ranks["worst_rank"]).all()
    assert found.rank_probability.sum(axis=1).between(1 - 1e-9, 1 + 1e-9).all()


@given(scored(), st.floats(0.2, 5.0))
def test_audit_and_results_never_fail(table: mr.MetricTable, scale: float) -> None:
    assume(scale > 0)
    found = mr.audit(table)
    assert all(f.message and f.advice for f in found.findings)
    assert found.to_dict()
