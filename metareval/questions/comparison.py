"""Which of two metrics tracks the oracle better, and which cannot be told from the best?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.coerce import as_table
from metareval.design import Design, build_design
from metareval.progress import track
from metareval.questions.options import check_options
from metareval.questions.reliability import last_column_draws, with_oracle
from metareval.results import Result
from metareval.stats.association import association, combine, local_cells
from metareval.stats.cells import Statistic
from metareval.stats.intervals import percentile_interval
from metareval.stats.multiplicity import adjust
from metareval.stats.normal_theory import steiger, williams
from metareval.stats.ranks import centred_ranks
from metareval.stats.resample import (
    TOLERANCE,
    Rng,
    UnitSwaps,
    check_fraction,
    draw_seed,
    resampling_pvalue,
    resolve_rng,
)
from metareval.stats.statistics import get_statistic
from metareval.stats.swaps import KendallSwaps
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

COLUMNS = (
    "difference",
    "low",
    "high",
    "pvalue",
    "adjusted",
    "williams_t",
    "williams_p",
    "steiger_z",
    "steiger_p",
    "n_units",
    "reason",
)


@dataclass(frozen=True, eq=False, repr=False)
class ComparisonResult(Result):
    """Differences in reliability; see :func:`compare_metrics`.

    Parameters
    ----------
    frame : DataFrame, index (metric_a, metric_b)
        ``difference`` (reliability of a minus that of b) with its interval ``low``, ``high``;
        ``pvalue`` by paired permutation and ``adjusted``; Williams' t and Steiger's Z with their
        p-values, NaN for a statistic that is no correlation; ``n_units``; ``reason`` where
        undefined.
    rho : Series
        Reliability of each metric.
    best : str
        Metric with the highest reliability, of equals the first by name; empty where none is
        defined.
    best_set : tuple of str
        The best metric and those that cannot be told apart from it at ``alpha``: their paired
        permutation p against it, corrected over the comparisons with it, is above ``alpha``.
        Where several metrics are equally best, those that cannot be told apart from one of them.
    exact : bool
        Whether every choice of swaps was listed.
    """

    frame: pd.DataFrame
    rho: pd.Series
    best: str
    best_set: tuple[str, ...]
    statistic: str
    estimator: str
    unit: str
    correction: str
    alpha: float
    n_resamples: int
    exact: bool

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each pair of metrics."""
        return self.frame.copy()

    def headline(self) -> str:
        """Return one line that says which metrics could be the best."""
        if not self.best:
            return "Comparison of metrics: no metric has a defined reliability"
        others = ", ".join(m for m in self.best_set if m != self.best) or "none"
        return (
            f"Comparison of reliability ({get_statistic(self.statistic).title}, "
            f"{self.estimator}): best {self.best}; not told apart from it at "
            f"{self.alpha:g}: {others}"
        )


