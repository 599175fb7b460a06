"""What must hold of distances to several oracles, and of saved tables, on every table."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import metareval as mr
from metareval.stats.attenuation import CORRELATIONS, correlation_ceiling
from metareval.stats.statistics import get_statistic
from tests.properties.strategies import rebuilt, repeated, tables

FEW = 30
STATISTIC = st.sampled_from(["kendall", "spearman", "pearson", "acc_eq"])
ESTIMATE = st.sampled_from(["stratified", "mean", "pooled"])


@given(repeated(), STATISTIC, ESTIMATE)
def test_the_ceiling_is_bounded_and_marked(
    table: mr.MetricTable, statistic: str, estimate: str
) -> None:
    found = mr.reliability(table, statistic=statistic, estimate=estimate, n_resamples=FEW, rng=0)
    assert (found.ceiling_reason != "") == math.isnan(found.ceiling)
    if math.isnan(found.ceiling):
        assert found.frame["of_ceiling"].isna().all()
        assert np.isnan(found.ceiling_interval).all()
        return
    assert 0 <= found.ceiling <= 1
    # Repeats that agree more leave less noise, and their mean has less than one of them.
    assert found.ceiling >= found.oracle_agreement - 1e-12
    low, high = found.ceiling_interval
    assert math.isnan(low) or 0 <= low <= high <= 1
    if found.ceiling > 0:
        share, rho = found.frame["of_ceiling"], found.rho
        np.testing.assert_allclose(share * found.ceiling, rho, atol=1e-12)


@given(repeated(), STATISTIC, ESTIMATE, st.randoms(use_true_random=False))
def test_no_order_matters(
    table: mr.MetricTable, statistic: str, estimate: str, random: object
) -> None:
    rows, oracles = list(range(len(table))), list(table.oracle_repeats)
    random.shuffle(rows)  # type: ignore[attr-defined]
    random.shuffle(oracles)  # type: ignore[attr-defined]
    moved = rebuilt(table, table.frame.iloc[rows], oracle=oracles)
    first, second = (
        mr.reliability(t, statistic=statistic, estimate=estimate, n_resamples=FEW, rng=0)
        for t in (table, moved)
    )
    pd.testing.assert_frame_equal(first.frame, second.frame, atol=1e-12)
    assert first.ceiling_reason == second.ceiling_reason
    for name in ("oracle_agreement", "ceiling", "oracle_agreement_interval", "ceiling_interval"):
        values = [np.array(getattr(r, name)) for r in (first, second)]
        np.testing.assert_allclose(*values, atol=1e-7)


@given(tables(), ESTIMATE)
def test_copies_of_one_oracle_have_no_noise(table: mr.MetricTable, estimate: str) -> None:
    frame = table.frame.assign(copy=table.frame["distance"])
    twice = rebuilt(table, frame, oracle=["distance", "copy"])
    many, one = (
        mr.reliability(t, estimate=estimate, n_resamples=FEW, rng=0) for t in (twice, table)
    )
    pd.testing.assert_frame_equal(
        many.frame.drop(columns="of_ceiling"), one.frame.drop(columns="of_ceiling")
    )
    if not many.ceiling_reason:
        assert many.ceiling == 1
        assert many.frame["of_ceiling"].equals(many.rho)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, 9), st.sampled_from(CORRELATIONS))
def test_the_ceiling_rises_with_agreement_and_repeats(
    first: float, second: float, k: int, statistic: str
) -> None:
    chosen = get_statistic(statistic)
    low, high = sorted((first, second))
    ceiling = correlation_ceiling([low, high], k, chosen)
    assert ceiling[0] <= ceiling[1] + 1e-12
    assert (ceiling <= correlation_ceiling([low, high], k + 1, chosen) + 1e-12).all()


@given(st.one_of(tables(), repeated()), st.booleans())
def test_saved_tables_come_back(table: mr.MetricTable, averaged: bool) -> None:
    kept = table.aggregate() if averaged else table
    with tempfile.TemporaryDirectory() as folder:
        path = kept.save(Path(folder, "t.json"))
        again = mr.read_table(path)
        assert again.save(Path(folder, "u.json")).read_bytes() == path.read_bytes()
    assert again.to_dict() == kept.to_dict()
    pd.testing.assert_frame_equal(
        again.frame, kept.frame.reset_index(drop=True), check_exact=True, check_dtype=False
    )


@given(repeated())
def test_audits_never_fail(table: mr.MetricTable) -> None:
    found = mr.audit(table)
    assert found.to_dict()
    assert all(f.message and f.advice for f in found.findings)
