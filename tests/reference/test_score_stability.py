"""Validation and perturbation of scores, by other ways of computing the same."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, kendalltau, rankdata

import metareval as mr

ROLES = {"block": "block", "item": "item", "replicate": "seed"}
DRAWS = 4000
# Five standard errors of a mean of draws.
WIDTH = 5 / math.sqrt(DRAWS)


def table(n_blocks: int = 3, n_items: int = 5, seed: int = 3) -> mr.MetricTable:
    rng = np.random.default_rng(seed)
    labels = list(itertools.product("xyz"[:n_blocks], "abcdefgh"[:n_items], (1, 2)))
    frame = pd.DataFrame(labels, columns=["block", "item", "seed"])
    truth = rng.random(len(frame))
    frame["RA"] = np.clip(truth + rng.normal(0, 0.3, len(frame)), 0, 1)
    frame["FA"] = np.clip(1 - truth + rng.normal(0, 0.5, len(frame)), 0, 1)
    frame["AD"] = 3 * rng.random(len(frame))
    frame["d"] = 2 - truth
    return mr.MetricTable.from_frame(frame, oracle="d", **ROLES)


@pytest.mark.parametrize("statistic", ["spearman", "kendall"])
def test_validation_scores_each_block_with_what_the_others_teach(statistic: str) -> None:
    data = table()
    options: dict[str, Any] = {"statistic": statistic, "n_resamples": 50, "rng": 0}
    found = mr.UQS.fit(data, floor=0.2, confidence=0.8, **options).validation
    names = ["score", "best", "equal", "borda"]
    candidates = data.frame[[*ROLES.values(), "d"]].assign(**dict.fromkeys(names, 0.0))
    parts = []
    for block in data.levels("block"):
        rest = data.select(blocks=[b for b in data.levels("block") if b != block])
        held = data.frame["block"] == block
        uqs = mr.UQS.fit(rest, floor=0.2, **options)
        inside = uqs.values(data, by="row").to_numpy()[held]
        best = uqs.rho.idxmax()
        parts.append(f"{block}: {best}")
        sign = 1 if data.directions[best] == "higher" else -1
        candidates.loc[held, "score"] = inside @ uqs.weights.to_numpy()
        candidates.loc[held, "best"] = sign * data.frame.loc[held, best]
        candidates.loc[held, "equal"] = inside.mean(axis=1)
        candidates.loc[held, "borda"] = rankdata(inside, axis=0).mean(axis=1)
    wanted = mr.reliability(
        candidates, "d", metrics=names, directions=dict.fromkeys(names, "higher"),
        confidence=0.8, **ROLES, **options,
    ).frame  # fmt: skip
    for column in ("rho", "low", "high"):
        np.testing.assert_allclose(found[column], wanted[column], rtol=1e-12)
    lead = wanted["rho"].iloc[0] - wanted["rho"].iloc[1:]
    np.testing.assert_allclose(found["lead"].iloc[1:], lead, rtol=0, atol=1e-12)
    assert (found["lead_low"].iloc[1:] <= found["lead"].iloc[1:]).all()
    assert (found["lead_high"].iloc[1:] >= found["lead"].iloc[1:]).all()
    assert found.loc["best metric", "parts"] == "; ".join(parts)


def test_leads_are_differences_draw_by_draw() -> None:
    """A lead's interval is that of the difference, so it lies within what both ends allow."""
    found = mr.UQS.fit(table(), n_resamples=200, rng=0).validation
    own = found.loc["UQS"]
    for name in ("best metric", "equal weights", "Borda"):
        other = found.loc[name]
        assert own["low"] - other["high"] <= other["lead_low"] < other["lead_high"]
        assert other["lead_high"] <= own["high"] - other["low"]


def test_gaps_leave_a_row_out_of_every_candidate() -> None:
    data = table()
    frame = data.frame.copy()
    frame.loc[4, "FA"] = math.nan
    gaps = mr.MetricTable.from_frame(frame, oracle="d", **ROLES)
    found = mr.UQS.fit(gaps, n_resamples=50, rng=0)
    frame.loc[4, "d"] = math.nan
    without = mr.UQS.fit(
        mr.MetricTable.from_frame(frame.drop(index=4), oracle="d", **ROLES), n_resamples=50, rng=0
    )
    # RA and AD weigh the row where FA is missing, so weights differ, and so may the score.
    rows = ["equal weights", "Borda"]
    np.testing.assert_allclose(
        found.validation.loc[rows, "rho"], without.validation.loc[rows, "rho"], rtol=1e-12
    )


def test_without_a_block_or_a_metric_the_tau_is_that_of_the_new_score() -> None:
    # Blocks list the items in different orders.
    mixed = table().frame.sample(frac=1, random_state=2)
    data = mr.MetricTable.from_frame(mixed, oracle="d", **ROLES)
    uqs = mr.UQS.fit(data, n_resamples=2, rng=0)
    found = mr.perturb(uqs, data, n_resamples=20, rng=0)
    reference = uqs.score(data)
    blocks = data.levels("block")
    for block in blocks:
        rest = data.select(blocks=[b for b in blocks if b != block])
        wanted = kendalltau(uqs.score(rest)[reference.index], reference).statistic
        assert found.leave_one_block_out[block] == pytest.approx(wanted, abs=1e-12)
    values = uqs.values(data)
    for metric in data.metrics:
        left = uqs.weights.drop(metric)
        wanted = kendalltau(values[left.index] @ left, reference).statistic
        assert found.leave_one_metric_out[metric] == pytest.approx(wanted, abs=1e-12)
    assert found.leave_one_metric_out.nunique() > 1


