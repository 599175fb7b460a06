"""Every statistic of few models against loops over pairs, rows and orders."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import metareval as mr
from metareval.errors import ArgumentError
from metareval.stats import calibration, kendall
from metareval.stats.association import association, combine
from metareval.stats.attenuation import correlation_ceiling
from metareval.stats.concordance import inversions, kendall_sums
from metareval.stats.levels import kruskal_wallis
from metareval.stats.normal_theory import steiger, t_two_sided, williams
from metareval.stats.pairs import MATRIX_ROWS, pair_index, product, signs, weighted_pair_sums
from metareval.stats.power import (
    models_needed,
    power,
    smallest_detectable_difference,
    smallest_pvalue,
)
from metareval.stats.resample import Layout, Permutations
from metareval.stats.statistics import STATISTICS, get_statistic
from metareval.stats.swaps import KendallSwaps

Cells = list[list[int]]

VALUES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1.0])


def sign(a: float, b: float) -> int:
    return (a > b) - (a < b)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def ranks(values: list[float]) -> list[float]:
    return [sum(o < v for o in values) + (sum(o == v for o in values) + 1) / 2 for v in values]


def in_cell(name: str, x: list[float], y: list[float]) -> tuple[float, float, float, float]:
    """Numerator, sum of squares (or untied pairs) of x and of y, and scale of one cell."""
    pairs = list(itertools.combinations(range(len(x)), 2))
    u = sum(x[i] != x[j] for i, j in pairs)
    v = sum(y[i] != y[j] for i, j in pairs)
    if name in ("spearman", "pearson"):
        a, b = (ranks(x), ranks(y)) if name == "spearman" else (x, y)
        # A column that does not vary has no spread, whatever its mean rounds to.
        a, b = ([p - mean(c) if max(c) > min(c) else 0.0 for p in c] for c in (a, b))
        squares = [sum(p * p for p in c) for c in (a, b)]
        return sum(p * q for p, q in zip(a, b, strict=True)), *squares, math.prod(squares) ** 0.5
    if name == "acc_eq":
        equal = sum(sign(x[i], x[j]) == sign(y[i], y[j]) for i, j in pairs)
        return equal, u, v, len(pairs) if u and v else 0
    lead = sum(sign(x[i], x[j]) * sign(y[i], y[j]) for i, j in pairs)
    if name == "kendall":
        return lead, u, v, math.sqrt(u * v)
    m = min(len(set(x)), len(set(y)))
    return lead, u, v, len(x) ** 2 * (m - 1) / (2 * m) if u and v else 0


def by_loops(name: str, x: list[float], y: list[float], cells: Cells, estimate: str) -> float:
    parts = [in_cell(name, [x[i] for i in c], [y[i] for i in c]) for c in cells]
    defined = [p for p in parts if p[3] > 0]
    if not defined:
        return math.nan
    if estimate == "mean":
        return mean([p[0] / p[3] for p in defined])
    if name in ("spearman", "pearson"):
        return sum(p[0] for p in defined) / math.sqrt(
            sum(p[1] for p in parts) * sum(p[2] for p in parts)
        )
    return sum(p[0] for p in defined) / sum(p[3] for p in defined)


@st.composite
def small(draw: st.DrawFn) -> tuple[list[float], list[float], Cells]:
    """Two columns of up to seven rows in one or two cells."""
    n = draw(st.integers(2, 7))
    x, y = (draw(st.lists(VALUES, min_size=n, max_size=n)) for _ in range(2))
    cut = draw(st.integers(0, n))
    return x, y, [c for c in (list(range(cut)), list(range(cut, n))) if c]


PLAIN = st.sampled_from(["kendall", "kendall_c", "spearman", "pearson", "acc_eq"])


@given(small(), PLAIN, st.sampled_from(["stratified", "mean"]))
def test_statistics_equal_loops(
    rows: tuple[list[float], list[float], Cells], name: str, estimate: str
) -> None:
    x, y, cells = rows
    expected = by_loops(name, x, y, cells, estimate)
    within = [np.array(c) for c in cells]
    table = np.column_stack([x, y])
    statistic = get_statistic(name)
    found = association(table, within, statistic, estimate)[0, 0, 1]
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
    batch = combine(statistic.batch(table[None], within), statistic, estimate)[0, 0, 1]
    assert batch == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(small(), PLAIN, st.data())
def test_drawn_rows_equal_rows_written_out(
    rows: tuple[list[float], list[float], Cells], name: str, data: st.DataObject
) -> None:
    x, y, cells = rows
    w = data.draw(st.lists(st.integers(0, 3), min_size=len(x), max_size=len(x)))
    if name == "acc_eq":
        w = [min(v, 1) for v in w]  # it counts pairs of different models only
    drawn = [i for i, many in enumerate(w) for _ in range(many)]
    written = [[p for p, i in enumerate(drawn) if i in c] for c in cells]
    expected = by_loops(
        name, [x[i] for i in drawn], [y[i] for i in drawn], [c for c in written if c], "stratified"
    )
    found = association(
        np.column_stack([x, y]),
        [np.array(c) for c in cells],
        get_statistic(name),
        "stratified",
        np.array([w, w], dtype=np.float64),
    )[:, 0, 1]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(small(), st.data())
def test_calibrated_ties_equal_a_search(
    rows: tuple[list[float], list[float], Cells], data: st.DataObject
) -> None:
    """Cells in which a column does not vary are left out of the search and of the count."""
    x, y, cells = rows
    w = data.draw(st.lists(st.integers(0, 2), min_size=len(x), max_size=len(x)))
    counted = []
    for cell in cells:
        pairs = [(i, j, w[i] * w[j]) for i, j in itertools.combinations(cell, 2) if w[i] * w[j]]
        if any(x[i] != x[j] for i, j, _ in pairs) and any(y[i] != y[j] for i, j, _ in pairs):
            counted += pairs
    total = sum(v for *_, v in counted)
    best = math.nan if not counted else 0.0
    everywhere = itertools.chain.from_iterable(itertools.combinations(c, 2) for c in cells)
    for eps in {0.0} | {abs(x[i] - x[j]) for i, j in everywhere}:
        right = sum(
            v
            * ((y[i] == y[j]) if abs(x[i] - x[j]) <= eps else sign(x[i], x[j]) == sign(y[i], y[j]))
            for i, j, v in counted
        )
        if counted:
            best = max(best, right / total)
    found = association(
        np.column_stack([x, y]),
        [np.array(c) for c in cells],
        get_statistic("acc_eq_calibrated"),
        "stratified",
        np.array([w], dtype=np.float64),
    )[0, 0, 1]
    assert found == pytest.approx(best, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("metric", "gold", "expected"),
    [
        # The second cell is one in which the metric, or the gold standard, does not vary.
        ([1.0, 2, 3, 5, 5, 5], [1.0, 2, 3, 1, 2, 3], 1),
        ([1.0, 2, 3, 1, 2, 3], [1.0, 2, 3, 5, 5, 5], 1),
        # Cells of one pair each: right, and wrong.
        ([1.0, 2, 4, 3], [1.0, 2, 3, 4], 0.5),
    ],
)
def test_calibration_leaves_cells_without_variation_out(
    metric: list[float], gold: list[float], expected: float
) -> None:
    half = len(metric) // 2
    cells = [np.arange(half), np.arange(half, 2 * half)]
    statistic = get_statistic("acc_eq_calibrated")
    table = np.column_stack([metric, gold])
    assert association(table, cells, statistic, "stratified")[0, 0, 1] == expected


@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, 1e-9, 123.4])
def test_rounding_of_a_mean_is_no_variation(value: float) -> None:
    """Pearson's r of a column that is constant in a cell, or among the rows drawn."""
    statistic = get_statistic("pearson")
    rng = np.random.default_rng(0)
    for n in range(3, 30):
        x = np.column_stack([np.full(n + 4, value), rng.normal(size=n + 4)])
        x[n:, 0] = rng.normal(size=4)
        cells = [np.arange(n), np.arange(n, n + 4)]
        both = association(x, cells, statistic, "mean")[0, 0, 1]
        assert both == pytest.approx(np.corrcoef(x[n:].T)[0, 1], abs=1e-12)
        batch = combine(statistic.batch(x[None], cells), statistic, "mean")[0, 0, 1]
        assert batch == pytest.approx(both, abs=1e-12)
        weights = np.append(np.arange(n) % 3, np.zeros(4))[None]
        whole = [np.arange(n + 4)]
        assert math.isnan(association(x, whole, statistic, "stratified", weights)[0, 0, 1])


