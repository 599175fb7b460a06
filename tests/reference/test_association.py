"""Association statistics against scipy and brute force."""

from __future__ import annotations

import itertools
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats

from metareval.stats.association import association, combine, permuted_association
from metareval.stats.statistics import STATISTICS, get_statistic

SCIPY = {
    "kendall": lambda a, b: scipy.stats.kendalltau(a, b).statistic,
    "kendall_c": lambda a, b: scipy.stats.kendalltau(a, b, variant="c").statistic,
    "spearman": lambda a, b: scipy.stats.spearmanr(a, b).statistic,
    "pearson": lambda a, b: scipy.stats.pearsonr(a, b).statistic,
}


def scipy_value(name: str, a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(SCIPY[name](a, b))


def tables(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    out = []
    for n in (2, 3, 4, 7, 36, 70, 150):
        out.append(rng.normal(size=(n, 4)))
        out.append(rng.integers(0, 3, size=(n, 4)).astype(float))
        out.append(np.round(rng.normal(size=(n, 4)), 1))
    return out


@pytest.mark.parametrize("name", sorted(SCIPY))
def test_equals_scipy_with_and_without_ties(name: str) -> None:
    # Both sum in float64 and divide once or twice: a few units in the last place.
    for x in tables(0):
        rows = [np.arange(len(x))]
        found = association(x, rows, get_statistic(name), "pooled")[0]
        for a, b in itertools.product(range(4), repeat=2):
            expected = scipy_value(name, x[:, a], x[:, b])
            np.testing.assert_allclose(found[a, b], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["kendall", "spearman"])
def test_infinities_are_ordered_as_scipy_orders_them(name: str) -> None:
    x = np.array([[1.0, 2.0], [np.inf, 3.0], [2.0, np.inf], [-np.inf, 1.0], [np.inf, 0.0]])
    found = association(x, [np.arange(5)], get_statistic(name), "pooled")[0, 0, 1]
    ranks = scipy.stats.rankdata(x, axis=0)
    assert found == pytest.approx(scipy_value(name, ranks[:, 0], ranks[:, 1]), abs=1e-12)


@pytest.mark.parametrize("name", sorted(SCIPY))
def test_missing_rows_are_dropped_pair_by_pair(name: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 5, size=(20, 3)).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    found = association(x, [np.arange(20)], get_statistic(name), "pooled")[0]
    for a, b in itertools.combinations(range(3), 2):
        both = ~np.isnan(x[:, [a, b]]).any(axis=1)
        expected = scipy_value(name, x[both, a], x[both, b])
        assert found[a, b] == pytest.approx(expected, abs=1e-12)
        assert found[b, a] == pytest.approx(expected, abs=1e-12)


def test_stratified_kendall_by_hand() -> None:
    # Block 1: pairs (1,2), (1,3), (2,3): two concordant, one tied in the second column.
    # Block 2: one discordant pair. Block 3: constant in the first column, adds nothing.
    x = np.array([[1, 1], [2, 2], [3, 2], [1, 2], [2, 1], [5, 1], [5, 2]], dtype=float)
    cells = [np.array([0, 1, 2]), np.array([3, 4]), np.array([5, 6])]
    found = association(x, cells, get_statistic("kendall"), "stratified")[0, 0, 1]
    assert found == pytest.approx((2 - 1) / (math.sqrt(3 * 2) + 1), abs=1e-15)
    mean = association(x, cells, get_statistic("kendall"), "mean")[0, 0, 1]
    assert mean == pytest.approx((2 / math.sqrt(6) - 1) / 2, abs=1e-15)


def test_stratified_spearman_is_the_correlation_of_centred_ranks() -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, size=(30, 2)).astype(float)
    block = np.repeat([0, 1, 2], 10)
    centred = np.empty_like(x)
    for b in range(3):
        for a in range(2):
            ranks = scipy.stats.rankdata(x[block == b, a])
            centred[block == b, a] = ranks - ranks.mean()
    cells = [np.flatnonzero(block == b) for b in range(3)]
    found = association(x, cells, get_statistic("spearman"), "stratified")[0, 0, 1]
    assert found == pytest.approx(np.corrcoef(centred.T)[0, 1], abs=1e-12)


def test_pairwise_accuracy_by_hand() -> None:
    # Six pairs: (0,1) tie met by a tie, (0,2) (0,3) (1,2) (1,3) agree, (2,3) tie not met.
    x = np.array([[1, 5], [1, 5], [2, 6], [2, 7]], dtype=float)
    found = association(x, [np.arange(4)], get_statistic("acc_eq"), "pooled")[0, 0, 1]
    assert Fraction(found).limit_denominator(100) == Fraction(5, 6)


def test_tie_calibration_equals_a_search_over_all_thresholds() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        n = int(rng.integers(3, 9))
        metric = np.round(rng.normal(size=n), 1)
        gold = rng.integers(0, 3, size=n).astype(float)
        if np.ptp(metric) == 0 or np.ptp(gold) == 0:
            continue
        best = 0.0
        pairs = list(itertools.combinations(range(n), 2))
        gaps = {abs(metric[i] - metric[j]) for i, j in pairs} | {0.0}
        for eps in gaps:
            right = sum(
                (abs(metric[i] - metric[j]) <= eps and gold[i] == gold[j])
                or (
                    abs(metric[i] - metric[j]) > eps
                    and np.sign(metric[i] - metric[j]) == np.sign(gold[i] - gold[j])
                )
                for i, j in pairs
            )
            best = max(best, right / len(pairs))
        x = np.column_stack([metric, gold])
        found = association(x, [np.arange(n)], get_statistic("acc_eq_calibrated"), "pooled")
        assert found[0, 0, 1] == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("name", sorted(STATISTICS))
@pytest.mark.parametrize("estimate", ["stratified", "mean"])
def test_weights_are_repeated_rows(name: str, estimate: str) -> None:
    """A weighted draw equals the statistic of the rows written out, self-pairs left out."""
    rng = np.random.default_rng(4)
    statistic = get_statistic(name)
    for _ in range(10):
        n = 9
        x = rng.integers(0, 4, size=(n, 2)).astype(float)
        cells = [np.arange(5), np.arange(5, n)]
        weights = rng.multinomial(n, np.full(n, 1 / n), size=3).astype(float)
        found = association(x, cells, statistic, estimate, weights)
        for b, w in enumerate(weights.astype(int)):
            drawn = np.repeat(np.arange(n), w)
            written = [np.flatnonzero(np.isin(drawn, rows)) for rows in cells]
            kept = [rows for rows in written if len(rows)]
            if name.startswith("acc_eq"):
                continue  # counts pairs of different models only, which rows do not show
            expected = association(x[drawn], kept, statistic, estimate)[0]
            np.testing.assert_allclose(found[b], expected, atol=1e-12)


def test_pairwise_accuracy_leaves_out_pairs_of_one_model_with_itself() -> None:
    x = np.array([[1, 2], [2, 1], [3, 3]], dtype=float)
    weights = np.array([[2.0, 0.0, 1.0]])
    found = association(x, [np.arange(3)], get_statistic("acc_eq"), "pooled", weights)
    assert found[0, 0, 1] == 1.0


@pytest.mark.parametrize("name", sorted(STATISTICS))
@pytest.mark.parametrize("estimate", ["stratified", "mean"])
def test_permuting_is_the_statistic_of_the_permuted_table(name: str, estimate: str) -> None:
    rng = np.random.default_rng(5)
    statistic = get_statistic(name)
    for k in (2, 9):  # few columns are compared, many multiplied
        x = rng.integers(0, 4, size=(12, k + 1)).astype(float)
        cells = [np.arange(5), np.arange(5, 12)]
        perms = np.array([np.concatenate([rng.permutation(c) for c in cells]) for _ in range(10)])
        found = permuted_association(x[:, :k], x[:, k], [perms], cells, statistic, estimate)
        for b, perm in enumerate(perms):
            moved = np.column_stack([x[:, :k], x[perm, k]])
            expected = association(moved, cells, statistic, estimate)[0, :k, k]
            np.testing.assert_allclose(found[b], expected, atol=1e-12)
            batch = combine(statistic.batch(moved[None], cells), statistic, estimate)[0, :k, k]
            np.testing.assert_allclose(batch, expected, atol=1e-12)


@pytest.mark.parametrize("name", sorted(STATISTICS))
@pytest.mark.parametrize("estimate", ["stratified", "mean"])
def test_columns_that_vary_in_different_cells_are_not_compared(name: str, estimate: str) -> None:
    """Nor are permutations of them."""
    both = [1, 2, 1, 1, 2, 3, 1, 2]
    first_only = [1, 2, 3, 1, 1, 1, 1, 1]
    second_only = np.array([1, 1, 1, 1, 1, 3, 2, 1], dtype=float)
    x = np.column_stack([both, first_only]).astype(float)
    cells = [np.arange(4), np.arange(4, 8)]
    perms = np.arange(8)[None]
    found = permuted_association(x, second_only, [perms], cells, get_statistic(name), estimate)
    assert np.isfinite(found).tolist() == [[True, False]]
    columns = np.column_stack([x, second_only])
    observed = association(columns, cells, get_statistic(name), estimate)
    assert np.isfinite(observed[0, :2, 2]).tolist() == [True, False]


def test_pearson_is_undefined_in_draws_of_one_value() -> None:
    """Its mean is off by rounding, which must not pass for spread."""
    rng = np.random.default_rng(0)
    weights = np.array([[2.0, 1, 3, 0, 0], [1, 1, 3, 0, 0], [0, 0, 0, 5, 0], [2, 1, 1, 1, 0]])
    drawn = np.repeat(np.arange(5), weights[3].astype(int))
    for _ in range(50):
        x = rng.random((5, 2))
        x[:3, 0] = x[0, 0]
        found = association(x, [np.arange(5)], get_statistic("pearson"), "pooled", weights)
        assert np.isnan(found[:, 0, 1]).tolist() == [True, True, True, False]
        expected = np.corrcoef(x[drawn].T)[0, 1]
        assert found[3, 0, 1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["kendall", "acc_eq"])
@pytest.mark.parametrize("n", [300, 6001])
def test_draws_of_many_rows_are_counted_exactly(name: str, n: int) -> None:
    """Bootstrap weights are float32, which holds no more than 2**24 pairs exactly."""
    rng = np.random.default_rng(n)
    x = np.column_stack([rng.integers(0, 50, n), rng.permutation(n)]).astype(float)
    x[::3, 1] = x[::3, 0]
    weights = rng.multinomial(n, np.full(n, 1 / n), size=2).astype(np.float32)
    sums = get_statistic(name).weighted(x, weights, [np.arange(n)])
    whole = weights.astype(np.int64)
    num, untied = np.zeros(2, dtype=np.int64), np.zeros((2, 2), dtype=np.int64)
    for i in range(n):
        signs = [np.sign(x[i, a] - x[i + 1 :, a]) for a in range(2)]
        met = signs[0] * signs[1] if name == "kendall" else signs[0] == signs[1]
        after = whole[:, i + 1 :]
        num += whole[:, i] * (after @ met.astype(np.int64))
        for a in range(2):
            untied[:, a] += whole[:, i] * (after @ np.abs(signs[a]).astype(np.int64))
    drawn = whole.sum(axis=1)
    pairs = (drawn**2 - (whole**2).sum(axis=1)) // 2
    scale = np.sqrt(untied.prod(axis=1, dtype=float)) if name == "kendall" else pairs
    np.testing.assert_array_equal(sums.num[:, 0, 1], num)
    np.testing.assert_allclose(sums.scale[:, 0, 1], scale, rtol=1e-15)


def test_two_models_are_one_pair() -> None:
    x = np.array([[1, 1], [2, 3]], dtype=float)
    for name in ("acc_eq", "kendall", "spearman"):
        assert association(x, [np.arange(2)], get_statistic(name), "pooled")[0, 0, 1] == 1


def test_kendall_batches_drop_missing_rows_pair_by_pair() -> None:
    rng = np.random.default_rng(6)
    x = rng.integers(0, 4, size=(5, 12, 3)).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    statistic = get_statistic("kendall")
    found = combine(statistic.batch(x, [np.arange(12)]), statistic, "pooled")
    for b in range(5):
        expected = association(x[b], [np.arange(12)], statistic, "pooled")[0]
        for a, c in itertools.combinations(range(3), 2):
            assert found[b, a, c] == pytest.approx(expected[a, c], abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_many_rows_weigh_as_few_do(decimals: int) -> None:
    """Cumulative sums, the n x n matrix and the list of pairs count alike."""
    from metareval.stats import pairs

    rng = np.random.default_rng(decimals)
    n = pairs.MATRIX_ROWS + 30
    x = np.round(rng.normal(size=(n, 3)), decimals)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=7).astype(float)
    wanted = [(0, 1), (0, 2), (1, 2)]
    expected = np.stack(
        [
            [
                (s[:, a] * s[:, b] * w[pairs.pair_index(n)[0]] * w[pairs.pair_index(n)[1]]).sum()
                for a, b in wanted
            ]
            for w in weights
            for s in [pairs.signs(x)]
        ]
    )
    np.testing.assert_array_equal(
        pairs.weighted_pair_sums(x, weights, wanted, pairs.product), expected
    )
    part = slice(0, pairs.PAIR_LIST_ROWS + 40)
    by_matrix = pairs.weighted_pair_sums(x[part], weights[:, part], wanted, pairs.product)
    by_sums = np.stack(
        [pairs._prefix_sums(x[part, a], x[part, b], weights[:, part].T) for a, b in wanted], axis=1
    )
    np.testing.assert_array_equal(by_matrix, by_sums)
