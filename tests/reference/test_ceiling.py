"""The ceiling of a correlation with noisy oracles: by hand, by brute force, and by simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import metareval as mr
from metareval.questions.ceiling import oracle_ceiling
from metareval.stats.association import association
from metareval.stats.attenuation import correlation_ceiling, spearman_brown
from metareval.stats.intervals import percentile_interval
from metareval.stats.resample import Layout, bootstrap_weights
from metareval.stats.statistics import get_statistic

PLAIN = {
    "spearman": scipy.stats.spearmanr,
    "kendall": scipy.stats.kendalltau,
    "pearson": scipy.stats.pearsonr,
}


def example(n: int = 9, k: int = 3, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    true = rng.random(n)
    distances = {f"d{i}": true + rng.normal(0, 0.2, n).round(2) for i in range(k)}
    return pd.DataFrame({"FA": true + rng.normal(0, 0.3, n)}), pd.DataFrame(distances)


def by_hand(values: np.ndarray[Any, Any], statistic: str) -> float:
    pairs = itertools.combinations(range(values.shape[1]), 2)
    return float(np.mean([PLAIN[statistic](values[:, a], values[:, b])[0] for a, b in pairs]))


def test_spearman_brown() -> None:
    # Doubling a test of reliability 0.6 gives 0.75, as in every textbook.
    assert spearman_brown(0.6, 2) == pytest.approx(0.75)
    assert spearman_brown(0.3, 1) == pytest.approx(0.3)
    pearson, kendall = map(get_statistic, ("pearson", "kendall"))
    assert correlation_ceiling(0.6, 2, pearson) == pytest.approx(math.sqrt(0.75))
    # tau 1/3 is r 1/2 (Greiner), which two repeats raise to 2/3.
    assert correlation_ceiling(1 / 3, 2, kendall) == pytest.approx(
        2 / math.pi * math.asin(math.sqrt(2 / 3))
    )


@pytest.mark.parametrize("statistic", list(PLAIN))
def test_agreement_and_interval_by_brute_force(statistic: str) -> None:
    frame, distances = example()
    found = mr.reliability(frame, distances, statistic=statistic, n_resamples=60, rng=4)
    values = -distances.to_numpy()
    assert found.oracle_agreement == pytest.approx(by_hand(values, statistic), abs=1e-12)
    chosen = get_statistic(statistic)
    ceiling = float(correlation_ceiling(by_hand(values, statistic), 3, chosen))
    assert found.ceiling == pytest.approx(ceiling, abs=1e-12)
    assert found.frame.loc["FA", "of_ceiling"] == pytest.approx(found.rho["FA"] / ceiling)

    # Draws act on rows in the order that the analysis gives them: that of the mean closeness.
    order = np.argsort(-distances.mean(axis=1).to_numpy())
    n = len(frame)
    layout = Layout(np.zeros(n, int), np.arange(n), np.zeros(n, int), labelled=False)
    weights = np.concatenate(list(bootstrap_weights(layout, 60, np.random.default_rng(4))))
    draws = [
        by_hand(values[order][np.repeat(np.arange(n), w.astype(int))], statistic) for w in weights
    ]
    expected = percentile_interval(np.array(draws), confidence=0.95, bounds=(-1, 1))
    assert found.oracle_agreement_interval == pytest.approx(
        (float(expected.low), float(expected.high)), abs=1e-9
    )
    ends = correlation_ceiling(np.maximum([expected.low, expected.high], 0), 3, chosen)
    assert found.ceiling_interval == pytest.approx(tuple(ends), abs=1e-9)


def test_without_draws_there_is_no_interval() -> None:
    values = -example()[1].to_numpy()
    chosen = get_statistic("pearson")
    found = oracle_ceiling(values, [np.arange(len(values))], chosen, "pooled")
    assert found.agreement == pytest.approx(by_hand(values, "pearson"))
    assert found.value == pytest.approx(float(correlation_ceiling(found.agreement, 3, chosen)))
    assert found.reason == ""
    assert np.isnan([*found.agreement_interval, *found.interval]).all()


def test_estimates_compare_within_blocks() -> None:
    frames = [example(seed=s) for s in (1, 2)]
    frame = pd.concat([f for f, _ in frames], ignore_index=True)
    distances = pd.concat([d + 5 * i for i, (_, d) in enumerate(frames)], ignore_index=True)
    block = np.repeat(["x", "y"], 9)
    each = [by_hand(-d.to_numpy(), "kendall") for _, d in frames]
    options: dict[str, Any] = {"statistic": "kendall", "block": block, "n_resamples": 1, "rng": 0}
    mean = mr.reliability(frame, distances, estimate="mean", **options)
    assert mean.oracle_agreement == pytest.approx(np.mean(each))
    pooled = mr.reliability(frame, distances, estimate="pooled", **options)
    assert pooled.oracle_agreement == pytest.approx(by_hand(-distances.to_numpy(), "kendall"))
    assert pooled.oracle_agreement > mean.oracle_agreement


@pytest.mark.parametrize("statistic", ["spearman", "pearson", "kendall"])
@pytest.mark.parametrize(("k", "noise"), [(2, 1.0), (3, 0.5), (3, 2.0), (5, 1.0)])
def test_the_ceiling_is_what_the_truth_reaches(statistic: str, k: int, noise: float) -> None:
    rng = np.random.default_rng(k)
    chosen = get_statistic(statistic)
    cells = [np.arange(3000, dtype=np.intp)]
    ceilings, reached = [], []
    for _ in range(3):
        true = rng.normal(size=3000)
        repeats = true[:, None] + noise * rng.normal(size=(3000, k))
        ceilings.append(oracle_ceiling(repeats, cells, chosen, "pooled").value)
        both = np.column_stack([true, repeats.mean(axis=1)])
        reached.append(association(both, cells, chosen, "pooled")[0, 0, 1])
    assert np.mean(ceilings) == pytest.approx(np.mean(reached), abs=0.02)


def test_few_models_in_blocks() -> None:
    """Three blocks of 12: the ceiling of single tables scatters around what the truth reaches."""
    rng = np.random.default_rng(0)
    cells = [np.arange(b * 12, b * 12 + 12, dtype=np.intp) for b in range(3)]
    chosen = get_statistic("spearman")
    ceilings, reached = [], []
    for _ in range(400):
        true = rng.normal(size=36)
        repeats = true[:, None] + rng.normal(size=(36, 3))
        ceilings.append(oracle_ceiling(repeats, cells, chosen, "stratified").value)
        both = np.column_stack([true, repeats.mean(axis=1)])
        reached.append(association(both, cells, chosen, "stratified")[0, 0, 1])
    assert abs(np.nanmean(ceilings) - np.mean(reached)) < 0.04