def compare_metrics(
    table: MetricTable | pd.DataFrame,
    oracle: Any = None,
    *,
    statistic: str = "spearman",
    estimate: str = "stratified",
    unit: str = "cell",
    correction: str = "holm",
    alpha: float = 0.05,
    n_resamples: int = 10_000,
    rng: Rng = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> ComparisonResult:
    """Compare the reliability of every pair of metrics.

    Parameters
    ----------
    table : MetricTable or DataFrame
    oracle : str, Series or array, or several, optional
        Distance to the oracle, or the mean of those to several; by default the table's own.
    statistic, estimate, unit, correction, n_resamples, rng
        See :func:`metareval.reliability`.
    alpha : float
        Level of the best set, and one minus the confidence of the intervals.
    metrics, directions, block, item, replicate
        Roles, for a DataFrame.

    Returns
    -------
    ComparisonResult

    Notes
    -----
    A comparison uses the rows in which both metrics and the oracle have a value.

    Paired permutation (Deutsch et al. 2021): the two metrics, ranked within blocks so that their
    scales are alike, trade their values in a random set of whole units; all 2 ** n_units sets are
    listed where that is feasible. Williams' and Steiger's tests use the signed correlations and
    ``n_units - n_blocks + 1`` observations (``n_units`` for a pooled estimate). They are tests of
    product moments: of Spearman's rho they are approximate, of Kendall's tau conservative.

    Examples
    --------
    >>> import metareval as mr
    >>> result = mr.compare_metrics(mr.load_dataset("unifiedunl"), n_resamples=200, rng=0)
    >>> result.best, len(result.best_set)
    ('MIA', 5)
    """
    check_fraction(alpha, "alpha", example=0.05)
    check_options(estimate=estimate, correction=correction, n_resamples=n_resamples)
    data = as_table(
        table,
        oracle,
        metrics=metrics,
        directions=directions,
        block=block,
        item=item,
        replicate=replicate,
    )
    chosen = get_statistic(statistic)
    generator = resolve_rng(rng)
    design = build_design(data, oracle=True, unit=unit)
    cells = design.cells(estimate, replicates=False)
    columns = with_oracle(design, chosen)
    matrix = association(columns, cells, chosen, estimate)[0]
    rho = matrix[:-1, -1]
    seed = draw_seed(generator)

    def draws_of(part: FloatArray) -> FloatArray:
        return last_column_draws(
            part,
            design.layout,
            cells,
            chosen,
            estimate,
            n_resamples,
            np.random.default_rng(seed),
        )

    complete = not np.isnan(columns).any()
    draws = draws_of(columns) if complete else np.empty((0, 0))
    k = len(data.metrics)
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    records = []
    exact = True
    span = chosen.bounds[1] - chosen.bounds[0]
    for a, b in track(pairs, total=len(pairs), label="paired permutations"):
        keep = np.asarray(~np.isnan(columns[:, [a, b, k]]).any(axis=1))
        record: dict[str, Any] = {"n_units": len(np.unique(design.layout.unit[keep]))}
        if complete:
            pair, pair_draws = matrix[np.ix_([a, b, k], [a, b, k])], draws[:, [a, b]]
        else:
            # All of a comparison rests on the rows that have both metrics and the oracle.
            shared = np.where(keep[:, None], columns[:, [a, b, k]], np.nan)
            pair = association(shared, cells, chosen, estimate)[0]
            pair_draws = draws_of(shared)
        record["reason"] = "undefined_reliability" if np.isnan(pair[:2, 2]).any() else ""
        if not record["reason"]:
            interval = percentile_interval(
                pair_draws[:, 0] - pair_draws[:, 1], confidence=1 - alpha, bounds=(-span, span)
            )
            record |= {
                "difference": pair[0, 2] - pair[1, 2],
                "low": float(interval.low),
                "high": float(interval.high),
            }
            record["pvalue"], listed = _paired_pvalue(
                columns[:, [a, b, k]], keep, design, cells, chosen, estimate, n_resamples, generator
            )
            exact = exact and listed
            # An accuracy is no correlation.
            if chosen.bounds == (-1.0, 1.0):
                n = record["n_units"]
                if estimate != "pooled":
                    n -= len(np.unique(design.layout.block[keep])) - 1
                correlations = (pair[0, 2], pair[1, 2], pair[0, 1])
                record["williams_t"], record["williams_p"] = williams(*correlations, n)
                record["steiger_z"], record["steiger_p"] = steiger(*correlations, n)
        records.append(record)
    frame = pd.DataFrame(
        records,
        columns=list(COLUMNS),
        index=pd.MultiIndex.from_tuples(
            [(data.metrics[a], data.metrics[b]) for a, b in pairs], names=["metric_a", "metric_b"]
        ),
    ).astype({**dict.fromkeys(COLUMNS, float), "n_units": int, "reason": object})
    frame["adjusted"] = adjust(frame["pvalue"].to_numpy(), correction)
    best, best_set = _best(data.metrics, rho, frame, correction, alpha)
    return ComparisonResult(
        frame=frame,
        rho=pd.Series(rho, index=pd.Index(data.metrics, name="metric"), name="rho"),
        best=best,
        best_set=best_set,
        statistic=statistic,
        estimator=estimate,
        unit=unit,
        correction=correction,
        alpha=alpha,
        n_resamples=n_resamples,
        exact=exact,
    )


def _paired_pvalue(
    columns: FloatArray,
    keep: NDArray[np.bool_],
    design: Design,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[float, bool]:
    """Paired permutation p of equal reliability of the first two columns with the third."""
    rows = local_cells(cells, keep)
    values = columns[keep].copy()
    for cell in rows:
        values[cell, 0] = centred_ranks(values[cell, 0])
        values[cell, 1] = centred_ranks(values[cell, 1])
    _, unit = np.unique(design.layout.unit[keep], return_inverse=True)
    swaps = UnitSwaps(int(unit.max()) + 1, n_resamples, rng, per_draw=values.size)

    x, z, y = values.T
    kendall = KendallSwaps(x, z, y, unit, rows, estimate) if statistic.name == "kendall" else None

    def difference(swapped: NDArray[np.bool_]) -> FloatArray:
        if kendall is not None:
            first, second = kendall(swapped)
            return first - second
        chosen = swapped[:, unit]
        tables = np.empty((len(swapped), len(values), 3))
        tables[:, :, 0] = np.where(chosen, values[:, 1], values[:, 0])
        tables[:, :, 1] = np.where(chosen, values[:, 0], values[:, 1])
        tables[:, :, 2] = values[:, 2]
        found = combine(statistic.batch(tables, rows), statistic, estimate)
        return np.asarray(found[:, 0, 2] - found[:, 1, 2])

    observed = float(difference(np.zeros((1, swaps.n_units), dtype=bool))[0])
    draws = np.concatenate([difference(part) for part in swaps])
    return resampling_pvalue(observed, draws, exact=swaps.exact), swaps.exact


def first_best(metrics: Sequence[str], rho: FloatArray) -> list[int]:
    """Return the positions of the metrics with the highest reliability, in the order of names.

    Reliabilities that differ by rounding only are equal. Empty where none is defined.
    """
    if np.isnan(rho).all():
        return []
    found = np.flatnonzero(rho >= np.nanmax(rho) - TOLERANCE).tolist()
    return sorted(found, key=lambda a: metrics[a])


def _best(
    metrics: Sequence[str], rho: FloatArray, frame: pd.DataFrame, correction: str, alpha: float
) -> tuple[str, tuple[str, ...]]:
    firsts = first_best(metrics, rho)
    if not firsts:
        return "", ()
    alike: set[int] = set(firsts)
    # Of equals none is the best, so what cannot be told from one of them stays.
    for best in firsts:
        others = [a for a in range(len(metrics)) if a != best and not np.isnan(rho[a])]
        pvalues = np.array(
            [
                frame["pvalue"].iloc[_pair_position(min(a, best), max(a, best), len(metrics))]
                for a in others
            ],
            dtype=np.float64,
        )
        adjusted = adjust(pvalues, correction)
        alike |= {a for a, p in zip(others, adjusted, strict=True) if not p <= alpha}
    return metrics[firsts[0]], tuple(m for a, m in enumerate(metrics) if a in alike)


def _pair_position(a: int, b: int, k: int) -> int:
    return a * k - a * (a + 1) // 2 + b - a - 1
