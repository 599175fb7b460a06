"""Do metrics agree more in one table than in another (multimodal against unimodal, say)?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.design import Design, build_design
from metareval.errors import ArgumentError
from metareval.progress import track
from metareval.questions.agreement import bootstrap_matrices
from metareval.questions.options import check_options, check_protocol
from metareval.questions.published import published_mean_agreement
from metareval.results import Result
from metareval.stats.association import association, combine
from metareval.stats.intervals import percentile_interval
from metareval.stats.ranks import centred_ranks
from metareval.stats.resample import DRAWS_AT_ONCE, Rng, resampling_pvalue, resolve_rng
from metareval.stats.statistics import Statistic, get_statistic
from metareval.table import MetricTable, as_table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False, repr=False)
class AgreementDifference(Result):
    """Difference in mean agreement between two tables; see :func:`compare_agreement`.

    Parameters
    ----------
    a, b : float
        Mean agreement of each table over the shared metrics.
    difference : float
        ``a - b``, with its bootstrap interval ``low``, ``high`` and permutation ``pvalue``.
    metrics : tuple of str
        Metrics that both tables have.
    n_units_a, n_units_b : int
        Independent units of each table.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    pvalue: float
    metrics: tuple[str, ...]
    name_a: str
    name_b: str
    n_units_a: int
    n_units_b: int
    statistic: str
    estimator: str
    confidence: float
    n_resamples: int
    protocol: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return the comparison as one row."""
        columns = ("a", "b", "difference", "low", "high", "pvalue", "n_units_a", "n_units_b")
        return pd.DataFrame(
            {c: [getattr(self, c)] for c in columns},
            index=pd.Index([f"{self.name_a} - {self.name_b}"], name="tables"),
        )

    def headline(self) -> str:
        """Return one line that says what was compared and how."""
        how = "published protocol" if self.protocol else f"{self.estimator} estimate"
        return (
            f"Difference in mean agreement ({get_statistic(self.statistic).title}, {how}) over "
            f"{', '.join(self.metrics)}"
        )


def compare_agreement(
    table_a: MetricTable | pd.DataFrame,
    table_b: MetricTable | pd.DataFrame,
    *,
    statistic: str = "kendall",
    estimate: str = "stratified",
    protocol: str | None = None,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    rng: Rng = None,
) -> AgreementDifference:
    """Compare the mean agreement of the metrics that two tables share.

    Parameters
    ----------
    table_a, table_b : MetricTable or DataFrame
    statistic, estimate, confidence, n_resamples, rng
        See :func:`metareval.agreement`.
    protocol : {None, "published"}
        Reproduce arXiv:2605.02206: raw values, all rows pooled, no test.

    Returns
    -------
    AgreementDifference

    Notes
    -----
    The interval resamples units within blocks, each table by itself. The p-value exchanges whole
    units between all blocks of both tables: under the null hypothesis a unit's ranks within its
    cell (centred and scaled by the cell's size) could have come from either table. Units are
    exchanged with units of as many replicates.

    Examples
    --------
    >>> import metareval as mr
    >>> multimodal = mr.load_dataset("unifiedunl")
    >>> unimodal = mr.load_dataset("unifiedunl-unimodal")
    >>> result = mr.compare_agreement(unimodal, multimodal, protocol="published")
    >>> round(result.a, 3), round(result.b, 3), round(result.difference, 3)
    (0.158, 0.086, 0.072)
    """
    first, second = as_table(table_a), as_table(table_b)
    shared = tuple(m for m in first.metrics if m in second.metrics)
    if len(shared) < 2:
        raise ArgumentError(
            f"The tables {first.name!r} ({', '.join(first.metrics)}) and {second.name!r} "
            f"({', '.join(second.metrics)}) share {len(shared)} metrics; two are needed for an "
            "agreement."
        )
    first, second = first.select(metrics=shared), second.select(metrics=shared)
    common = {
        "metrics": shared,
        "name_a": first.name,
        "name_b": second.name,
        "n_units_a": first.n_units,
        "n_units_b": second.n_units,
    }
    if check_protocol(
        protocol, statistic=statistic != "kendall", estimate=estimate != "stratified"
    ):
        a, b = published_mean_agreement(first), published_mean_agreement(second)
        return AgreementDifference(
            a=a,
            b=b,
            difference=a - b,
            low=math.nan,
            high=math.nan,
            pvalue=math.nan,
            statistic="kendall",
            estimator="pooled",
            confidence=math.nan,
            n_resamples=0,
            protocol="published",
            **common,  # type: ignore[arg-type]
        )
    check_options(estimate=estimate, n_resamples=n_resamples, confidence=confidence)
    chosen = get_statistic(statistic)
    generator = resolve_rng(rng)
    designs = [build_design(t, oracle=False) for t in (first, second)]
    gaps = any(np.isnan(d.x).any() for d in designs)
    if (gaps and statistic != "kendall") or any(
        chosen.needs_finite and np.isinf(d.x).any() for d in designs
    ):
        raise ArgumentError(
            f"Tables with missing or infinite values can be compared by statistic='kendall' only; "
            f"statistic is {statistic!r}."
        )
    means = [_mean_agreement(d, chosen, estimate) for d in designs]
    draws = [
        np.concatenate(
            [
                _mean_of_pairs(matrices)
                for matrices in bootstrap_matrices(
                    d.x,
                    d,
                    d.cells(estimate, replicates=True),
                    chosen,
                    estimate,
                    n_resamples,
                    generator,
                )
            ]
        )
        for d in designs
    ]
    span = chosen.bounds[1] - chosen.bounds[0]
    interval = percentile_interval(draws[0] - draws[1], confidence=confidence, bounds=(-span, span))
    difference = means[0] - means[1]
    null = _exchanged(designs, chosen, estimate, n_resamples, generator)
    return AgreementDifference(
        a=means[0],
        b=means[1],
        difference=difference,
        low=float(interval.low),
        high=float(interval.high),
        pvalue=resampling_pvalue(difference, null, exact=False),
        statistic=statistic,
        estimator=estimate,
        confidence=confidence,
        n_resamples=n_resamples,
        **common,  # type: ignore[arg-type]
    )


def _mean_of_pairs(matrices: FloatArray) -> FloatArray:
    """Mean of the defined off-diagonal entries of each matrix; NaN where none is defined."""
    k = matrices.shape[-1]
    pairs = matrices[:, ~np.eye(k, dtype=bool)]
    count = (~np.isnan(pairs)).sum(axis=1)
    total = np.nansum(pairs, axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean_agreement(design: Design, statistic: Statistic, estimate: str) -> float:
    cells = design.cells(estimate, replicates=True)
    return float(_mean_of_pairs(association(design.x, cells, statistic, estimate))[0])


def _exchanged(
    designs: list[Design],
    statistic: Statistic,
    estimate: str,
    n_resamples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Differences in mean agreement when whole units trade places between the tables."""
    ranks = np.concatenate([_scaled_ranks(d, estimate) for d in designs])
    cut = len(designs[0].x)
    units = [
        rows + shift
        for d, shift in zip(designs, (0, cut), strict=True)
        for rows in d.layout.unit_rows()
    ]
    sizes = np.array([len(u) for u in units])
    cells = [d.cells(estimate, replicates=True) for d in designs]
    out = []
    for start in range(0, n_resamples, DRAWS_AT_ONCE):
        many = min(DRAWS_AT_ONCE, n_resamples - start)
        source = np.tile(np.arange(len(ranks), dtype=np.intp), (many, 1))
        for size in np.unique(sizes):
            members = np.stack([units[u] for u in np.flatnonzero(sizes == size)])
            order = rng.permuted(np.tile(np.arange(len(members)), (many, 1)), axis=1)
            for position, target in enumerate(members):
                source[:, target] = members[order[:, position]]
        tables = ranks[source]
        sides = [
            _mean_of_pairs(combine(statistic.batch(part, c), statistic, estimate))
            for part, c in zip((tables[:, :cut], tables[:, cut:]), cells, strict=True)
        ]
        out.append(sides[0] - sides[1])
    return np.concatenate(list(track(out, total=len(out), label="exchanges")))


def _scaled_ranks(design: Design, estimate: str) -> FloatArray:
    out = np.full(design.x.shape, np.nan)
    for rows in design.cells(estimate, replicates=True):
        for a in range(design.x.shape[1]):
            have = rows[~np.isnan(design.x[rows, a])]
            out[have, a] = centred_ranks(design.x[have, a]) / max(len(have), 1)
    return out
