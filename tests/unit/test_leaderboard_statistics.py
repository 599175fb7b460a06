"""What a leaderboard computes: ranks, their ranges, and probabilities of the first place."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metareval as mr
from metareval.leaderboards import board as board_module
from metareval.leaderboards import ranking
from metareval.leaderboards.board import Board, Standing, build_board
from metareval.leaderboards.ranking import (
    Distribution,
    averaged,
    first_place,
    rank_range,
    rank_rows,
    redrawn_mean,
    stability,
)
from metareval.leaderboards.summary import sentences, tiles
from metareval.stats.ranks import competition_ranks

DRAWS = 500


def build(table: mr.MetricTable, **options: int) -> Board:
    chosen = {"n_resamples": DRAWS, "seed": 0, **options}
    return build_board(table, table, {}, transforms=None, **chosen)


def honest(table: mr.MetricTable, level: str = "item", **options: int) -> Standing:
    return build(table, **options).views["honest"].standings[level]


def small(**columns: list[float]) -> mr.MetricTable:
    """A table of four items in two blocks with two seeds each."""
    keys = [(b, i, s) for b in "PQ" for i in "abcd" for s in "12"]
    frame = pd.DataFrame(keys, columns=["block", "item", "seed"])
    rng = np.random.default_rng(7)
    base = {"FA": rng.random(16).round(3), "RA": rng.random(16).round(3)}
    frame = frame.assign(**base, **columns)
    oracle = "distance" if "distance" in columns else None
    return mr.MetricTable.from_frame(
        frame, oracle=oracle, block="block", item="item", replicate="seed"
    )


@pytest.fixture(scope="module")
def board(released: mr.MetricTable) -> Board:
    return build(released)


def test_items_are_ranked_as_the_score_ranks_them(board: Board, released: mr.MetricTable) -> None:
    for protocol, how in (("honest", None), ("published", "published")):
        uqs = mr.UQS.fit(released, protocol=how, n_resamples=1, rng=0)
        found = board.views[protocol].standings["item"]
        assert found.level.labels["item"] == list(uqs.score(released).index)
        np.testing.assert_array_equal(found.score, uqs.score(released))
        np.testing.assert_array_equal(found.rank, uqs.rank(released))


def test_other_weights_agree_with_perturb(board: Board, released: mr.MetricTable) -> None:
    for protocol, how in (("honest", None), ("published", "published")):
        uqs = mr.UQS.fit(released, protocol=how, n_resamples=1, rng=0)
        expected = mr.perturb(uqs, released, protocol=how, n_resamples=100, rng=0)
        standing = board.views[protocol].standings["item"]
        found, rows = standing.stability[0]
        assert found.tie is not None
        assert found.outranks is not None
        assert found.tie.distance == pytest.approx(expected.radius, rel=1e-12)
        names = [standing.level.labels["item"][rows[i]] for i in found.tie.pair]
        assert tuple(names) == expected.radius_pair
        np.testing.assert_allclose(found.outranks, expected.outranks, atol=1e-12)
        np.testing.assert_allclose(standing.weight_first, expected.top1, atol=1e-12)
        assert standing.weight_first_exact


def test_units_are_ranked_within_their_block(board: Board, released: mr.MetricTable) -> None:
    units = board.views["honest"].standings["unit"].to_frame()
    assert list(units["block"].unique()) == released.levels("block")
    for _, part in units.groupby("block"):
        assert sorted(part["rank"]) == [1, 2, 3, 4]
        assert part["weight_first"].sum() == pytest.approx(1)
        assert part["data_first"].sum() == pytest.approx(1)


def test_runs_are_ranked_within_their_cell(board: Board) -> None:
    runs = board.views["honest"].standings["row"].to_frame()
    assert len(runs) == 36
    for _, part in runs.groupby(["block", "replicate"]):
        assert list(part["rank"]) == [1, 2, 3, 4]
    assert runs["data_best"].isna().all()


def test_ranges_hold_the_rank_distribution_in_its_bounds(board: Board) -> None:
    for view in board.views.values():
        for standing in view.standings.values():
            for best, worst in (
                (standing.data_best, standing.data_worst),
                (standing.weight_best, standing.weight_worst),
            ):
                known = ~np.isnan(best)
                assert (best[known] >= 1).all()
                assert (best[known] <= worst[known]).all()
            low, high = standing.low, standing.high
            assert (low[~np.isnan(low)] <= high[~np.isnan(low)]).all()


def test_rows_in_another_order_change_no_number(released: mr.MetricTable) -> None:
    shuffled = replace(released, frame=released.frame.sample(frac=1, random_state=3))
    here, there = honest(released).to_frame(), honest(shuffled).to_frame()
    pd.testing.assert_frame_equal(
        here.set_index("item"), there.set_index("item").loc[here["item"]], rtol=1e-12
    )


def test_without_an_oracle_metrics_weigh_the_same(unimodal: mr.MetricTable) -> None:
    board = build(unimodal)
    view = board.views["honest"]
    assert "no oracle" in view.equal
    assert view.uqs.weights.tolist() == pytest.approx([0.2] * 5)
    assert "no oracle" in sentences(board, "honest")[0]
    assert "oracle" in board.problems["published"]


def test_an_item_with_a_gap_has_no_rank_and_a_reason(unimodal: mr.MetricTable) -> None:
    item = honest(unimodal)
    row = item.level.labels["item"].index("gradient_ascent")
    assert math.isnan(item.score[row])
    assert math.isnan(item.rank[row])
    assert item.reasons[row] == "JS: not measured for seed 42 and 5508"
    assert sorted(item.rank[~np.isnan(item.rank)]) == [1, 2, 3]
    assert math.isnan(item.weight_first[row])


def test_an_item_that_a_block_lacks_is_not_ranked_over_all(released: mr.MetricTable) -> None:
    frame = released.frame
    gone = (frame["method"] == "salun") & (frame["dataset"] == "mmubench")
    found = honest(replace(released, frame=frame[~gone]))
    row = found.level.labels["item"].index("salun")
    assert found.reasons[row].endswith("this item has no rows in mmubench")
    assert math.isnan(found.rank[row])


def test_equal_items_tie_and_stay_tied() -> None:
    table = small()
    frame = table.frame.copy()
    twin = frame["item"] == "b"
    frame.loc[twin, ["FA", "RA"]] = frame.loc[frame["item"] == "a", ["FA", "RA"]].to_numpy()
    found = honest(replace(table, frame=frame))
    a, b = (found.level.labels["item"].index(i) for i in "ab")
    assert found.rank[a] == found.rank[b]
    assert found.tied[a]
    assert found.tied[b]
    assert found.weight_first[a] == found.weight_first[b]
    assert (found.weight_best[a], found.weight_worst[a]) == (
        found.weight_best[b],
        found.weight_worst[b],
    )


def test_a_constant_metric_gets_no_weight() -> None:
    table = small(JS=[0.25] * 16, distance=list(np.linspace(0.1, 0.9, 16)))
    view = build(table).views["honest"]
    assert view.uqs.weights["JS"] == 0
    found, _ = view.standings["item"].stability[0]
    assert found.tie is not None
    assert len(found.tie.weights) == 2
    js = list(table.metrics).index("JS")
    assert (0, js) in view.standings["item"].level.flat


def test_draws_without_weights_could_have_been_anything(blip2: mr.MetricTable) -> None:
    found = honest(blip2)
    assert list(found.data_best) == [1, 1]
    assert list(found.data_worst) == [2, 2]


def test_sampled_first_places_are_near_the_exact_ones(
    released: mr.MetricTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = honest(released, "unit")
    assert exact.data_first_exact
    monkeypatch.setattr(ranking, "MOST_ATOMS", 0)
    sampled = honest(released, "unit", n_resamples=4000)
    assert not sampled.data_first_exact
    np.testing.assert_allclose(sampled.data_first, exact.data_first, atol=0.02)


def test_many_items_are_ranked_by_draws() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((ranking.MOST_PAIRED + 1, 3))
    weights = np.full(3, 1 / 3)
    found = stability(values, weights, values @ weights, confidence=0.95, n_resamples=300, rng=rng)
    assert found.outranks is None
    assert found.tie is None
    assert not found.exact
    assert found.first.sum() == pytest.approx(1)


def test_ranges_are_quantiles_of_the_ranks() -> None:
    ranks = np.array([[1, 3], [2, 2], [3, 1], [1, 2]] * 25, dtype=np.int32)
    best, worst = rank_range(ranks, 0.95)
    assert best.tolist() == [1, 1]
    assert worst.tolist() == [3, 3]
    best, worst = rank_range(np.sort(ranks, axis=0)[:26], 0.95)
    assert (best.tolist(), worst.tolist()) == ([1, 1], [1, 2])


def test_unknown_draws_widen_a_range() -> None:
    ranks = np.full((1000, 3), 2, dtype=np.int32)
    assert rank_range(ranks, 0.95, unknown=20)[0].tolist() == [2, 2, 2]
    best, worst = rank_range(ranks, 0.95, unknown=100)
    assert (best.tolist(), worst.tolist()) == ([1, 1, 1], [3, 3, 3])


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12))
def test_ranks_are_competition_ranks(scores: list[float]) -> None:
    found = rank_rows(np.array(scores))
    np.testing.assert_array_equal(found, competition_ranks(np.array(scores)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_redrawing_keeps_the_mean(values: list[float]) -> None:
    found = redrawn_mean(np.array(values))
    assert found is not None
    assert found.probability.sum() == pytest.approx(1)
    assert (found.atoms @ found.probability) == pytest.approx(np.mean(values), abs=1e-9)


def test_redrawing_is_a_count_of_all_outcomes() -> None:
    values = np.array([0.0, 1.0, 4.0])
    listed = [np.mean(v) for v in np.array(np.meshgrid(*[values] * 3)).reshape(3, -1).T]
    found = redrawn_mean(values)
    assert found is not None
    atoms, many = np.unique(np.round(listed, 12), return_counts=True)
    np.testing.assert_allclose(found.atoms, atoms)
    np.testing.assert_allclose(found.probability, many / 27)


def test_first_places_agree_with_simulation() -> None:
    rng = np.random.default_rng(1)
    parts = [[redrawn_mean(rng.random(3)) for _ in range(2)] for _ in range(3)]
    scores = [averaged([p for p in pair if p is not None]) for pair in parts]
    exact = first_place(scores)
    assert exact is not None
    known = [s for s in scores if s is not None]
    drawn = np.stack([rng.choice(s.atoms, size=200_000, p=s.probability) for s in known])
    wins = (drawn == drawn.max(axis=0)).mean(axis=1)
    np.testing.assert_allclose(exact, wins, atol=0.006)


def test_a_first_place_that_all_hold() -> None:
    same = Distribution(np.array([0.5]), np.array([1.0]))
    np.testing.assert_array_equal(first_place([same, same, same]), [1, 1, 1])


def test_one_item_needs_no_comparison() -> None:
    frame = pd.DataFrame({"item": ["a"], "FA": [0.2], "RA": [0.4]})
    board = build(mr.MetricTable.from_frame(frame, item="item"))
    found = board.views["honest"].standings["item"]
    assert found.rank.tolist() == [1]
    assert found.weight_first.tolist() == [1]
    assert sentences(board, "honest")
    assert tiles(board, "honest")[-1].section == "findings"


def test_rows_without_items_are_ranked_themselves() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"FA": rng.random(6), "RA": rng.random(6), "set": list("aabbbb")})
    one = build(mr.MetricTable.from_frame(frame[["FA", "RA"]])).views["honest"].standings
    assert list(one) == ["item"]
    several = build(mr.MetricTable.from_frame(frame, block="set")).views["honest"].standings
    assert list(several) == ["unit"]
    assert several["unit"].to_frame()["rank"].tolist() == [1, 2, 1, 2, 3, 4]


def test_large_tables_get_fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "MOST_SCORES", 16 * 250)
    found = build(small()).views["honest"]
    assert found.draws["data"] == 250
    assert board_module.n_draws(100, 16) == 100
