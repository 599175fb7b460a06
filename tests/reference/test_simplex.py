"""Exact ranking probabilities and radii against sampling, enumeration and an optimiser."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from scipy.optimize import minimize

from metareval.stats.rank_distance import tau_with_reference, weighted_scores
from metareval.stats.ranks import FloatArray
from metareval.stats.simplex import (
    expected_tau,
    outranks,
    positive_probability,
    project_to_simplex,
    reversal,
)
from metareval.stats.top_share import EXACT_METRICS, EXACT_ROWS, top_share

DRAWS = 200_000


def random_table(rng: np.random.Generator, n: int, k: int, *, tied: bool) -> np.ndarray:
    values = rng.random((n, k))
    if tied:
        values = np.round(values * 3) / 3
        values[rng.integers(0, n)] = values[rng.integers(0, n)]
    return values


@pytest.mark.parametrize("k", range(2, 9))
@pytest.mark.parametrize("tied", [False, True])
def test_expected_tau_equals_sampling(k: int, tied: bool) -> None:
    """200,000 draws, within 4 standard errors, on tables of 2 to 40 rows."""
    rng = np.random.default_rng([k, tied])
    for n in (2, 5, 12, 40):
        values = random_table(rng, n, k, tied=tied)
        reference = weighted_scores(values, np.full((1, k), 1 / k))[0]
        exact = expected_tau(values, reference)
        weights = rng.dirichlet(np.ones(k), size=DRAWS)
        taus = tau_with_reference(weighted_scores(values, weights), reference)
        if math.isnan(exact):
            assert np.isnan(taus).all()
            continue
        error = taus.std() / math.sqrt(DRAWS)
        assert abs(taus.mean() - exact) <= 4 * error + 1e-12, (n, k)


def test_probabilities_with_equal_differences_by_hand() -> None:
    cases = [
        ([1, -1], Fraction(1, 2)),
        ([2, -1], Fraction(2, 3)),
        ([1, 1, -1], Fraction(3, 4)),
        ([1, 1, -2], Fraction(5, 9)),
        ([1, 0, -1], Fraction(1, 2)),
        ([0, 0, 1], Fraction(1)),
        ([0, 0, 0], Fraction(0)),
        ([-1, 0, 0], Fraction(0)),
    ]
    for d, expected in cases:
        found = float(positive_probability(np.array(d, dtype=float)))
        assert found == pytest.approx(float(expected), abs=1e-15)


def test_probabilities_equal_the_textbook_sum_where_no_difference_repeats() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        d = rng.normal(size=rng.integers(2, 6))
        total = sum(
            math.prod(a / (a - b) for j, b in enumerate(d) if j != i)
            for i, a in enumerate(d)
            if a > 0
        )
        # The sum of alternating terms loses digits; the recursion does not.
        assert float(positive_probability(d)) == pytest.approx(total, abs=1e-7)


def test_probability_is_stable_where_the_textbook_sum_is_not() -> None:
    d = np.array([1.0, 1.0 + 1e-13, 1.0 + 2e-13, -1.0, -1.0 - 1e-13])
    near = float(positive_probability(np.array([1.0, 1.0, 1.0, -1.0, -1.0])))
    assert float(positive_probability(d)) == pytest.approx(near, abs=1e-12)
    scaled = positive_probability(np.stack([d * 1e-300, d * 1e300]))
    np.testing.assert_allclose(scaled, near, atol=1e-12)


def test_outranks_is_complementary() -> None:
    rng = np.random.default_rng(1)
    values = random_table(rng, 12, 4, tied=True)
    found = outranks(values)
    total = found + found.T
    equal = (values[:, None] == values[None]).all(axis=2)
    np.testing.assert_allclose(total, np.where(equal, 0.0, 1.0), atol=1e-12)


@pytest.mark.parametrize("k", range(2, 9))
def test_reversal_equals_a_numerical_optimiser(k: int) -> None:
    rng = np.random.default_rng(k)
    seen = set()
    for trial in range(40):
        d = np.round(rng.normal(size=k), int(rng.integers(0, 4)))
        weights = rng.dirichlet(np.full(k, 0.2 if trial % 2 else 1.0))
        found = reversal(d, weights)
        seen.add(found.status)
        if found.status == "dominates":
            assert (d >= 0).all() or (d <= 0).all()
            assert found.distance == math.inf
            continue
        if found.status == "tied":
            assert abs(d @ weights) <= 1e-12
            continue
        assert (found.weights >= 0).all()
        assert found.weights.sum() == pytest.approx(1, abs=1e-12)
        assert d @ found.weights == pytest.approx(0, abs=1e-9)
        best = math.inf
        for start in (weights, np.full(k, 1 / k), found.weights):
            tried = minimize(
                lambda v, w=weights: ((v - w) ** 2).sum(),
                start,
                jac=lambda v, w=weights: 2 * (v - w),
                method="SLSQP",
                bounds=[(0, 1)] * k,
                constraints=[
                    {"type": "eq", "fun": lambda v: v.sum() - 1},
                    {"type": "eq", "fun": lambda v, d=d: v @ d},
                ],
                options={"ftol": 1e-16, "maxiter": 500},
            )
            if tried.success:
                best = min(best, math.sqrt(tried.fun))
        # SLSQP stops at about the square root of machine precision.
        assert found.distance == pytest.approx(best, abs=1e-6)
    assert "reversed" in seen


def nearest_by_faces(d: FloatArray, weights: FloatArray) -> float:
    """The distance to the nearest weights that tie, by solving on every face of the simplex."""
    best, d = math.inf, d / np.abs(d).max()
    for mask in itertools.product([False, True], repeat=len(d)):
        face = np.array(mask)
        plane = np.stack([d[face], np.ones(face.sum())])
        gap = np.array([0.0, 1.0]) - plane @ weights[face]
        point = np.zeros(len(d))
        point[face] = weights[face] + np.linalg.pinv(plane) @ gap
        if (point >= -1e-12).all() and abs(d @ point) < 1e-9 and abs(point.sum() - 1) < 1e-9:
            best = min(best, float(np.linalg.norm(point - weights)))
    return best


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_reversal_is_the_nearest_on_any_face(k: int) -> None:
    rng = np.random.default_rng(k)
    edges = 0
    for _ in range(60):
        d = rng.normal(size=k) * 10.0 ** rng.integers(-9, 9)
        weights = rng.dirichlet(np.full(k, 0.3))
        found = reversal(d, weights)
        if found.status == "dominates":
            continue
        assert found.status == "reversed"
        assert found.distance == pytest.approx(nearest_by_faces(d, weights), rel=1e-9, abs=1e-12)
        # Halved to the last bit, the point lies on the plane to rounding.
        assert abs(d @ found.weights) <= 1e-13 * np.abs(d).max()
        edges += (found.weights == 0).any()
    assert edges > 0 or k == 2


@pytest.mark.parametrize(
    ("d", "weights", "status"),
    [
        ([0.0, 0.0], [0.5, 0.5], "tied"),
        ([1.0, -1.0], [0.5, 0.5], "tied"),
        ([1.0, -1.0, 0.0], [0.0, 0.0, 1.0], "tied"),
        # One leads on a metric that has no weight; here they tie all the same.
        ([1.0, 0.0], [0.0, 1.0], "tied"),
        ([-1.0, 0.0], [0.0, 1.0], "tied"),
        ([1.0, 0.0], [0.5, 0.5], "dominates"),
        ([-1.0, -2.0], [0.5, 0.5], "dominates"),
        ([1.0, -1.0], [0.6, 0.4], "reversed"),
    ],
)
def test_what_a_reversal_is(d: list[float], weights: list[float], status: str) -> None:
    found = reversal(np.array(d), np.array(weights))
    assert found.status == status
    if status == "tied":
        assert found.distance == 0.0
        assert found.weights.tolist() == weights
    if status == "dominates":
        assert found.distance == math.inf
        assert np.isnan(found.weights).all()
        assert found.weights.dtype == np.float64


def test_a_hair_of_a_disadvantage_is_still_reversed() -> None:
    found = reversal(np.array([1.0, -1e-15]), np.array([0.5, 0.5]))
    assert found.status == "reversed"
    # All weight on the second metric: the corner, half the way along the edge from the middle.
    assert found.distance == pytest.approx(math.sqrt(0.5), rel=1e-12)


def test_reversal_inside_the_simplex_is_the_closed_form() -> None:
    d, weights = np.array([0.3, -0.2, 0.05]), np.array([0.4, 0.3, 0.3])
    inside = d - d.mean()
    found = reversal(d, weights)
    assert found.distance == pytest.approx(abs(d @ weights) / np.linalg.norm(inside), rel=1e-12)
    back = reversal(-d, weights)
    assert back.distance == pytest.approx(found.distance, rel=1e-12)


def test_projection_is_the_nearest_point() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        v = rng.normal(size=4)
        found = project_to_simplex(v)
        assert found.sum() == pytest.approx(1)
        others = rng.dirichlet(np.ones(4), size=2000)
        assert ((others - v) ** 2).sum(axis=1).min() >= ((found - v) ** 2).sum() - 1e-12


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_top_share_equals_sampling(k: int) -> None:
    rng = np.random.default_rng(k)
    values = random_table(rng, 8, k, tied=True)
    found = top_share(values, n_draws=1, rng=rng)
    assert found.exact
    weights = rng.dirichlet(np.ones(k), size=DRAWS)
    scores = weighted_scores(values, weights)
    first = (scores == scores.max(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(found.share, first, atol=4 * math.sqrt(0.25 / DRAWS))


def test_top_share_gives_equal_rows_their_whole_region() -> None:
    values = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    share = top_share(values, n_draws=1, rng=np.random.default_rng(0)).share
    np.testing.assert_allclose(share, [0.5, 0.5, 0.5])


@pytest.mark.parametrize("gap", [1.0, 1e-6, 1e-11])
def test_top_share_tells_rows_apart_that_hardly_differ(gap: float) -> None:
    """Two rows share the simplex, whatever their distance; a third is far below."""
    difference = np.array([1.0, -0.5, -0.4])
    values = np.vstack([np.full(3, 4.0), 4 + gap * difference, [0.1, 0.2, 0.3]])
    found = top_share(values, n_draws=1, rng=np.random.default_rng(0))
    assert found.exact
    # What is left of the gap where 4 is added to it.
    expected = positive_probability(values[1] - values[0])
    np.testing.assert_allclose(found.share, [1 - expected, expected, 0], atol=1e-6)


@pytest.mark.parametrize("k", [3, 4, 6])
def test_top_share_of_a_region_without_volume_is_exactly_none(k: int) -> None:
    """A mean of two rows is highest only where these two tie."""
    rng = np.random.default_rng(k)
    for _ in range(5):
        values = np.vstack([np.eye(k), rng.uniform(0, 0.2, size=(2, k))])
        values = np.vstack([values, values[[0, k - 1]].mean(axis=0)])
        found = top_share(values, n_draws=1, rng=rng)
        assert found.exact
        assert found.share[-1] == 0
        assert found.share.sum() == pytest.approx(1, abs=1e-9)


def test_top_share_is_sampled_where_volumes_are_too_costly() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((5, 9))
    found = top_share(values, n_draws=20_000, rng=rng)
    assert not found.exact
    assert found.share.sum() == pytest.approx(1)


def test_top_share_is_exact_up_to_the_limits() -> None:
    rng = np.random.default_rng(1)
    many = np.column_stack([np.arange(EXACT_ROWS), -np.arange(EXACT_ROWS)]).astype(float)
    for values in (np.eye(EXACT_METRICS)[:4], many):
        found = top_share(values, n_draws=1, rng=rng)
        assert found.exact
        assert found.share.sum() == pytest.approx(1)
    assert not top_share(np.vstack([many, [-1.0, -1.0]]), n_draws=9, rng=rng).exact


def test_equal_rows_get_equal_scores() -> None:
    rng = np.random.default_rng(5)
    row = rng.random(5)
    values = np.vstack([row, rng.random((30, 5)), row])
    scores = weighted_scores(values, rng.dirichlet(np.ones(5), size=500))
    assert (scores[:, 0] == scores[:, -1]).all()


@pytest.mark.parametrize("n", [5, 150, 300])
def test_tau_with_reference_equals_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    reference, scores = rng.normal(size=n), rng.normal(size=(6, n))
    for ties in (False, True):
        if ties:
            reference, scores = np.round(reference), np.round(scores)
        for may_tie in (True,) if ties else (True, False):
            found = tau_with_reference(scores, reference, scores_tie=may_tie)
            expected = [scipy.stats.kendalltau(s, reference).statistic for s in scores]
            np.testing.assert_allclose(found, expected, atol=1e-12)
