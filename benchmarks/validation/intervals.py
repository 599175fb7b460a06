"""How often intervals hold the true value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

import metareval as mr
from metareval.questions.reliability import T_STATISTICS

FloatArray = NDArray[np.float64]
# Of one table: estimates, lower ends, upper ends.
Draw = Callable[[np.random.Generator], tuple[Sequence[float], Sequence[float], Sequence[float]]]

RESAMPLES = 499
ICC = 0.8
NOMINAL = 0.95


@dataclass(frozen=True)
class Case:
    """Intervals of one quantity.

    Parameters
    ----------
    quantity, data : str
    draw : callable
        From a generator to the estimates and intervals of one table.
    truth : callable
        Returns the true value of each, which may take time.
    labels : tuple of str
        What each is, where there are several.
    tables : int
        Tables of a full run.
    """

    quantity: str
    data: str
    draw: Draw
    truth: Callable[[], tuple[float, ...]]
    labels: tuple[str, ...] = ("",)
    tables: int = 400

    @property
    def name(self) -> str:
        """A name of its own."""
        return f"{self.quantity}; {self.data}"


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def reliability(
    rng: np.random.Generator,
    statistic: str,
    latent: tuple[float, ...],
    n: int,
    blocks: int = 1,
    replicates: int = 1,
    levels: int = 0,
    estimate: str = "stratified",
) -> tuple[Any, Any, Any]:
    """Metrics of known reliability."""
    values = tables.repeated(
        rng, n * blocks, replicates, tables.matrix(*latent), ICC if replicates > 1 else 1
    )
    if levels:
        values = tables.in_levels(values, levels)
    # In one block a pooled estimate is the stratified one, and its t test costs nothing.
    quick = {"estimate": "pooled" if blocks == 1 else estimate}
    if blocks == 1 and statistic in T_STATISTICS:
        quick["test"] = "t"
    found = mr.reliability(
        tables.table(values, blocks=blocks, replicates=replicates),
        statistic=statistic,
        n_resamples=RESAMPLES,
        rng=_seed(rng),
        **quick,
    ).frame
    return found["rho"], found["low"], found["high"]


def agreement(
    rng: np.random.Generator,
    statistic: str,
    r: float,
    n: int,
    blocks: int = 1,
    replicates: int = 1,
    levels: int = 0,
) -> tuple[Any, Any, Any]:
    """One pair of metrics, and the mean over the pairs of three that correlate alike."""
    values = tables.repeated(rng, n * blocks, replicates, tables.matrix(r, r, between=r), ICC)
    if levels:
        values = tables.in_levels(values, levels)
    found = mr.agreement(
        tables.table(values, blocks=blocks, replicates=replicates, oracle=False),
        statistic=statistic,
        n_resamples=RESAMPLES,
        rng=_seed(rng),
    )
    one = (found.estimate, found.low, found.high)
    mean = (found.mean, found.mean_low, found.mean_high)
    estimate, low, high = (
        (float(frame.loc["m0", "m1"]), part) for frame, part in zip(one, mean, strict=True)
    )
    return estimate, low, high


def comparison(
    rng: np.random.Generator,
    statistic: str,
    latent: tuple[float, float],
    n: int,
    blocks: int = 1,
    replicates: int = 1,
) -> tuple[Any, Any, Any]:
    """Two metrics of known reliabilities."""
    correlations = tables.matrix(*latent, between=0.5)
    values = tables.repeated(rng, n * blocks, replicates, correlations, ICC)
    found = mr.compare_metrics(
        tables.table(values, blocks=blocks, replicates=replicates),
        statistic=statistic,
        n_resamples=RESAMPLES,
        rng=_seed(rng),
    ).frame
    return found["difference"], found["low"], found["high"]


def two_tables(
    rng: np.random.Generator, r: tuple[float, float], n: tuple[int, int]
) -> tuple[Any, Any, Any]:
    """Two tables whose three metrics correlate ``r[0]`` and ``r[1]``."""
    pair = [
        tables.table(
            tables.normal(rng, n[i], tables.matrix(r[i], r[i], between=r[i])), oracle=False
        )
        for i in range(2)
    ]
    found = mr.compare_agreement(*pair, n_resamples=RESAMPLES, rng=_seed(rng))
    return [found.difference], [found.low], [found.high]


def best_set(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any]:
    """Three metrics of equal reliability: each is best, so the set must hold the first.

    As an interval: it holds 0 where the set holds the metric.
    """
    r = tables.latent("spearman", 0.5)
    values = tables.normal(rng, n, tables.matrix(r, r, r, between=0.5))
    found = mr.compare_metrics(tables.table(values), n_resamples=RESAMPLES, rng=_seed(rng))
    inside = "m0" in found.best_set
    return [0.0], [-1.0 if inside else 1.0], [1.0]


LATENT = (0.0, 0.5, 0.8)
SEEDS = {"blocks": 3, "replicates": 3}


def _truth(statistic: str, latent: Sequence[float], levels: int = 0) -> tuple[float, ...]:
    if levels:
        return tuple(tables.tied_population(statistic, r, levels) for r in latent)
    return tuple(tables.population(statistic, r) for r in latent)


def _difference(statistic: str, latent: Sequence[float]) -> tuple[float, ...]:
    high, low = _truth(statistic, latent)
    return (high - low,)


def _reliability(statistic: str, data: str, **shape: Any) -> Case:
    listed = shape.get("blocks", 1) > 1 and shape["n"] < 6
    return Case(
        f"reliability, {statistic}",
        data,
        partial(reliability, statistic=statistic, latent=LATENT, **shape),
        partial(_truth, statistic, LATENT, shape.get("levels", 0)),
        tuple(f"latent r {r:g}" for r in LATENT),
        # All permutations are listed, which takes time.
        tables=200 if listed else 400,
    )


def _agreement(statistic: str, data: str, **shape: Any) -> Case:
    return Case(
        f"agreement, {statistic}",
        data,
        partial(agreement, statistic=statistic, r=0.5, **shape),
        partial(_truth, statistic, (0.5, 0.5), shape.get("levels", 0)),
        ("one pair", "mean of 3 pairs"),
        tables=200 if shape.get("blocks", 1) > 1 and shape["n"] < 6 else 400,
    )


def _comparison(statistic: str, data: str, **shape: Any) -> Case:
    latent = (0.8, 0.5)
    return Case(
        f"difference in reliability, {statistic}",
        data,
        partial(comparison, statistic=statistic, latent=latent, **shape),
        partial(_difference, statistic, latent),
    )


def cases() -> list[Case]:
    """Return all cases."""
    both = ("spearman", "kendall")
    out = [_reliability(s, f"{n} models", n=n) for s in both for n in (12, 36, 150)]
    out += [_reliability(s, f"{n} models, 5 levels", n=n, levels=5) for s in both for n in (12, 36)]
    out += [
        _reliability(s, f"3 blocks of {n} models, 3 seeds each", n=n, **SEEDS)
        for s in both
        for n in (4, 12)
    ]
    out += [_reliability(s, "12 models, 3 seeds each", n=12, replicates=3) for s in both]
    out += [_agreement("kendall", f"{n} models", n=n) for n in (12, 36, 150)]
    out += [_agreement("spearman", "36 models", n=36)]
    out += [_agreement("kendall", "36 models, 5 levels", n=36, levels=5)]
    out += [
        _agreement("kendall", f"3 blocks of {n} models, 3 seeds each", n=n, **SEEDS)
        for n in (4, 12)
    ]
    out += [_comparison("spearman", f"{n} models", n=n) for n in (12, 36, 150)]
    out += [_comparison("kendall", f"{n} models", n=n) for n in (12, 36)]
    out += [
        _comparison("spearman", f"3 blocks of {n} models, 3 seeds each", n=n, **SEEDS)
        for n in (4, 12)
    ]
    out += [
        Case(
            "difference in mean agreement, kendall",
            f"{n[0]} and {n[1]} models",
            partial(two_tables, r=(0.7, 0.3), n=n),
            partial(_difference, "kendall", (0.7, 0.3)),
        )
        for n in ((12, 12), (36, 36))
    ]
    out += [
        Case("best set holds a best metric", f"{n} models", partial(best_set, n=n), lambda: (0.0,))
        for n in (12, 36)
    ]
    return out
