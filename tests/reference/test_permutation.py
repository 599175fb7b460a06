"""Permutation and bootstrap machinery against enumeration and scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import metareval as mr
from metareval.errors import ArgumentError
from metareval.stats.association import combine
from metareval.stats.intervals import percentile_interval
from metareval.stats.resample import (
    Layout,
    Permutations,
    UnitSwaps,
    bootstrap_weights,
    count_permutations,
    resampling_pvalue,
    resolve_rng,
)
from metareval.stats.statistics import get_statistic
from metareval.stats.swaps import KendallSwaps


def layout(block: list[int], unit: list[int], slot: list[int]) -> Layout:
    return Layout(*(np.array(v, dtype=np.intp) for v in (block, unit, slot)))


def test_exact_reliability_equals_scipy_permutation_test() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"FA": rng.integers(0, 4, 7) / 4, "d": rng.random(7)})
    found = mr.reliability(frame[["FA"]], frame["d"], n_resamples=100, rng=0)
    assert found.exact
    expected = scipy.stats.permutation_test(
        (-frame["FA"].to_numpy(),),
        lambda x: scipy.stats.spearmanr(x, -frame["d"]).statistic,
        permutation_type="pairings",
        n_resamples=np.inf,
    )
    row = found.to_frame().loc["FA"]
    assert row["rho"] == pytest.approx(expected.statistic, abs=1e-12)
    assert row["pvalue"] == pytest.approx(expected.pvalue, abs=1e-12)


def test_permutations_move_whole_units_within_blocks() -> None:
    design = layout([0] * 6 + [1] * 4, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [0, 1] * 5)
    found = Permutations(design, 10, np.random.default_rng(0))
    assert found.exact
    listed = np.concatenate(list(found))
    assert len(listed) == found.count == count_permutations(design) == math.factorial(3) * 2
    assert len(np.unique(listed, axis=0)) == len(listed)
    for rows in listed:
        assert (design.block[rows] == design.block).all()
        assert (design.slot[rows] == design.slot).all()
        for unit in range(5):
            assert len(np.unique(design.unit[rows][design.unit == unit])) == 1


def test_units_with_other_replicates_are_not_exchanged() -> None:
    design = layout([0] * 5, [0, 0, 1, 1, 2], [0, 1, 0, 1, 0])
    assert count_permutations(design) == 2
    found = Permutations(design, 10, np.random.default_rng(0))
    assert {tuple(r) for part in found for r in part} == {(0, 1, 2, 3, 4), (2, 3, 0, 1, 4)}


def test_drawn_permutations_are_uniform() -> None:
    n = 30
    design = layout([0] * n, list(range(n)), [0] * n)
    found = Permutations(design, 6000, np.random.default_rng(0))
    assert not found.exact
    drawn = np.concatenate(list(found))
    assert (np.sort(drawn, axis=1) == np.arange(n)).all()
    np.testing.assert_array_equal(drawn, np.concatenate(list(found)))
    counts = np.bincount(drawn[:, 0], minlength=n)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_bootstrap_keeps_units_and_blocks() -> None:
    design = layout([0] * 6 + [1] * 2, [0, 0, 1, 1, 2, 2, 3, 3], [0, 1] * 4)
    weights = np.concatenate(list(bootstrap_weights(design, 2500, np.random.default_rng(0))))
    assert weights.shape == (2500, 8)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, :6].sum(axis=1) == 6).all()
    assert (weights[:, 6:] == 1).all()
    assert weights[:, 0].mean() == pytest.approx(1, abs=0.06)


def test_draws_do_not_depend_on_their_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    design = layout([0] * 9 + [1] * 12, [*range(9), *range(9, 21)], [0] * 21)

    def draw() -> list[np.ndarray]:
        return [
            np.concatenate(list(bootstrap_weights(design, 250, np.random.default_rng(3)))),
            np.concatenate(list(Permutations(design, 250, np.random.default_rng(3)))),
            np.concatenate(list(UnitSwaps(21, 250, np.random.default_rng(3)))),
        ]

    whole = draw()
    few = np.concatenate(list(bootstrap_weights(design, 100, np.random.default_rng(3))))
    np.testing.assert_array_equal(few, whole[0][:100])
    for numbers in (1, 21 * 7, 21 * 100):
        monkeypatch.setattr("metareval.stats.resample.NUMBERS_AT_ONCE", numbers)
        for first, second in zip(whole, draw(), strict=True):
            np.testing.assert_array_equal(first, second)


def test_swaps_are_listed_once() -> None:
    found = UnitSwaps(3, 4, np.random.default_rng(0))
    assert found.exact
    listed = np.concatenate(list(found))
    assert len(np.unique(listed, axis=0)) == found.count == 8
    assert not listed[0].any()
    drawn = UnitSwaps(40, 2500, np.random.default_rng(0))
    assert not drawn.exact
    values = np.concatenate(list(drawn))
    assert values.shape == (2500, 40)
    assert values.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("seed", range(6))
def test_quadratic_forms_equal_the_swapped_tables(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_units = 14, 6
    unit = np.append(np.arange(n_units), rng.integers(0, n_units, n - n_units))
    cells = [np.arange(5), np.arange(5, n)]
    x, z, y = np.round(rng.normal(size=(3, n)), seed % 3)
    swapped = rng.random((50, n_units)) < 0.5
    statistic = get_statistic("kendall")
    for estimate in ("stratified", "mean"):
        found = KendallSwaps(x, z, y, unit, cells, estimate)(swapped)
        for first, second, tau in ((x, z, found[0]), (z, x, found[1])):
            tables = np.stack(
                [np.column_stack([np.where(s[unit], second, first), y]) for s in swapped]
            )
            expected = combine(statistic.batch(tables, cells), statistic, estimate)
            np.testing.assert_allclose(tau, expected[:, 0, 1], atol=1e-12)


@pytest.mark.parametrize("statistic", ["spearman", "kendall"])
def test_paired_permutation_equals_an_enumeration(statistic: str) -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.random(7), "b": rng.random(7), "d": rng.random(7)})
    found = mr.compare_metrics(
        frame[["a", "b"]],
        frame["d"],
        statistic=statistic,
        directions={"a": "higher", "b": "higher"},
        rng=0,
    )
    assert found.exact
    correlate = {"spearman": scipy.stats.spearmanr, "kendall": scipy.stats.kendalltau}[statistic]
    ranks = {c: scipy.stats.rankdata(frame[c]) for c in ("a", "b")}
    y = -frame["d"].to_numpy()
    listed = []
    for swap in itertools.product([False, True], repeat=7):
        first = np.where(swap, ranks["b"], ranks["a"])
        second = np.where(swap, ranks["a"], ranks["b"])
        listed.append(correlate(first, y).statistic - correlate(second, y).statistic)
    null = np.array(listed)
    observed = null[0]
    p = 2 * min((null >= observed - 1e-9).mean(), (null <= observed + 1e-9).mean())
    assert found.frame.iloc[0]["difference"] == pytest.approx(observed, abs=1e-12)
    assert found.frame.iloc[0]["pvalue"] == pytest.approx(min(p, 1.0), abs=1e-12)


def test_monte_carlo_p_is_never_zero_and_undefined_draws_count_against() -> None:
    draws = np.zeros(99)
    assert resampling_pvalue(1.0, draws, exact=False, alternative="greater") == 0.01
    draws[:9] = np.nan
    assert resampling_pvalue(1.0, draws, exact=False, alternative="greater") == 0.1
    assert resampling_pvalue(1.0, draws, exact=False, alternative="less") == 1.0
    assert resampling_pvalue(1.0, draws, exact=False) == 0.2
    assert math.isnan(resampling_pvalue(math.nan, draws, exact=False))


def test_equal_up_to_rounding_counts_as_equal() -> None:
    observed = 0.1 + 0.2
    assert resampling_pvalue(observed, np.array([0.3, 0.0]), exact=True) == 1.0


def test_interval_takes_undefined_draws_as_anything() -> None:
    draws = np.full(1000, 0.5)
    draws[:500] = np.linspace(0.4, 0.6, 500)
    sure = percentile_interval(draws, confidence=0.95, bounds=(-1, 1))
    assert 0.4 < float(sure.low) < float(sure.high) < 0.6
    draws[-30:] = np.nan
    unsure = percentile_interval(draws, confidence=0.95, bounds=(-1, 1))
    assert (float(unsure.low), float(unsure.high)) == (-1.0, 1.0)
    assert float(unsure.undefined) == 0.03


def test_draws_without_spread_give_no_interval() -> None:
    for draws in (np.ones(100), np.full(100, np.nan)):
        found = percentile_interval(draws, confidence=0.95, bounds=(-1, 1))
        assert np.isnan(found.low)
        assert np.isnan(found.high)


def test_interval_equals_scipy_bootstrap_for_independent_rows() -> None:
    """Percentile ends of 10,000 draws by two generators: within Monte Carlo error (0.02)."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=36)
    y = 0.6 * x + rng.normal(size=36)
    frame = pd.DataFrame({"m": x, "d": -y})
    found = mr.reliability(frame[["m"]], frame["d"], directions={"m": "higher"}, rng=1).frame
    expected = scipy.stats.bootstrap(
        (x, y),
        lambda a, b: scipy.stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=3000,
        method="percentile",
        rng=2,
    ).confidence_interval
    assert found.loc["m", "low"] == pytest.approx(expected.low, abs=0.03)
    assert found.loc["m", "high"] == pytest.approx(expected.high, abs=0.03)


