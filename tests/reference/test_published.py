"""Every published number from the released rows, to 1e-9, and what an honest analysis finds."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import metareval as mr

PUBLISHED = mr.load_published()
METRICS = PUBLISHED["metrics"]
EXACT = 1e-9


@pytest.fixture(params=["embedded", "csv"])
def table(
    request: pytest.FixtureRequest, released: mr.MetricTable, tmp_path: Path
) -> mr.MetricTable:
    """The embedded table, and the same rows read from a CSV file in another order of columns."""
    if request.param == "embedded":
        return released
    path = tmp_path / "multimodal_results.csv"
    released.to_frame().to_csv(path, index=False)
    return mr.read_table(
        path, oracle="retrained_distance", block="dataset", item="method", replicate="seed"
    )


def test_tau_matrix(table: mr.MetricTable) -> None:
    found = mr.agreement(table, protocol="published")
    assert list(found.estimate.index) == METRICS
    np.testing.assert_allclose(found.estimate, PUBLISHED["tau_matrix"], atol=EXACT, rtol=0)
    np.testing.assert_allclose(found.pvalue, PUBLISHED["tau_p_matrix"], atol=EXACT, rtol=0)


def test_modality_means(table: mr.MetricTable, unimodal: mr.MetricTable) -> None:
    found = mr.compare_agreement(unimodal, table, protocol="published")
    modality = PUBLISHED["modality"]
    assert found.a == pytest.approx(modality["unimodal_mean_tau"], abs=EXACT)
    assert found.b == pytest.approx(modality["multimodal_mean_tau"], abs=EXACT)
    assert found.difference == pytest.approx(modality["delta"], abs=EXACT)


def test_reliability(table: mr.MetricTable) -> None:
    found = mr.reliability(table, protocol="published").to_frame()
    for metric, claimed in PUBLISHED["reliability"].items():
        assert found.loc[metric, "rho"] == pytest.approx(claimed["rho"], abs=EXACT)
        assert found.loc[metric, "pvalue"] == pytest.approx(claimed["p"], abs=EXACT)


def test_weights_and_scores(table: mr.MetricTable) -> None:
    uqs = mr.UQS.fit(table, protocol="published")
    for metric, claimed in PUBLISHED["uqs_weights"].items():
        assert uqs.weights[metric] == pytest.approx(claimed, abs=EXACT)
    assert uqs.score(table).round(4).to_dict() == PUBLISHED["uqs_scores"]
    assert uqs.clipped == ("FA", "AD", "JS")


def test_perturbation(table: mr.MetricTable) -> None:
    uqs = mr.UQS.fit(table, protocol="published")
    found = mr.perturb(uqs, table, protocol="published")
    assert found.mean_tau == pytest.approx(0.6466666666666667, abs=EXACT)
    assert found.std_tau == pytest.approx(0.26170381901854023, abs=EXACT)
    assert found.n_resamples == PUBLISHED["weight_perturbation"]["n_trials"]


def test_published_tau_depends_on_the_order_of_rows(released: mr.MetricTable) -> None:
    shuffled = mr.MetricTable.from_frame(
        released.to_frame().iloc[::-1],
        oracle="retrained_distance",
        block="dataset",
        item="method",
        replicate="seed",
    )
    found = mr.agreement(shuffled, protocol="published").estimate
    assert abs(found.to_numpy() - np.array(PUBLISHED["tau_matrix"])).max() > 0.1
    honest = mr.agreement(shuffled, estimate="mean", n_resamples=10, rng=0).estimate
    original = mr.agreement(released, estimate="mean", n_resamples=10, rng=0).estimate
    np.testing.assert_array_equal(honest, original)


# What a correct analysis finds.


def test_mean_tau_over_defined_cells(table: mr.MetricTable) -> None:
    found = mr.agreement(table, estimate="mean", n_resamples=100, rng=0)
    for pair, claimed in HONEST["tau_b_mean_over_defined_cells"].items():
        a, b = pair.split("-")
        assert found.estimate.loc[a, b] == pytest.approx(claimed, abs=5e-4)
    assert found.n_cells == 9
    defined = {(a, b): found.n_defined.loc[a, b] for a, b in itertools.combinations(METRICS, 2)}
    assert defined["FA", "RA"] == 3
    for (a, b), count in defined.items():
        expected = 3 if {"FA", "RA"} & {a, b} else 6 if "MIA" in (a, b) else 9
        assert count == expected


HONEST = PUBLISHED["what_a_correct_analysis_finds"]


def test_pooled_mean_oriented(table: mr.MetricTable) -> None:
    found = mr.agreement(table, estimate="pooled", n_resamples=100, rng=0)
    assert found.mean == pytest.approx(HONEST["pooled_mean_tau_oriented"], abs=1e-12)
    assert found.confounded.loc["FA", "RA"]


def test_within_block_correlation(table: mr.MetricTable) -> None:
    found = mr.reliability(table, n_resamples=100, rng=0).to_frame()
    for metric, claimed in HONEST["within_dataset_rank_correlation"].items():
        assert found.loc[metric, "rho"] == pytest.approx(claimed, abs=5e-4)
    assert (found["n_rows"] == 36).all()
    assert (found["n_units"] == 12).all()


def test_independent_units(table: mr.MetricTable) -> None:
    units = table.aggregate()
    assert len(units) == units.n_units == table.n_units == 12
    found = mr.reliability(units, estimate="pooled", test="t", n_resamples=100, rng=0).to_frame()
    for metric, rho, p in (("RA", 0.482, 0.112), ("FA", -0.410, 0.185)):
        assert found.loc[metric, "rho"] == pytest.approx(rho, abs=5e-4)
        assert found.loc[metric, "pvalue"] == pytest.approx(p, abs=5e-4)


@pytest.mark.parametrize("estimate", ["stratified", "mean", "pooled"])
@pytest.mark.parametrize("statistic", ["spearman", "kendall"])
def test_no_reliability_is_significant_with_units(
    table: mr.MetricTable, estimate: str, statistic: str
) -> None:
    found = mr.reliability(table, estimate=estimate, statistic=statistic, n_resamples=500, rng=0)
    assert found.exact
    assert (found.to_frame()["adjusted"] > 0.05).all()


def test_exact_pvalue_equals_an_enumeration(released: mr.MetricTable) -> None:
    """All 24**3 ways to permute the methods within datasets, seeds moved along."""
    wide = released.frame.pivot_table(
        index=["dataset", "method"], columns="seed", values=["MIA", "retrained_distance"]
    )
    datasets = sorted(set(released.labels("block")))

    def centred(values: np.ndarray) -> np.ndarray:
        ranks = scipy.stats.rankdata(values).reshape(values.shape)
        return ranks - ranks.mean()

    metric = {d: centred(-wide.loc[d, "MIA"].to_numpy()) for d in datasets}
    oracle = {d: centred(-wide.loc[d, "retrained_distance"].to_numpy()) for d in datasets}
    sums = [
        [(metric[d] * oracle[d][list(order)]).sum() for order in itertools.permutations(range(4))]
        for d in datasets
    ]
    null = np.array([sum(parts) for parts in itertools.product(*sums)])
    observed = sum((metric[d] * oracle[d]).sum() for d in datasets)
    greater = (null >= observed - 1e-9).mean()
    less = (null <= observed + 1e-9).mean()
    found = mr.reliability(released, n_resamples=10, rng=0).to_frame()
    assert found.loc["MIA", "pvalue"] == pytest.approx(2 * min(greater, less), abs=1e-12)


def test_two_models_have_no_ranking_worth_a_test(blip2: mr.MetricTable) -> None:
    found = mr.agreement(blip2, n_resamples=200, rng=0)
    assert found.estimate.loc["RA", "AD"] == -1.0
    assert found.pvalue.loc["RA", "AD"] == 1.0
    assert np.isnan(found.low.loc["RA", "AD"])
    assert found.reason.loc["FA", "RA"] == "constant"
    assert np.isnan(found.estimate.loc["FA", "RA"])


def test_embedded_tables_hold_the_released_values(released: mr.MetricTable) -> None:
    assert isinstance(released.frame, pd.DataFrame)
    assert released.frame["retrained_distance"].iloc[0] == 0.054101329099585885
    assert released.frame["JS"].iloc[-1] == 0.0032071389723569155
