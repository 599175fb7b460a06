"""Ranks, orders and swaps that resampling is made of, each beside what it is by definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from metareval.errors import ArgumentError
from metareval.stats import resample
from metareval.stats.association import association, combine
from metareval.stats.ranks import average_ranks
from metareval.stats.resample import (
    MOST_RESAMPLES,
    Layout,
    Permutations,
    UnitSwaps,
    check_resamples,
    position_in_unit,
)
from metareval.stats.statistics import STATISTICS


def test_rows_of_a_unit_are_numbered_from_0() -> None:
    assert position_in_unit(np.array([3, 1, 3, 3, 1, 2])).tolist() == [0, 0, 1, 2, 1, 0]


def test_average_ranks_equal_scipy_along_the_last_axis() -> None:
    x = np.random.default_rng(0).integers(0, 5, size=(3, 4, 9)).astype(float)
    np.testing.assert_array_equal(average_ranks(x), scipy.stats.rankdata(x, axis=-1))


@pytest.mark.parametrize("portion", [1, 7, 1000, 5000])
def test_all_swaps_are_listed_once(portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resample, "DRAWS_AT_ONCE", portion)
    swaps = UnitSwaps(11, 5, np.random.default_rng(0))
    assert swaps.exact
    listed = np.concatenate(list(swaps))
    assert listed.dtype == np.bool_
    assert listed.shape == (2**11, 11) == (swaps.count, 11)
    assert not listed[0].any()
    assert len(np.unique(listed, axis=0)) == 2**11


@pytest.mark.parametrize(
    ("units", "resamples", "exact"),
    [(16, 10, True), (17, 10, False), (17, 2**17, True), (17, 2**17 - 1, False), (70, 10, False)],
)
def test_swaps_are_listed_where_there_are_few(units: int, resamples: int, exact: bool) -> None:
    swaps = UnitSwaps(units, resamples, np.random.default_rng(0))
    assert swaps.exact == exact
    assert swaps.count == (2**units if exact else resamples)


@pytest.mark.parametrize("units", [31, 32, 33, 64, 65])
def test_drawn_swaps_are_fair_coins(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(UnitSwaps(units, 4000, np.random.default_rng(1))))
    assert whole.shape == (4000, units)
    # Five standard errors of a mean of 4,000 coins, and of a correlation of two columns.
    assert abs(whole.mean(axis=0) - 0.5).max() < 5 * 0.5 / 4000**0.5
    between = np.corrcoef(whole.T) - np.eye(units)
    assert abs(between).max() < 5 / 4000**0.5
    monkeypatch.setattr(resample, "DRAWS_AT_ONCE", 333)
    again = np.concatenate(list(UnitSwaps(units, 4000, np.random.default_rng(1))))
    np.testing.assert_array_equal(again, whole)


@pytest.mark.parametrize("rows", [2, 3])
def test_repeats_without_names_are_drawn_anew(rows: int) -> None:
    """Every order of the rows of each unit comes, wherever its unit goes."""
    unit = np.repeat([0, 1], rows)
    layout = Layout(np.zeros(2 * rows, dtype=int), unit, np.tile(np.arange(rows), 2), False)
    perms = Permutations(layout, 2000, np.random.default_rng(0))
    assert not perms.exact
    drawn = np.concatenate(list(perms))
    orders = np.array(list(itertools.permutations(range(rows))))
    for half in (drawn[:, :rows], drawn[:, rows:]):
        assert {*map(tuple, half % rows)} == {*map(tuple, orders)}
        assert (np.diff(half // rows, axis=1) == 0).all()


def test_one_unit_has_nothing_to_exchange() -> None:
    layout = Layout(np.zeros(2, dtype=int), np.zeros(2, dtype=int), np.arange(2), False)
    perms = Permutations(layout, 10, np.random.default_rng(0))
    assert perms.exact
    assert np.concatenate(list(perms)).tolist() == [[0, 1]]


def test_the_largest_number_of_resamples_is_taken() -> None:
    assert check_resamples(MOST_RESAMPLES) == MOST_RESAMPLES
    with pytest.raises(ArgumentError, match="would take days"):
        check_resamples(MOST_RESAMPLES + 1)


def test_drawn_orders_move_every_class_of_units() -> None:
    """Single rows in two blocks, and units of two rows in a third."""
    block = [0] * 9 + [1] * 9 + [2] * 18
    unit = [*range(18), *(18 + i // 2 for i in range(18))]
    slot = [0] * 18 + [0, 1] * 9
    layout = Layout(*(np.array(v, dtype=np.intp) for v in (block, unit, slot)))
    found = Permutations(layout, 3000, np.random.default_rng(0))
    assert not found.exact
    drawn = np.concatenate(list(found))
    assert (layout.block[drawn] == layout.block).all()
    assert (layout.slot[drawn] == layout.slot).all()
    assert (layout.unit[drawn[:, 18::2]] == layout.unit[drawn[:, 19::2]]).all()
    # Each row takes from each of the nine units of its block equally often, to five errors.
    for row in (0, 8, 9, 17, 18, 35):
        counts = np.bincount(layout.unit[drawn[:, row]], minlength=27)
        taken = counts[counts > 0] / 3000
        assert len(taken) == 9
        assert abs(taken - 1 / 9).max() < 5 * (8 / 81 / 3000) ** 0.5


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("estimate", ["pooled", "stratified", "mean"])
def test_many_tables_at_once_equal_each_alone(name: str, estimate: str) -> None:
    """Few levels and rows, so that columns are constant in some tables and some cells."""
    rng = np.random.default_rng(2)
    x = rng.integers(0, 3, size=(60, 7, 3)).astype(float)
    x[:10, :, 0] = 1.0
    cells = [np.arange(7)] if estimate == "pooled" else [np.arange(3), np.arange(3, 7)]
    statistic = STATISTICS[name]
    together = combine(statistic.batch(x, cells), statistic, estimate)
    alone = [association(table, cells, statistic, estimate)[0] for table in x]
    np.testing.assert_allclose(together, alone, atol=1e-12)
    assert np.isnan(together).any()
    assert not np.isnan(together).all()