def test_generators_and_seeds() -> None:
    same = np.random.default_rng(1)
    assert resolve_rng(same) is same
    assert resolve_rng(0).random() == resolve_rng(0).random()
    for bad in (-1, 1.5, "0", True, np.random.RandomState(0)):
        with pytest.raises(ArgumentError, match="rng is"):
            resolve_rng(bad)  # type: ignore[arg-type]


def test_replicates_without_labels_do_not_fake_agreement() -> None:
    """Type I error at 0.05 of two independent metrics beside one that sums them (200 tables)."""
    rng = np.random.default_rng(0)
    rejected = 0
    for seed in range(200):
        b, c = rng.normal(size=(2, 24))
        frame = pd.DataFrame({"A": b + c, "B": b, "C": c, "item": np.repeat(list("uvwxyz"), 4)})
        found = mr.agreement(
            frame,
            statistic="spearman",
            item="item",
            directions=dict.fromkeys("ABC", "higher"),
            n_resamples=199,
            rng=seed,
        )
        rejected += found.pvalue.loc["B", "C"] <= 0.05
    # 10 expected; more than 22 has probability below 0.0005.
    assert rejected <= 22


def test_unlabelled_replicates_are_shuffled_within_their_unit() -> None:
    design = Layout(
        np.zeros(6, dtype=np.intp), np.repeat([0, 1], 3), np.tile([0, 1, 2], 2), labelled=False
    )
    found = Permutations(design, 2000, np.random.default_rng(0))
    assert not found.exact
    rows = np.concatenate(list(found))
    assert (np.sort(rows, axis=1) == np.arange(6)).all()
    assert (rows[:, :3] // 3 == rows[:, :1] // 3).all()
    assert len(np.unique(rows, axis=0)) == 72


def test_units_that_cannot_be_exchanged_are_marked() -> None:
    frame = pd.DataFrame(
        {
            "FA": [0.1, 0.4, 0.2, 0.5, 0.3, 0.9],
            "RA": [0.2, 0.1, 0.5, 0.3, 0.4, 0.6],
            "d": [1.0, 3.0, 2.0, 4.0, 6.0, 5.0],
            "item": list("aabbcc"),
            "run": list("uvwxyz"),
        }
    )
    options = {"item": "item", "replicate": "run", "rng": 0, "n_resamples": 50}
    found = mr.reliability(frame, "d", **options).frame
    assert found["pvalue"].isna().all()
    assert (found["note"] == "no_exchange").all()
    table = mr.MetricTable.from_frame(
        frame.drop(columns="run"), oracle="d", item="item", metrics=["FA", "RA"]
    )
    assert (mr.reliability(table, n_resamples=50, rng=0).frame["note"] == "").all()


def test_comparison_uses_the_rows_that_have_both_metrics() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=30)
    a = y + 0.3 * rng.normal(size=30)
    b = a.copy()
    b[:18] = -y[:18]
    a[:18] = np.nan
    found = mr.compare_metrics(pd.DataFrame({"FA": -a, "RA": b}), -y, n_resamples=200, rng=0)
    row = found.frame.iloc[0]
    assert row["n_units"] == 12
    assert row["difference"] == 0
    assert row["pvalue"] == 1


def test_mean_interval_takes_undefined_pairs_as_anything() -> None:
    table = mr.load_dataset("unifiedunl")
    found = mr.agreement(table, rng=0, n_resamples=2000)
    assert (found.undefined_draws.to_numpy() > 0).any()
    assert found.mean_low < -0.43
    assert found.mean_high > 0.6


def test_smallest_pvalue_knows_the_blocks() -> None:
    table = mr.load_dataset("unifiedunl")
    assert mr.plan(table).smallest_pvalue == pytest.approx(2 / 24**3)
    assert mr.plan(n_units=500).smallest_pvalue > 0
