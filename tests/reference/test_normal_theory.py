"""Tests, corrections and planning against scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from metareval.errors import ArgumentError
from metareval.stats.levels import kruskal_wallis, share_between
from metareval.stats.multiplicity import CORRECTIONS, adjust
from metareval.stats.normal_theory import correlation_pvalue, steiger, t_two_sided, williams
from metareval.stats.power import (
    models_needed,
    power,
    smallest_detectable,
    smallest_detectable_difference,
    smallest_pvalue,
)


def test_williams_is_antisymmetric_and_uses_signs() -> None:
    t, p = williams(0.5, -0.5, -0.2, 20)
    back, same = williams(-0.5, 0.5, -0.2, 20)
    assert t == pytest.approx(-back)
    assert p == pytest.approx(same)
    assert p < 0.05  # on absolute values the difference would be 0


def test_dependent_tests_are_undefined_where_they_cannot_be_computed() -> None:
    assert all(math.isnan(v) for v in williams(0.1, 0.2, 0.3, 3))
    assert all(math.isnan(v) for v in williams(math.nan, 0.2, 0.3, 30))
    assert all(math.isnan(v) for v in steiger(1.0, 0.2, 0.3, 30))
    assert all(math.isnan(v) for v in steiger(0.5, 0.5, 1.0, 30))


def test_steiger_by_hand() -> None:
    # Pooled r = 0.45; psi and covariance written out from Steiger (1980).
    pooled = 0.45
    psi = 0.1 * (1 - 2 * pooled**2) - 0.5 * pooled**2 * (1 - 2 * pooled**2 - 0.01)
    covariance = psi / (1 - pooled**2) ** 2
    z = (math.atanh(0.4) - math.atanh(0.5)) * math.sqrt(100 / (2 - 2 * covariance))
    found = steiger(0.4, 0.5, 0.1, 103)
    assert found[0] == pytest.approx(z)
    assert found[1] == pytest.approx(2 * scipy.stats.norm.sf(abs(z)))


def test_t_approximation_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 5, 36, 500):
        a, b = rng.normal(size=(2, n))
        expected = scipy.stats.spearmanr(a, b)
        assert correlation_pvalue(expected.statistic, n) == pytest.approx(expected.pvalue, rel=1e-9)
    assert correlation_pvalue(1.0, 10) == 0.0
    assert math.isnan(correlation_pvalue(0.5, 2))
    assert math.isnan(t_two_sided(math.nan, 5))


@pytest.mark.parametrize("method", CORRECTIONS)
def test_corrections_equal_statsmodels(method: str) -> None:
    names = {"bh": "fdr_bh", "hochberg": "simes-hochberg", "by": "fdr_by"}
    rng = np.random.default_rng(1)
    for m in (1, 2, 5, 30):
        p = rng.random(m) ** 2
        p[rng.random(m) < 0.3] = 0.25
        expected = p if method == "none" else multipletests(p, method=names.get(method, method))[1]
        np.testing.assert_allclose(adjust(p, method), expected, rtol=1e-12)


def test_tests_not_made_are_not_counted() -> None:
    p = np.array([np.nan, 0.02, np.nan])
    np.testing.assert_array_equal(adjust(p), [np.nan, 0.02, np.nan])
    assert np.isnan(adjust(np.full(3, np.nan))).all()
    with pytest.raises(ArgumentError, match=r"Unknown correction 'bonferoni'.*bonferroni"):
        adjust(p, "bonferoni")


def test_kruskal_wallis_equals_scipy() -> None:
    x = np.array([2.9, 3.0, 2.5, 2.6, 3.2, 3.8, 2.7, 4.0, 2.4, 2.8, 3.4, 3.7, 2.2, 2.0])
    g = np.array([1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3])
    tied = np.round(x)
    expected = scipy.stats.kruskal(*(tied[g == k] for k in (1, 2, 3))).pvalue
    assert kruskal_wallis(tied, g) == pytest.approx(expected, rel=1e-12)
    assert math.isnan(kruskal_wallis(np.ones(4), np.array([0, 0, 1, 1])))
    assert math.isnan(share_between(np.full(3, np.nan), np.zeros(3)))


def test_planner_against_simulation() -> None:
    """Fisher's z planner within 0.06 of 4000 simulated studies (standard error 0.006)."""
    rng = np.random.default_rng(2)
    n, rho = 36, 0.5
    pearson = 2 * math.sin(math.pi * rho / 6)  # normal copula with this Spearman correlation
    z = rng.normal(size=(4000, n, 2))
    x, y = z[..., 0], pearson * z[..., 0] + math.sqrt(1 - pearson**2) * z[..., 1]
    ranks = [np.argsort(np.argsort(v, axis=1), axis=1) - (n - 1) / 2 for v in (x, y)]
    r = (ranks[0] * ranks[1]).sum(axis=1) / (ranks[0] ** 2).sum(axis=1)
    t = r * np.sqrt((n - 2) / (1 - r**2))
    found = float((2 * scipy.stats.t.sf(np.abs(t), n - 2) < 0.05).mean())
    assert power(rho, n, alpha=0.05, statistic="spearman") == pytest.approx(found, abs=0.06)


def test_planner_inverts_itself() -> None:
    options = {"alpha": 0.05, "statistic": "kendall"}
    n = models_needed(0.4, power_wanted=0.8, **options)  # type: ignore[arg-type]
    assert power(0.4, n, **options) >= 0.8 > power(0.4, n - 1, **options)  # type: ignore[arg-type]
    r = smallest_detectable(n, power_wanted=0.8, **options)  # type: ignore[arg-type]
    assert r <= 0.4
    assert power(r, n, **options) == pytest.approx(0.8, abs=1e-6)  # type: ignore[arg-type]
    assert math.isnan(smallest_detectable(3, power_wanted=0.8, **options))  # type: ignore[arg-type]
    drop = smallest_detectable_difference(0.5, 100, 0.5, power_wanted=0.8, **options)  # type: ignore[arg-type]
    more = smallest_detectable_difference(0.5, 400, 0.5, power_wanted=0.8, **options)  # type: ignore[arg-type]
    assert 0 < more < drop < 1
    assert smallest_pvalue(2) == 1.0
    assert smallest_pvalue(5) == pytest.approx(2 / 120)
    with pytest.raises(ArgumentError, match="must lie in"):
        models_needed(0.0, power_wanted=0.8, **options)  # type: ignore[arg-type]