def test_calibration_takes_infinities() -> None:
    metric = [math.inf, math.inf, 1.0, -math.inf]
    found = association(
        np.column_stack([metric, [4.0, 4.0, 2.0, 1.0]]),
        [np.arange(4)],
        get_statistic("acc_eq_calibrated"),
        "pooled",
    )
    assert found[0, 0, 1] == 1


@given(small(), st.sampled_from(["kendall", "spearman"]))
def test_reliability_p_equals_all_orders(
    rows: tuple[list[float], list[float], Cells], name: str
) -> None:
    x, y, cells = rows
    block = [f"b{c}" for c, cell in enumerate(cells) for _ in cell]
    frame = pd.DataFrame({"m": x, "d": [-v for v in y]})
    options: dict[str, Any] = {"directions": {"m": "higher"}, "block": block, "statistic": name}
    found = {
        side: mr.reliability(
            frame[["m"]], frame["d"], alternative=side, n_resamples=1, rng=0, **options
        ).frame.loc["m"]
        for side in ("greater", "less", "two-sided")
    }
    observed = by_loops(name, x, y, cells, "stratified")
    if math.isnan(observed):
        assert math.isnan(found["greater"]["rho"])
        return
    null = []
    for orders in itertools.product(*(itertools.permutations(c) for c in cells)):
        order = [i for part in orders for i in part]
        null.append(by_loops(name, x, [y[i] for i in order], cells, "stratified"))
    greater = mean([v >= observed - 1e-9 for v in null])
    less = mean([v <= observed + 1e-9 for v in null])
    assert found["greater"]["pvalue"] == pytest.approx(greater)
    assert found["less"]["pvalue"] == pytest.approx(less)
    assert found["two-sided"]["pvalue"] == pytest.approx(min(1.0, 2 * min(greater, less)))