def two_items(a: tuple[float, float], b: tuple[float, float]) -> mr.MetricTable:
    frame = pd.DataFrame([a, b], columns=["RA", "MIA"])
    frame["item"] = ["a", "b"]
    return mr.MetricTable.from_frame(frame, directions={"MIA": "higher"}, item="item")


def weights_of(share: float) -> mr.UQS:
    """A score of two metrics with the weights share and 1 - share."""
    frame = pd.DataFrame({"RA": [0.0, 0.5, 1.0], "MIA": [0.0, 1.0, 0.5], "d": [3.0, 2.0, 1.0]})
    fitted = mr.UQS.fit(frame, "d", directions={"MIA": "higher"}, n_resamples=2, rng=0)
    index = fitted.weights.index
    return replace(fitted, weights=pd.Series([share, 1 - share], index=index, name="weight"))


def test_random_weights_of_two_metrics_are_beta() -> None:
    """Item a leads where w > 1/4: under Dirichlet(c w) that is a beta probability."""
    data = two_items((0.6, 0.2), (0.3, 0.3))
    found = mr.perturb(weights_of(0.4), data, n_resamples=DRAWS, rng=0)
    assert found.top1.to_dict() == pytest.approx({"a": 0.75, "b": 0.25})
    assert found.expected_tau == pytest.approx(0.5)
    assert found.mean_tau == pytest.approx(0.5, abs=2 * WIDTH)
    assert found.rank_probability.loc["a", 1] == pytest.approx(0.75, abs=WIDTH)
    np.testing.assert_array_equal(
        found.rank_probability.to_numpy(), found.rank_probability.to_numpy()[::-1, ::-1]
    )
    for c, row in found.concentrated.iterrows():
        mean = 2 * beta.sf(0.25, c * 0.4, c * 0.6) - 1
        assert row["mean_tau"] == pytest.approx(mean, abs=2 * WIDTH)
        assert row["std_tau"] == pytest.approx(math.sqrt(1 - row["mean_tau"] ** 2), abs=1e-9)
    # From (0.4, 0.6) to (0.25, 0.75).
    assert found.radius == pytest.approx(0.15 * math.sqrt(2))
    assert found.reversals.loc[("a", "b"), ["RA", "MIA"]].tolist() == pytest.approx([0.25, 0.75])


def test_replicate_noise_equals_all_draws_listed() -> None:
    """Each of four units draws two of its two replicates: 256 equally likely tables."""
    rng = np.random.default_rng(2)
    labels = list(itertools.product("xy", "ab", (1, 2)))
    frame = pd.DataFrame(labels, columns=["block", "item", "seed"])
    frame["RA"] = rng.random(8).round(3)
    frame["MIA"] = rng.random(8).round(3)
    data = mr.MetricTable.from_frame(frame, directions={"MIA": "higher"}, **ROLES)
    uqs = weights_of(0.4)
    rows = uqs.score(data, by="row").to_numpy()
    reference = uqs.score(data)
    taus = []
    for drawn in itertools.product(itertools.product((0, 1), repeat=2), repeat=4):
        means = [rows[2 * u + np.array(pair)].mean() for u, pair in enumerate(drawn)]
        a, b = means[0] + means[2], means[1] + means[3]
        taus.append(np.sign(a - b) * np.sign(reference["a"] - reference["b"]))
    assert -0.9 < np.mean(taus) < 0.9
    found = mr.perturb(uqs, data, n_resamples=DRAWS, rng=0).replicate_noise
    assert found["mean_tau"] == pytest.approx(np.mean(taus), abs=WIDTH * np.std(taus))
    assert found["std_tau"] == pytest.approx(np.std(taus), abs=0.05)


def test_units_are_means_of_rows_and_items_means_of_units() -> None:
    """Blocks count alike however many replicates they hold."""
    frame = pd.DataFrame(
        {
            "block": [*"xxxxyy"],
            "item": [*"aaabab"],
            "RA": [0.1, 0.2, 0.6, 0.4, 0.9, 0.8],
            "MIA": [0.5, 0.5, 0.2, 0.1, 0.7, 0.3],
        }
    )
    data = mr.MetricTable.from_frame(
        frame, directions={"MIA": "higher"}, block="block", item="item"
    )
    uqs = weights_of(0.4)
    units = uqs.values(data, by="unit")
    assert units.loc[("x", "a")].tolist() == pytest.approx([0.3, 0.4])
    assert uqs.values(data).loc["a"].tolist() == pytest.approx([0.6, 0.55])
    assert uqs.score(data)["a"] == pytest.approx(0.4 * 0.6 + 0.6 * 0.55)
    assert uqs.score(data, by="unit")["x", "b"] == pytest.approx(0.4 * 0.4 + 0.6 * 0.1)


def test_a_metric_without_weight_leaves_no_gap_in_the_score() -> None:
    """Where the other blocks teach nothing about a metric, its missing values cost no row."""
    data = table()
    frame = data.frame.drop(columns="AD").assign(MIA=0.5)
    whole = mr.MetricTable.from_frame(frame, oracle="d", **ROLES)
    frame.loc[3, "MIA"] = math.nan
    gap = mr.MetricTable.from_frame(frame, oracle="d", **ROLES)
    found, wanted = (mr.UQS.fit(t, n_resamples=20, rng=0).validation for t in (gap, whole))
    pd.testing.assert_frame_equal(found, wanted)
    assert wanted["rho"].notna().all()
