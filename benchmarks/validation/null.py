"""p-values of true null hypotheses: they must not be small too often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

import metareval as mr

FloatArray = NDArray[np.float64]
# The p-values of one table, by the test that gives them where there are several.
Draw = Callable[[np.random.Generator], FloatArray | dict[str, FloatArray]]

# 1,000 values of (b + 1) / (B + 1): the levels of the page are among them.
RESAMPLES = 999
ICC = 0.8


@dataclass(frozen=True)
class Case:
    """One null hypothesis.

    Parameters
    ----------
    test, data : str
        What is tested, on which data.
    draw : callable
        From a generator to the p-values of one table.
    tables : int
        Tables of a full run.
    limits : dict
        Why p-values that are too small are expected here, by test; where nothing is said they
        would be a defect.
    """

    test: str
    data: str
    draw: Draw
    tables: int = 400
    limits: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A name of its own."""
        return f"{self.test}; {self.data}"


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def independent(
    rng: np.random.Generator,
    *,
    n: int = 12,
    blocks: int = 1,
    replicates: int = 1,
    labelled: bool = True,
    levels: int = 0,
    metrics: int = 4,
    shift: float = 0.0,
    seed_shift: float = 0.0,
    heavy: bool = False,
    uneven: bool = False,
) -> mr.MetricTable:
    """Metrics that know nothing of the oracle, n items in each block."""
    k = metrics + 1
    values = tables.repeated(rng, n * blocks, replicates, np.eye(k), ICC if replicates > 1 else 1)
    if heavy:
        values = np.tan(np.pi * (rng.random(values.shape) - 0.5))
    if levels:
        values[:, :-1] = tables.in_levels(values[:, :-1], levels)
    values += shift * np.repeat(np.arange(blocks), n * replicates)[:, None]
    seeds = np.tile(rng.normal(size=replicates), n * blocks)
    values += seed_shift * seeds[:, None]
    out = tables.table(values, blocks=blocks, replicates=replicates, labelled=labelled)
    if not uneven:
        return out
    keep = np.ones(len(values), dtype=bool)
    keep[replicates - 1 :: 3 * replicates] = False
    return mr.MetricTable.from_frame(
        out.frame.loc[keep].reset_index(drop=True),
        metrics=list(out.metrics),
        directions=dict(out.directions),
        oracle="distance",
        block=out.block,
        item=out.item,
        replicate=out.replicate,
    )


def reliability(
    rng: np.random.Generator, options: dict[str, Any], shape: dict[str, Any]
) -> FloatArray:
    """The p-value of every metric; they are independent given the oracle."""
    found = mr.reliability(
        independent(rng, **shape), n_resamples=RESAMPLES, rng=_seed(rng), **options
    )
    return found.frame["pvalue"].to_numpy()


def any_of_five(rng: np.random.Generator) -> FloatArray:
    """The smallest corrected p-value of five metrics that correlate 0.7 with each other."""
    values = tables.normal(rng, 36, tables.matrix(*[0.0] * 5, between=0.7))
    found = mr.reliability(tables.table(values), n_resamples=RESAMPLES, rng=_seed(rng))
    return np.array([found.frame["adjusted"].min()])


def spread_only(rng: np.random.Generator) -> FloatArray:
    """A metric that tells the spread of the oracle's distance, and nothing of its level."""
    x = rng.normal(size=(36, 1))
    values = np.column_stack([x, x[:, 0] * rng.normal(size=36)])
    found = mr.reliability(tables.table(values), n_resamples=RESAMPLES, rng=_seed(rng))
    return found.frame["pvalue"].to_numpy()


def agreement(
    rng: np.random.Generator, options: dict[str, Any], shape: dict[str, Any]
) -> FloatArray:
    """The p-values of two pairs of metrics without a metric in common."""
    found = mr.agreement(
        independent(rng, **shape), n_resamples=RESAMPLES, rng=_seed(rng), **options
    )
    return np.array([found.pvalue.loc["m0", "m1"], found.pvalue.loc["m2", "m3"]])


def comparison(
    rng: np.random.Generator,
    statistic: str,
    rho: float,
    n: int,
    blocks: int = 1,
    replicates: int = 1,
) -> dict[str, FloatArray]:
    """Two metrics of equal reliability that correlate 0.5 at least."""
    r = tables.latent(statistic, rho)
    correlations = tables.matrix(r, r, between=max(0.5, r * r))
    values = tables.repeated(rng, n * blocks, replicates, correlations, ICC)
    found = mr.compare_metrics(
        tables.table(values, blocks=blocks, replicates=replicates),
        statistic=statistic,
        n_resamples=RESAMPLES,
        rng=_seed(rng),
    ).frame
    return {test: found[column].to_numpy() for test, column in PAIRED.items()}


