"""The statistics against values of R, recorded by r_values.R in this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metareval as mr
from metareval.auditing.replicates import intraclass
from metareval.stats.intervals import percentile_interval
from metareval.stats.levels import kruskal_wallis, share_between
from metareval.stats.multiplicity import adjust
from metareval.stats.normal_theory import correlation_pvalue, steiger, williams
from metareval.stats.power import smallest_pvalue
from metareval.stats.rank_distance import tau_with_reference
from metareval.stats.ranks import average_ranks, competition_ranks

RECORDED = json.loads(Path(__file__).with_name("r_values.json").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = RECORDED["values"]


def vector(values: Any) -> np.ndarray:
    return np.array(values, dtype=np.float64)


# What R calls x is D.x, M$m1 is M.m1, and O is REPEATS.
M, REPEATS = (pd.DataFrame(RECORDED["data"].pop(name)) for name in "MO")
D = SimpleNamespace(**{name: vector(v) for name, v in RECORDED["data"].items()})
H, G = {"block": D.h}, {"block": D.g}
UNITS = G | {"item": D.u, "replicate": D.s}
MEAN, POOLED, T = {"estimate": "mean"}, {"estimate": "pooled"}, {"estimate": "pooled", "test": "t"}
DRAWS = 20_000

Table = dict[str, Callable[..., Any]]
# Statistic, metric, closeness and options of a reliability.
Given = tuple[str, Any, Any, dict[str, Any]]


def recorded(command: str) -> np.ndarray:
    if command not in VALUES:
        pytest.fail(f"r_values.json has no {command}: add it to r_values.R and run that again.")
    return vector(VALUES[command])


def ask(question: Callable[..., Any], frame: pd.DataFrame, *oracle: Any, **options: Any) -> Any:
    higher = dict.fromkeys(frame, "higher")
    return question(frame, *oracle, **{"n_resamples": 1, "rng": 0, "directions": higher} | options)


def reliable(statistic: str, metric: Any, closeness: np.ndarray, **options: Any) -> pd.Series:
    frame = pd.DataFrame({"m": metric})
    return ask(mr.reliability, frame, -closeness, statistic=statistic, **options).frame.loc["m"]


def cell(column: str, given: Given) -> float:
    statistic, metric, closeness, options = given
    return float(reliable(statistic, metric, closeness, **options)[column])


def agreement(statistic: str, *names: str, **options: Any) -> pd.DataFrame:
    return ask(mr.agreement, M[list(names)], statistic=statistic, **options).to_frame()


def matrix(statistic: str) -> pd.DataFrame:
    return ask(mr.agreement, M, statistic=statistic).estimate


def repeats(statistic: str, *names: str, **options: Any) -> Any:
    distances = -REPEATS[list(names)]
    return ask(mr.reliability, M[["m1"]], distances, statistic=statistic, **options)


def compare(statistic: str, *names: str, **options: Any) -> pd.Series:
    frame = M[list(names)]
    return ask(mr.compare_metrics, frame, -D.o, statistic=statistic, **options).frame.iloc[0]


def clusters(statistic: str, count: int | None = None) -> Any:
    return ask(mr.cluster_metrics, M, statistic=statistic, n_clusters=count)


def cuts(statistic: str) -> np.ndarray:
    return np.column_stack([clusters(statistic, count).labels for count in range(1, 7)])


def icc(values: np.ndarray, block: np.ndarray, unit: np.ndarray) -> float:
    return intraclass(values, block, unit)[0]


def quantiles(draws: np.ndarray) -> list[Any]:
    found = percentile_interval(draws, confidence=0.95, bounds=(0, 999))
    return [found.low, found.high]


BY_BLOCK = "mean(sapply(1:3, function(j)"
KENDALL, SPEARMAN = 'method = "kendall"', 'method = "spearman"'
ALPHA = "sqrt(psych::alpha({})$total$std.alpha)"

RHO: dict[str, Given] = {
    "cor.fk(x, y)": ("kendall", D.x, D.y, {}),
    f"cor(x, y, {KENDALL})": ("kendall", D.x, D.y, {}),
    f"cor(x, y, {SPEARMAN})": ("spearman", D.x, D.y, {}),
    "cor(x, y)": ("pearson", D.x, D.y, {}),
    f"cor(x7, y7, {KENDALL})": ("kendall", D.x7, D.y7, {}),
    f"cor(x7, y7, {SPEARMAN})": ("spearman", D.x7, D.y7, {}),
    "cor(x7, y7)": ("pearson", D.x7, D.y7, {}),
    "cor.fk(x[1:2], -y[1:2])": ("kendall", D.x[:2], -D.y[:2], {}),
    f"cor(v7, -w7, {KENDALL})": ("kendall", D.v7, -D.w7, {}),
    f"cor(v7, -w7, {SPEARMAN})": ("spearman", D.v7, -D.w7, {}),
    f'cor(xm, ym, {KENDALL}, use = "complete.obs")': ("kendall", D.xm, D.ym, {}),
    f'cor(xm, ym, {SPEARMAN}, use = "complete.obs")': ("spearman", D.xm, D.ym, {}),
    'cor(xm, ym, use = "complete.obs")': ("pearson", D.xm, D.ym, {}),
    "cor.fk(a, b)": ("kendall", D.a, D.b, {}),
    "cor.fk(a, -b)": ("kendall", D.a, -D.b, {}),
    "cor.fk(a%%7, floor(b%%11))": ("kendall", D.a % 7, D.b % 11 // 1, {}),
    f"cor(a%%7, floor(b%%11), {SPEARMAN})": ("spearman", D.a % 7, D.b % 11 // 1, {}),
    f"cor(a, b, {SPEARMAN})": ("spearman", D.a, D.b, {}),
    "cor(a, -b)": ("pearson", D.a, -D.b, {}),
    "stratified_tau(x, y, h)": ("kendall", D.x, D.y, H),
    "stratified_tau(M$m4, o, g)": ("kendall", M.m4, D.o, G),
    "cor(centred(x, h), centred(y, h))": ("spearman", D.x, D.y, H),
    "cor(centred(M$m2, g), centred(o, g))": ("spearman", M.m2, D.o, G),
    'statsBy(data.frame(g, M$m4, o), "g")$rwg[1, 2]': ("pearson", M.m4, D.o, G),
    f"{BY_BLOCK} cor.fk(M$m2[g == j], o[g == j])))": ("kendall", M.m2, D.o, G | MEAN),
    f"{BY_BLOCK} cor(M$m4[g == j], o[g == j], {SPEARMAN})))": ("spearman", M.m4, D.o, G | MEAN),
}
EQUAL: Table = {command: partial(cell, "rho", given) for command, given in RHO.items()} | {
    "cor.fk(as.matrix(M))": partial(matrix, "kendall"),
    f"cor(M, {SPEARMAN})": partial(matrix, "spearman"),
    "cor(M)": partial(matrix, "pearson"),
    f"c(cor(M, o, {KENDALL}))": partial(tau_with_reference, M.to_numpy().T, D.o),
    "stratified_tau(M$m2, M$m5, interaction(g, s))": (
        lambda: agreement("kendall", "m2", "m5", **UNITS)["estimate"].iloc[0]
    ),
    "rank(y)": partial(average_ranks, D.y),
    'rank(-y, ties.method = "min")': partial(competition_ranks, D.y),
    "quantile(b, c(0.025, 0.975), names = FALSE)": partial(quantiles, D.b),
    "summary(lm(rank(M$m5) ~ factor(g)))$r.squared": partial(share_between, M.m5.to_numpy(), D.g),
    "ICC(matrix(rank(M$m1[1:12]), 4, byrow = TRUE), lmer = FALSE)$results$ICC[1]": partial(
        icc, M.m1.to_numpy()[:12], np.zeros(12), D.u[:12]
    ),
    "ICC(matrix(rank(M$m2), 12, byrow = TRUE), lmer = FALSE)$results$ICC[1]": partial(
        icc, M.m2.to_numpy(), np.zeros(36), D.u
    ),
    "with(anova(lm(centred(M$m2, g) ~ factor(g) + factor(u))), "
    "(`Mean Sq`[2] - `Mean Sq`[3])/(`Mean Sq`[2] + 2 * `Mean Sq`[3]))": partial(
        icc, M.m2.to_numpy(), D.g, D.u
    ),
    "mean(cor.fk(as.matrix(O))[lower.tri(diag(3))])": (
        lambda: repeats("kendall", "o1", "o2", "o3").oracle_agreement
    ),
    ALPHA.format("cor(O)"): lambda: repeats("pearson", "o1", "o2", "o3").ceiling,
    ALPHA.format(f"cor(O, {SPEARMAN})"): lambda: repeats("spearman", "o1", "o2", "o3").ceiling,
    ALPHA.format('cor(O[c("o1", "o3")])'): lambda: repeats("pearson", "o1", "o3").ceiling,
    f"2/pi * asin({ALPHA.format('sin(pi/2 * cor.fk(as.matrix(O[1:2])))')})": (
        lambda: repeats("kendall", "o1", "o2").ceiling
    ),
}
for name, given in {"kendall": f", {KENDALL}", "spearman": f", {SPEARMAN}", "pearson": ""}.items():
    tree = f'hclust(as.dist((1 - cor(M{given}))/2), "average")'
    EQUAL[f"{tree}$height"] = lambda name=name: clusters(name).linkage[:, 2]
    EQUAL[f"cutree({tree}, 1:6)"] = partial(cuts, name)
for method in ("holm", "BH", "BY", "bonferroni", "hochberg", "hommel", "none"):
    EQUAL[f'p.adjust(pm, "{method}")'] = partial(adjust, D.pm, method.lower())

TEST = 'cor.test({}, method = "{}", exact = TRUE{})$p.value'
SEVEN = "orders(7), function(w) cor(v7, w"
WITHIN = "orders_within(h), function(w)"
UP, DOWN = ', alternative = "greater"', ', alternative = "less"'
P: dict[str, Given] = {
    "cor.test(x, y)$p.value": ("pearson", D.x, D.y, T),
    "cor.test(x7, -y7)$p.value": ("pearson", D.x7, -D.y7, T),
    "cor.test(M$m3, o)$p.value": ("pearson", M.m3, D.o, T),
    "cor.test(a, b)$p.value": ("pearson", D.a, D.b, T),
    f"cor.test(x, y, {SPEARMAN}, exact = FALSE)$p.value": ("spearman", D.x, D.y, T),
    f"cor.test(M$m2, o, {SPEARMAN}, exact = FALSE)$p.value": ("spearman", M.m2, D.o, T),
    TEST.format("x8, y8", "kendall", UP): ("kendall", D.x8, D.y8, {"alternative": "greater"}),
    TEST.format("x8, y8", "spearman", DOWN): ("spearman", D.x8, D.y8, {"alternative": "less"}),
    f"exact_p(w7, {SEVEN}, {KENDALL}))": ("kendall", D.v7, D.w7, {}),
    f"exact_p(w7, {SEVEN}, {SPEARMAN}))": ("spearman", D.v7, D.w7, {}),
    f"exact_p(-w7, {SEVEN}))": ("pearson", D.v7, -D.w7, {}),
    f"exact_p(y, {WITHIN} sum(centred(x, h) * centred(w, h)))": ("spearman", D.x, D.y, H),
    f"exact_p(-y, {WITHIN} stratified_tau(x, w, h))": ("kendall", D.x, -D.y, H),
}
for name in ("kendall", "spearman"):
    P[TEST.format("x7, y7", name, "")] = (name, D.x7, D.y7, {})
    P[TEST.format("x8, -y8", name, "")] = (name, D.x8, -D.y8, {})
    # So many that all orders of nine are listed.
    P[TEST.format("x9, y9", name, "")] = (name, D.x9, D.y9, {"n_resamples": 362_880})
PVALUES: Table = {command: partial(cell, "pvalue", given) for command, given in P.items()} | {
    "r.test(36, 0.3)$p": partial(correlation_pvalue, 0.3, 36),
    "r.test(5, -0.7)$p": partial(correlation_pvalue, -0.7, 5),
    TEST.format("1:7, 1:7", "kendall", ""): partial(smallest_pvalue, 7),
    "unlist(r.test(36, cor(M$m1, o), r13 = cor(M$m4, o), r23 = cor(M$m1, M$m4))"
    '[c("t", "p")])': lambda: compare("pearson", "m1", "m4")[["williams_t", "williams_p"]],
    "kruskal.test(1:6, c(1, 1, 1, 2, 2, 2))$p.value": partial(
        kruskal_wallis, np.arange(6.0), np.repeat([1, 2], 3)
    ),
    "kruskal.test(k, kg)$p.value": partial(kruskal_wallis, D.k, D.kg),
    "kruskal.test(-round(k), kg)$p.value": partial(kruskal_wallis, -np.round(D.k), D.kg),
    "kruskal.test(M$m5, g)$p.value": partial(kruskal_wallis, M.m5.to_numpy(), D.g),
    "kruskal.test(b%%7, a%%4)$p.value": partial(kruskal_wallis, D.b % 7, D.a % 4),
}
for n, r12, r13, r23 in (
    (103, 0.4, 0.5, 0.1),
    (30, -0.3, 0.6, 0.2),
    (12, 0.48, -0.41, -0.87),
    (15, 0.9, 0.85, 0.8),
    (50, 0, 0.3, -0.2),
    (36, 0.7, 0.7, 0.5),
):
    command = f'unlist(r.test({n}, r12 = {r12}, r13 = {r13}, r23 = {r23})[c("t", "p")])'
    PVALUES[command] = partial(williams, r12, r13, r23, n)
# psych's Steiger test is of two correlations without a shared variable. With the shared one as both
# 2 and 4, and its correlations 14 and 23 given as their mean, it is the test with pooled ones.
for n, r12, r34, r13, mean in (
    (103, 0.4, 0.5, 0.1, 0.45),
    (12, 0.7, -0.1, -0.3, 0.3),
    (50, -0.2, -0.4, 0.6, -0.3),
):
    given = f"r12 = {r12}, r34 = {r34}, r13 = {r13}, r14 = {mean}, r23 = {mean}, r24 = 1"
    PVALUES[f'unlist(r.test({n}, {given})[c("z", "p")])'] = partial(steiger, r12, r34, r13, n)

DRAWN: dict[str, Given] = {
    TEST.format("x12, y12", "kendall", ""): ("kendall", D.x12, D.y12, {"n_resamples": DRAWS}),
    TEST.format("x12, -y12", "spearman", ""): ("spearman", D.x12, -D.y12, {"n_resamples": DRAWS}),
    TEST.format("M$m6, o", "kendall", ""): ("kendall", M.m6, D.o, {"n_resamples": DRAWS}),
}


def between_metrics() -> pd.Series:
    return agreement("kendall", "m1", "m2", n_resamples=DRAWS, **UNITS).iloc[0]


def between_repeats() -> dict[str, float]:
    found = repeats("spearman", "o1", "o2", "o3", n_resamples=DRAWS).oracle_agreement_interval
    return dict(zip(("low", "high"), found, strict=True))


WHOLE = "ends(function(i) {{ r <- rows_of(i); {} }}, 12, rep(1:3, each = 4))"
# Rows, rows within blocks, and units within blocks.
DRAWN_ROWS: dict[str, Given] = {
    "ends(function(i) cor.fk(x[i], y[i]), 12)": ("kendall", D.x, D.y, {}),
    f"ends(function(i) cor(x[i], y[i], {SPEARMAN}), 12)": ("spearman", D.x, D.y, {}),
    "ends(function(i) cor(x[i], -y[i]), 12)": ("pearson", D.x, -D.y, {}),
    "ends(function(i) cor(centred(x[i], h[i]), centred(y[i], h[i])), 12, h)": (
        "spearman",
        D.x,
        D.y,
        H,
    ),
    "ends(function(i) cor.fk(M$m6[i], o[i]), 36)": ("kendall", M.m6, D.o, {}),
    f"ends(function(i) cor(M$m4[i], o[i], {SPEARMAN}), 36)": ("spearman", M.m4, D.o, {}),
    "ends(function(i) stratified_tau(M$m2[i], o[i], g[i]), 36, g)": ("kendall", M.m2, D.o, G),
    WHOLE.format(f"cor(M$m2[r], o[r], {SPEARMAN})"): ("spearman", M.m2, D.o, UNITS | POOLED),
    WHOLE.format("cor(centred(M$m4[r], g[r]), centred(o[r], g[r]))"): (
        "spearman",
        M.m4,
        D.o,
        UNITS,
    ),
}
ENDS: Table = {
    command: partial(reliable, *given[:3], n_resamples=DRAWS, **given[3])
    for command, given in DRAWN_ROWS.items()
} | {
    WHOLE.format("stratified_tau(M$m1[r], M$m2[r], interaction(g, s)[r])"): between_metrics,
    f"ends(function(i) diff(cor(cbind(M$m1, M$m3)[i, ], o[i], {SPEARMAN})), 36)": partial(
        compare, "spearman", "m3", "m1", n_resamples=DRAWS
    ),
    f"ends(function(i) mean(cor(O[i, ], {SPEARMAN})[lower.tri(diag(3))]), 36)": between_repeats,
}


@pytest.mark.parametrize("command", EQUAL)
def test_statistics(command: str) -> None:
    # Both sum in float64 in an order of their own: a few units in the last place.
    np.testing.assert_allclose(EQUAL[command](), recorded(command), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("command", PVALUES)
def test_pvalues(command: str) -> None:
    # R's distribution functions and scipy's agree to about ten digits in the tails.
    found = vector(PVALUES[command]())
    np.testing.assert_allclose(found, recorded(command), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("command", DRAWN)
def test_drawn_pvalues(command: str) -> None:
    """Twice a one-sided share of 20,000 draws: within four of its standard errors."""
    exact = float(recorded(command))
    error = 2 * np.sqrt(exact / 2 * (1 - exact / 2) / DRAWS)
    assert cell("pvalue", DRAWN[command]) == pytest.approx(exact, abs=4 * error)


@pytest.mark.parametrize("command", ENDS)
def test_intervals(command: str) -> None:
    """The ends of 95 % lie between those of 93.75 and 96.25 % by R's draws.

    The share of 20,000 draws beyond an end has a standard error of 0.0011, and from sample to
    sample of 0.00156; four of these are 0.00625 in either tail.
    """
    (low, high), _, (lowest, highest) = recorded(command)
    found = ENDS[command]()
    assert lowest <= found["low"] <= low
    assert high <= found["high"] <= highest


def test_every_value_is_used() -> None:
    assert sorted([*EQUAL, *PVALUES, *DRAWN, *ENDS]) == sorted(VALUES)
