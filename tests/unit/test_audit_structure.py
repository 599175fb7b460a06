"""Rules about variation, ties, replicates and blocks: a table that fires each, and one not."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import metareval as mr
from metareval.auditing import Finding, audit
from metareval.auditing.blocks import lost
from metareval.auditing.replicates import intraclass
from metareval.auditing.ties import tie_span

MULTIMODAL = "unifiedunl"


def only(code: str, table: Any, oracle: Any = None, **options: Any) -> tuple[Finding, ...]:
    return audit(table, oracle, select=[code], **options).findings


def frame_of(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


# MR001
def test_constant_metric() -> None:
    found = only("MR001", mr.load_dataset(MULTIMODAL))
    assert [(f.metrics, f.blocks, f.severity) for f in found] == [
        (("FA",), ("mllmu_bench", "unlok_vqa"), "warning"),
        (("RA",), ("mllmu_bench", "unlok_vqa"), "warning"),
        (("MIA",), ("unlok_vqa",), "warning"),
    ]
    assert found[1].evidence["values"] == {"mllmu_bench": 0.02, "unlok_vqa": 1.0}
    assert only("MR001", mr.load_dataset("unifiedunl-unimodal")) == ()
    everywhere = only("MR001", frame_of(FA=[0.5, 0.5, math.nan]))
    assert [f.severity for f in everywhere] == ["error"]
    assert "one value, 0.5, in every row" in everywhere[0].message
    by_block = only("MR001", frame_of(FA=[0.1, 0.1, 0.7, 0.7], data=list("xxyy")), block="data")
    assert by_block[0].severity == "error"
    assert "any block" in by_block[0].message


def test_one_row_is_not_constant() -> None:
    assert only("MR001", frame_of(FA=[0.5])) == ()
    assert only("MR001", frame_of(FA=[0.5, 0.7], data=["x", "y"]), block="data") == ()


# MR002
def brute_span(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Tau over all ways to break ties, each column by itself."""
    n = len(x)
    orders = []
    for column in (x, y):
        kept = [
            p
            for p in itertools.permutations(range(n))
            if all(p[i] < p[j] for i in range(n) for j in range(n) if column[i] < column[j])
        ]
        orders.append(kept)
    taus = [stats.kendalltau(p, q).statistic for p in orders[0] for q in orders[1]]
    return min(taus), max(taus)


@pytest.mark.parametrize("seed", range(12))
def test_tie_span_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, size=(5, 2)).astype(float)
    span = tie_span(x, [np.arange(5)])
    low, high = brute_span(x[:, 0], x[:, 1])
    assert span.low[0, 1] == pytest.approx(low)
    assert span.high[0, 1] == pytest.approx(high)


def test_tie_span_leaves_out_missing_values() -> None:
    x = np.array([[1.0, 2.0], [1.0, 3.0], [2.0, 4.0], [math.nan, 1.0], [5.0, math.nan]])
    complete = tie_span(x[:3], [np.arange(3)])
    span = tie_span(x, [np.arange(5)])
    assert (span.low[0, 1], span.high[0, 1]) == (complete.low[0, 1], complete.high[0, 1])
    assert math.isnan(tie_span(x[3:], [np.arange(2)]).low[0, 1])


def test_tie_breaking() -> None:
    (found,) = only("MR002", mr.load_dataset(MULTIMODAL))
    assert found.severity == "error"
    pairs = {tuple(p["metrics"]): p for p in found.evidence["pairs"]}
    assert ("AD", "JS") not in pairs
    assert len(pairs) == 9
    fa_ra = pairs["FA", "RA"]
    assert fa_ra["n_cells"] == 9
    assert fa_ra["n_defined"] == 3
    assert fa_ra["tau_b"] == pytest.approx(0.4714045208)
    assert fa_ra["claimed"] == pytest.approx(0.8518518519)
    assert fa_ra["min"] <= fa_ra["claimed"] <= fa_ra["max"]
    frame = mr.load_dataset(MULTIMODAL).frame
    spans = [
        brute_span(-cell["FA"].to_numpy(), cell["RA"].to_numpy())
        for _, cell in frame.groupby(["dataset", "seed"])
    ]
    assert [fa_ra["min"], fa_ra["max"]] == pytest.approx(np.mean(spans, axis=0))
    assert pairs["FA", "MIA"]["min"] == -1.0
    for p in pairs.values():
        assert p["min"] <= p["claimed"] <= p["max"]
    widths = [p["max"] - p["min"] for p in found.evidence["pairs"]]
    assert widths == pytest.approx(sorted(widths, reverse=True))


def test_tie_breaking_severity() -> None:
    distinct = frame_of(FA=[0.1, 0.2, 0.3], RA=[0.3, 0.1, 0.2])
    assert only("MR002", distinct) == ()
    n = 30
    one_tie = frame_of(FA=[0.0, 0.0, *range(2, n)], AD=np.arange(float(n)))
    assert [f.severity for f in only("MR002", one_tie)] == ["warning"]
    assert only("MR002", frame_of(FA=[0.1, 0.1])) == ()  # one metric has no pair


# MR003
def anova_icc(groups: list[np.ndarray]) -> float:
    """ICC(1) of equal groups from scipy's one-way F statistic: (F - 1) / (F + m - 1)."""
    f = stats.f_oneway(*groups).statistic
    return float((f - 1) / (f + len(groups[0]) - 1))


def test_intraclass_correlation_against_anova() -> None:
    rng = np.random.default_rng(1)
    values = np.repeat(rng.normal(size=5), 3) + rng.normal(0, 0.7, size=15)
    ranks = stats.rankdata(values)
    unit = np.repeat(np.arange(5), 3)
    icc, size = intraclass(values, np.zeros(15, dtype=np.intp), unit)
    assert icc == pytest.approx(anova_icc([ranks[unit == u] for u in range(5)]))
    assert size == 3