@given(small(), st.sampled_from(["stratified", "mean"]), st.data())
def test_swapped_columns_equal_the_written_out_table(
    rows: tuple[list[float], list[float], Cells], estimate: str, data: st.DataObject
) -> None:
    x, y, cells = rows
    z = data.draw(st.lists(VALUES, min_size=len(x), max_size=len(x)))
    within = [np.array(c) for c in cells]
    swaps = np.array(list(itertools.product([False, True], repeat=len(x))))[::7]
    columns = [np.array(v) for v in (x, z, y)]
    found = KendallSwaps(*columns, np.arange(len(x)), within, estimate)(swaps)
    for b, swap in enumerate(swaps):
        first = [q if s else p for p, q, s in zip(x, z, swap, strict=True)]
        second = [p if s else q for p, q, s in zip(x, z, swap, strict=True)]
        for side, column in enumerate((first, second)):
            expected = by_loops("kendall", column, y, cells, estimate)
            assert found[side][b] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_swaps_of_many_rows_are_counted_exactly() -> None:
    """Beyond float32: the sums of 900 rows equal the pairs."""
    rng = np.random.default_rng(0)
    x, z, y = rng.normal(size=(3, 900))
    y += x
    cells = [np.arange(900)]
    swaps = np.stack([np.zeros(900, dtype=bool), np.ones(900, dtype=bool), rng.random(900) < 0.5])
    found = KendallSwaps(x, z, y, np.arange(900), cells, "stratified")(swaps)
    for b, swap in enumerate(swaps):
        for side in range(2):
            column = np.where(swap, z, x) if side == 0 else np.where(swap, x, z)
            sums = kendall_sums(np.column_stack([column, y]))
            assert found[side][b] == sums[0, 1] / math.sqrt(sums[0, 0] * sums[1, 1])