def two_tables(
    rng: np.random.Generator,
    n: tuple[int, int],
    blocks: tuple[int, int],
    replicates: tuple[int, int],
) -> FloatArray:
    """Two tables whose three metrics agree alike."""
    correlations = tables.matrix(0.5, 0.5)
    pair = [
        tables.table(
            tables.repeated(rng, n[i] * blocks[i], replicates[i], correlations, ICC),
            blocks=blocks[i],
            replicates=replicates[i],
            oracle=False,
        )
        for i in range(2)
    ]
    found = mr.compare_agreement(*pair, n_resamples=499, rng=_seed(rng))
    return np.array([found.pvalue])


def _reliability(data: str, options: dict[str, Any], shape: dict[str, Any], **more: Any) -> Case:
    name = {"unit": "reliability, rows permuted"}.get(next(iter(options), ""), "reliability")
    how = ", ".join(str(v) for k, v in options.items() if k != "unit")
    return Case(
        f"{name}{', ' + how if how else ''}",
        data,
        partial(reliability, options=options, shape=shape),
        **more,
    )


def _agreement(data: str, shape: dict[str, Any], **more: Any) -> Case:
    return Case("agreement", data, partial(agreement, options={}, shape=shape), **more)


def _comparison(
    statistic: str, rho: float, n: int, data: str = "", many: int = 700, **shape: Any
) -> Case:
    return Case(
        f"comparison, {statistic}",
        f"{data or f'{n} models'}, both reliabilities {rho:g}",
        partial(comparison, statistic=statistic, rho=rho, n=n, **shape),
        tables=many,
        limits={"Williams": WILLIAMS_LIMIT, "Steiger": WILLIAMS_LIMIT},
    )


SEEDS = {"n": 4, "blocks": 3, "replicates": 3}
ROWS_LIMIT = 'the seeds of a model are not independent models; `unit="row"` says they are'
PAIRED = {"paired permutation": "pvalue", "Williams": "williams_p", "Steiger": "steiger_p"}
WILLIAMS_LIMIT = "the test supposes product moments of normal variables and many models"

CASES = (
    _reliability("12 models", {}, {"n": 12}),
    _reliability("36 models", {"statistic": "kendall"}, {"n": 36}),
    _reliability("150 models", {}, {"n": 150}, tables=300),
    _reliability("12 models, metric with 3 levels", {}, {"n": 12, "levels": 3}),
    _reliability("12 models, Cauchy", {"statistic": "pearson"}, {"n": 12, "heavy": True}),
    _reliability("3 blocks of 4 models, all listed", {}, {"n": 4, "blocks": 3}, tables=200),
    _reliability(
        "3 blocks of 12 models, levels of blocks differ",
        {"estimate": "pooled"},
        {"n": 12, "blocks": 3, "shift": 3.0},
    ),
    _reliability("3 blocks of 4 models, 3 seeds each, all listed", {}, SEEDS, tables=200),
    _reliability("12 models, 3 seeds each", {}, {"n": 12, "replicates": 3}),
    _reliability(
        "12 models, 3 runs each without a replicate role",
        {},
        {"n": 12, "replicates": 3, "labelled": False},
    ),
    _reliability(
        "12 models, 3 seeds each, a seed shifts metric and oracle",
        {},
        {"n": 12, "replicates": 3, "seed_shift": 1.0},
    ),
    _reliability("12 models, 2 or 3 seeds each", {}, {"n": 12, "replicates": 3, "uneven": True}),
    _reliability(
        "12 models, 3 seeds each",
        {"unit": "row"},
        {"n": 12, "replicates": 3},
        tables=250,
        limits={"": ROWS_LIMIT},
    ),
    Case("reliability, Holm over 5 metrics", "36 models", any_of_five, tables=700),
    Case(
        "reliability",
        "36 models, metric tells the oracle's spread only",
        spread_only,
        tables=700,
        limits={"": "a permutation tests independence, and here only the correlation is 0"},
    ),
    _agreement("12 models", {"n": 12}),
    _agreement("3 blocks of 4 models, 3 seeds each, all listed", SEEDS, tables=200),
    _agreement(
        "12 models, 3 runs each without a replicate role",
        {"n": 12, "replicates": 3, "labelled": False},
    ),
    _comparison("pearson", 0.5, 12),
    _comparison("pearson", 0.8, 36),
    _comparison("spearman", 0.5, 12),
    _comparison("spearman", 0.5, 36),
    _comparison("spearman", 0.5, 150, many=500),
    _comparison("spearman", 0.8, 36),
    _comparison("kendall", 0.5, 36),
    _comparison("spearman", 0.5, 12, "3 blocks of 12 models", blocks=3, many=500),
    _comparison("spearman", 0.5, 12, "12 models, 3 seeds each", replicates=3, many=400),
    Case(
        "difference in mean agreement",
        "36 and 36 models",
        partial(two_tables, n=(36, 36), blocks=(1, 1), replicates=(1, 1)),
    ),
    Case(
        "difference in mean agreement",
        "3 blocks of 4 models, 3 seeds each, in both tables",
        partial(two_tables, n=(4, 4), blocks=(3, 3), replicates=(3, 3)),
    ),
    Case(
        "difference in mean agreement",
        "12 and 60 models",
        partial(two_tables, n=(12, 60), blocks=(1, 1), replicates=(1, 1)),
        tables=500,
    ),
)