def test_intraclass_correlation_of_unequal_groups_in_blocks() -> None:
    values = np.array([1.0, 1.0, 5.0, 9.0, 9.0, 9.0, 2.0, 3.0])
    unit = np.array([0, 0, 1, 2, 2, 2, 3, 3])
    block = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    icc, size = intraclass(values, block, unit)
    ranks = stats.rankdata(values[:6])
    groups = [ranks[:2], ranks[2:3], ranks[3:]]
    between = sum(len(g) * (g.mean() - 3.5) ** 2 for g in groups) / 2
    within = 0.5 / 4  # the ranks 1 and 2 of the second block
    m = (6 - (4 + 1 + 9) / 6) / 2
    assert size == pytest.approx(m)
    assert icc == pytest.approx((between - within) / (between + (m - 1) * within))


def test_pseudo_replication() -> None:
    (found,) = only("MR003", mr.load_dataset(MULTIMODAL))
    assert found.severity == "error"
    assert (found.evidence["n_rows"], found.evidence["n_units"]) == (36, 12)
    icc = found.evidence["icc"]
    frame = mr.load_dataset(MULTIMODAL).frame
    ranks = frame.groupby("dataset")["AD"].rank() - 6.5
    groups = [
        ranks[rows].to_numpy() for rows in frame.groupby(["dataset", "method"]).groups.values()
    ]
    between = 3 * sum(g.mean() ** 2 for g in groups) / 9  # 12 units in 3 blocks
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / 24
    assert icc["AD"] == pytest.approx((between - within) / (between + 2 * within))
    means = found.evidence["reliability_of_unit_means"]
    units = frame.groupby(["dataset", "method"])[["FA", "RA", "retrained_distance"]].mean()
    for metric, sign in (("RA", 1), ("FA", -1)):
        rho, p = stats.spearmanr(sign * units[metric], -units["retrained_distance"])
        assert means[metric]["rho"] == pytest.approx(rho)
        assert means[metric]["p"] == pytest.approx(p)
    assert (round(means["RA"]["rho"], 3), round(means["RA"]["p"], 3)) == (0.482, 0.112)
    assert (round(means["FA"]["rho"], 3), round(means["FA"]["p"], 3)) == (-0.410, 0.185)


def test_pseudo_replication_needs_replicates() -> None:
    assert only("MR003", mr.load_dataset("unifiedunl-blip2")) == ()
    assert only("MR003", mr.load_dataset(MULTIMODAL).aggregate()) == ()
    rng = np.random.default_rng(0)
    noise = frame_of(
        FA=rng.uniform(size=30), AD=rng.uniform(size=30), method=list("abcdefghij") * 3
    )
    (found,) = only("MR003", noise, item="method")
    assert found.severity == "warning"
    assert found.metrics == ()


# MR004
def test_confounded_by_block() -> None:
    oracle, pairs = only("MR004", mr.load_dataset(MULTIMODAL))
    assert (oracle.severity, oracle.metrics) == ("error", ("FA",))
    assert pairs.severity == "warning"
    table = mr.load_dataset(MULTIMODAL)
    frame = table.frame
    within = {c["metrics"][0]: c for c in oracle.evidence["comparisons"]}
    for metric in table.metrics:
        sign = 1 if table.directions[metric] == "higher" else -1
        rho = stats.spearmanr(sign * frame[metric], -frame["retrained_distance"]).statistic
        assert within[metric]["pooled"] == pytest.approx(rho)
        ranked = [
            (s * frame[c]).groupby(frame["dataset"]).rank() - 6.5
            for s, c in ((sign, metric), (-1, "retrained_distance"))
        ]
        expected = stats.pearsonr(*ranked).statistic
        assert within[metric]["stratified"] == pytest.approx(expected)
    published = {"FA": 0.118, "RA": 0.338, "MIA": 0.353, "AD": -0.192, "JS": 0.142}
    assert {m: round(c["stratified"], 3) for m, c in within.items()} == published
    units = frame.groupby(["dataset", "method"])["FA"].mean()
    groups = [g.to_numpy() for _, g in units.groupby(level=0)]
    assert oracle.evidence["level_p"]["FA"] == pytest.approx(stats.kruskal(*groups).pvalue)
    agreement = mr.agreement(table, n_resamples=1, rng=0)
    for c in pairs.evidence["comparisons"]:
        assert c["stratified"] == pytest.approx(agreement.estimate.loc[tuple(c["metrics"])])


def test_confounding_needs_blocks_that_differ() -> None:
    assert only("MR004", mr.load_dataset("unifiedunl-unimodal")) == ()
    rng = np.random.default_rng(3)
    frame = frame_of(FA=rng.uniform(size=40), RA=rng.uniform(size=40), data=["x", "y"] * 20)
    assert only("MR004", frame, block="data") == ()


def test_levels_alone_are_a_note() -> None:
    rng = np.random.default_rng(2)
    quality = rng.uniform(size=20)
    shift = np.repeat([0.0, 0.5], 10)
    frame = frame_of(
        a=quality + shift, b=quality + shift + rng.normal(0, 1e-6, 20), data=["x"] * 10 + ["y"] * 10
    )
    (found,) = only("MR004", frame, block="data", directions={"a": "higher", "b": "higher"})
    assert found.severity == "info"
    assert found.metrics == ("a", "b")


def test_what_becomes_of_a_correlation() -> None:
    assert lost(0.19, -0.9) == ""
    assert lost(0.2, -0.01) == "reversed"
    assert lost(-0.4, -0.19) == "lost"
    assert lost(0.4, 0.2) == ""
    assert lost(0.4, math.nan) == "undefined"
    assert lost(math.nan, 0.5) == ""