@pytest.mark.parametrize("decimals", [0, 8])
def test_heavily_drawn_rows_do_not_overflow(decimals: int) -> None:
    """Weights whose pairs outnumber 2**32."""
    rng = np.random.default_rng(decimals)
    n = MATRIX_ROWS + 1
    x = np.round(rng.normal(size=(n, 2)), decimals)
    weights = rng.integers(0, 1000, size=(2, n)).astype(float)
    i, j = pair_index(n)
    s = signs(x)
    expected = [(s[:, 0] * s[:, 1] * w[i] * w[j]).sum() for w in weights]
    assert (weights.sum(axis=1) ** 2 > 2**33).all()
    found = weighted_pair_sums(x, weights, [(0, 1)], product)[:, 0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_portions_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    statistic = get_statistic(name)
    x = rng.integers(0, 4, size=(11, 9, 3)).astype(float)
    weights = rng.multinomial(9, np.full(9, 1 / 9), size=23).astype(float)
    cells = [np.arange(4), np.arange(4, 9)]

    def results() -> list[np.ndarray[Any, Any]]:
        return [
            combine(statistic.batch(x, cells), statistic, "stratified"),
            association(x[0], cells, statistic, "stratified", weights),
        ]

    whole = results()
    for numbers in (1, 50, 200):
        monkeypatch.setattr(kendall, "BATCH_NUMBERS", numbers)
        monkeypatch.setattr(calibration, "BATCH_NUMBERS", numbers)
        for a, b in zip(whole, results(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_many_permutations_at_once_are_counted_alike() -> None:
    rng = np.random.default_rng(0)
    perms = np.stack([rng.permutation(3000) for _ in range(60)])
    single = [int(inversions(p[None])[0]) for p in perms]
    assert inversions(perms).tolist() == single


@given(st.lists(st.integers(1, 3), min_size=1, max_size=5), st.integers(1, 2))
def test_exchanges_are_counted_by_listing_all_orders(sizes: list[int], blocks: int) -> None:
    """Orders of units in which every unit meets one of its block with the same replicates."""
    units = [u for u, size in enumerate(sizes) for _ in range(size)]
    slot = [s for size in sizes for s in range(size)]
    block = [u % blocks for u in units]
    layout = Layout(*(np.array(v, dtype=np.intp) for v in (block, units, slot)))
    fitting = sum(
        all(sizes[a] == sizes[b] and a % blocks == b % blocks for a, b in enumerate(order))
        for order in itertools.permutations(range(len(sizes)))
    )
    found = Permutations(layout, 1, np.random.default_rng(0))
    assert found.exact
    assert found.count == fitting
    assert len(np.unique(np.concatenate(list(found)), axis=0)) == fitting


def test_smallest_p_of_one_and_of_no_model() -> None:
    assert smallest_pvalue(1) == 1
    assert math.isnan(smallest_pvalue(0))


# Fisher's z: its variance over (n - offset) without and with a correlation r.
FISHER = {
    "kendall": (4, lambda r: 0.437 + 0 * r),
    "spearman": (3, lambda r: 1 + r**2 / 2),
    "pearson": (3, lambda r: 1 + 0 * r),
}


@pytest.mark.parametrize("statistic", sorted(FISHER))
@pytest.mark.parametrize(("r", "n"), [(0.3, 20), (-0.6, 9), (0.9, 5), (0.05, 500)])
def test_power_equals_the_formula(statistic: str, r: float, n: int) -> None:
    offset, variance = FISHER[statistic]
    normal = scipy.stats.norm
    found = []
    for alpha in (0.05, 0.01):
        edge = normal.isf(alpha / 2) * math.sqrt(variance(0) / (n - offset))
        z = normal(math.atanh(r), math.sqrt(variance(r) / (n - offset)))
        expected = z.sf(edge) + z.cdf(-edge)
        found.append(power(r, n, alpha=alpha, statistic=statistic))
        assert found[-1] == pytest.approx(expected, rel=1e-9)
    assert found[0] > found[1]
    assert power(1.0, n, alpha=0.05, statistic=statistic) == 1
    assert power(r, offset, alpha=0.05, statistic=statistic) == 0


@pytest.mark.parametrize("statistic", sorted(FISHER))
@pytest.mark.parametrize("between", [-0.4, 0.0, 0.5, 0.8])
@pytest.mark.parametrize("n", [30, 200])
def test_smallest_difference_is_where_steiger_finds_it(
    statistic: str, between: float, n: int
) -> None:
    offset, variance = FISHER[statistic]
    drop = smallest_detectable_difference(
        0.6, n, between, power_wanted=0.8, alpha=0.05, statistic=statistic
    )
    z = steiger(0.6, 0.6 - drop, between, n)[0]
    z *= math.sqrt((n - offset) / (n - 3) / variance(0.6 - drop / 2))
    normal = scipy.stats.norm
    assert z == pytest.approx(normal.isf(0.025) + normal.isf(0.2), rel=1e-9)
    assert math.isnan(
        smallest_detectable_difference(
            0.6, offset, between, power_wanted=0.8, alpha=0.05, statistic=statistic
        )
    )


def test_models_needed_is_the_first_that_suffices() -> None:
    options: dict[str, Any] = {"alpha": 0.05, "statistic": "spearman"}
    for r in (0.04, 0.2, 0.55, -0.9, 0.9999):
        n = models_needed(r, power_wanted=0.8, **options)
        enough = [power(r, many, **options) >= 0.8 for many in range(3, n + 1)]
        assert enough == [False] * (n - 3) + [True]
    assert models_needed(1.0, power_wanted=0.8, **options) == 4
    with pytest.raises(ArgumentError, match=r"more than a billion models"):
        models_needed(1e-5, power_wanted=0.8, **options)
    with pytest.raises(ArgumentError, match=r"must lie in \[-1, 1\]"):
        models_needed(1.5, power_wanted=0.8, **options)


def test_fewest_observations_of_each_test() -> None:
    # On one degree of freedom t is Cauchy, whose quartiles are -1 and 1.
    assert t_two_sided(1.0, 1) == pytest.approx(0.5)
    assert not math.isnan(williams(0.4, 0.2, 0.1, 4)[1])
    assert not math.isnan(steiger(0.4, 0.2, 0.1, 4)[1])
    assert math.isnan(kruskal_wallis(np.arange(3.0), np.zeros(3)))


def test_a_ceiling_of_no_agreement_is_zero_in_spite_of_rounding() -> None:
    found = correlation_ceiling([-1e-12, 0.0, -1e-3], 3, get_statistic("spearman"))
    np.testing.assert_array_equal(found, [0.0, 0.0, np.nan])
