"""Exact counts of concordant pairs against enumeration and scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from metareval.stats.concordance import COMPARED_ROWS, inversions, kendall_sums
from metareval.stats.pairs import signs
from metareval.stats.statistics import get_statistic


@pytest.mark.parametrize("n", [0, 1, 2, 3, 31, 32, 33, 64, 150, 1000, 5000])
def test_inversions_equal_an_enumeration(n: int) -> None:
    rng = np.random.default_rng(n)
    perms = np.stack([rng.permutation(n) for _ in range(3)])
    expected = [int(sum((p[:i] > p[i]).sum() for i in range(n))) if n else 0 for p in perms]
    assert inversions(perms).tolist() == expected


def test_inversions_of_extremes() -> None:
    n = 40_000
    down = np.arange(n)[::-1]
    assert inversions(np.stack([down, down[::-1]])).tolist() == [n * (n - 1) // 2, 0]


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize("n", [2, 65, 300])
def test_sums_equal_the_pairs(n: int, decimals: int) -> None:
    rng = np.random.default_rng([n, decimals])
    x = np.round(rng.normal(size=(n, 4)), decimals)
    x[:, 3] = np.where(rng.random(n) < 0.3, np.inf, x[:, 3])
    s = signs(x)
    np.testing.assert_array_equal(kendall_sums(x), s.T @ s)


@pytest.mark.parametrize("levels", [3, 400, 10**9])
def test_large_tables_equal_scipy(levels: int) -> None:
    rng = np.random.default_rng(levels)
    x = rng.integers(0, levels, size=(70_000, 3)).astype(float)
    x[:, 2] += x[:, 0]
    found = kendall_sums(x)
    for a, b in itertools.combinations(range(3), 2):
        tau = found[a, b] / np.sqrt(found[a, a] * found[b, b])
        assert tau == pytest.approx(scipy.stats.kendalltau(x[:, a], x[:, b]).statistic, abs=1e-12)


def test_no_columns() -> None:
    assert kendall_sums(np.empty((5, 0))).shape == (0, 0)


@pytest.mark.parametrize("levels", [250, 256, 257, 300])
@pytest.mark.parametrize("name", ["kendall", "acc_eq"])
def test_permuted_columns_of_many_levels_equal_all_pairs(name: str, levels: int) -> None:
    """Codes of levels are kept in few bytes; above 256 they need two."""
    rng = np.random.default_rng(levels)
    x = np.column_stack([rng.integers(0, 40, 400), rng.permutation(400)]).astype(float)
    y = np.concatenate([np.arange(levels), rng.integers(0, levels, 400 - levels)]).astype(float)
    perms = np.stack([rng.permutation(400) for _ in range(3)])
    found = get_statistic(name).permuted(x, y, perms, [np.arange(400)])
    i, j = np.triu_indices(400, 1)
    for draw, perm in enumerate(perms):
        signs = np.sign(y[perm][i] - y[perm][j])
        for a in range(2):
            mine = np.sign(x[i, a] - x[j, a])
            expected = (mine * signs).sum() if name == "kendall" else (mine == signs).sum()
            assert found[0, draw, a] == expected


@pytest.mark.parametrize("name", ["kendall", "acc_eq"])
@pytest.mark.parametrize(("x_ties", "y_ties"), [(0, 0), (0, 5), (5, 0), (5, 5)])
def test_permuted_columns_of_many_rows_equal_all_pairs(name: str, x_ties: int, y_ties: int) -> None:
    """Only columns without ties are counted in blocks, beyond some number of rows."""
    n = COMPARED_ROWS + 7
    rng = np.random.default_rng([x_ties, y_ties])
    x, y = rng.permutation(n).astype(float), rng.permutation(n).astype(float)
    x[:x_ties], y[:y_ties] = x[0], y[0]
    perm = rng.permutation(n)
    found = get_statistic(name).permuted(x[:, None], y, perm[None], [np.arange(n)])
    i, j = np.triu_indices(n, 1)
    mine, other = np.sign(x[i] - x[j]), np.sign(y[perm][i] - y[perm][j])
    assert found[0, 0, 0] == ((mine * other) if name == "kendall" else (mine == other)).sum()


@pytest.mark.parametrize("n", [2**16, 2**16 + 1, 2**16 + 5])
def test_permuted_columns_of_more_levels_than_16_bits_hold(n: int) -> None:
    rng = np.random.default_rng(n)
    x, y, perm = rng.standard_normal(n), np.arange(n, dtype=float), rng.permutation(n)
    found = get_statistic("kendall").permuted(x[:, None], y, perm[None], [np.arange(n)])
    pairs = n * (n - 1) // 2
    assert found[0, 0, 0] / pairs == pytest.approx(
        scipy.stats.kendalltau(x, y[perm]).statistic, abs=1e-13
    )
