"""The protocol of arXiv:2605.02206, reproduced as its authors ran it.

It is here so that published numbers can be checked against the released rows, not because it is
sound: the audit says what is wrong with it. In short: tied models get different ranks by the order
of rows, seeds count as models, datasets are pooled, and no p-value is corrected.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.errors import TableError
from metareval.stats.association import association, cell_rows, undefined_reason
from metareval.stats.normal_theory import correlation_pvalue, t_two_sided
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

if TYPE_CHECKING:
    from metareval.questions.agreement import AgreementResult
    from metareval.questions.reliability import ReliabilityResult

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

UQS_FLOOR = 0.01
PERTURBATION_SEED = 42
PERTURBATION_DRAWS = 100


def order_ranks(scores: FloatArray) -> IntArray:
    """Rank scores, best first, giving ties different ranks by their order in the file.

    Examples
    --------
    >>> import numpy as np
    >>> order_ranks(np.array([0.5, 0.9, 0.5]))
    array([1, 0, 2])
    """
    return np.argsort(np.argsort(-scores, kind="stable"), kind="stable")


def _cells(table: MetricTable) -> list[IntArray]:
    block, replicate = table.codes("block"), table.codes("replicate")
    return cell_rows(block * (int(replicate.max()) + 1) + replicate)


def _tau(a: NDArray[Any], b: NDArray[Any]) -> float:
    columns = np.column_stack([a, b]).astype(np.float64)
    rows = [np.arange(len(a), dtype=np.intp)]
    return float(association(columns, rows, get_statistic("kendall"), "pooled")[0, 0, 1])


def cell_taus(table: MetricTable) -> FloatArray:
    """Return tau of every pair of metrics in every cell, ties broken by row order.

    Returns
    -------
    ndarray, shape (n_cells, k, k)
    """
    x = table.oriented
    if np.isnan(x).any():
        row, column = np.argwhere(np.isnan(x))[0]
        raise TableError(
            f"The published protocol has no rule for missing values, and "
            f"{table.metrics[column]!r} has no value for {table.row_name(int(row))}. "
            "Leave the metric out with metrics=[...]."
        )
    cells = _cells(table)
    k = x.shape[1]
    out = np.full((len(cells), k, k), np.nan)
    for c, rows in enumerate(cells):
        ranks = [order_ranks(x[rows, a]) for a in range(k)]
        for a in range(k):
            for b in range(k):
                out[c, a, b] = 1.0 if a == b else _tau(ranks[a], ranks[b])
    return out


def published_agreement(table: MetricTable) -> AgreementResult:
    """Return the mean tau over (block, replicate) cells, with p from a t-test over the cells."""
    from metareval.questions.agreement import AgreementResult

    taus = cell_taus(table)
    n = len(taus)
    mean = taus.mean(axis=0)
    k = len(table.metrics)
    pvalue = np.zeros((k, k))
    for a in range(k):
        for b in range(k):
            if a != b:
                pvalue[a, b] = _one_sample_t(taus[:, a, b])
    names = pd.Index(table.metrics, name="metric")

    def frame(values: Any) -> pd.DataFrame:
        return pd.DataFrame(values, index=names, columns=names)

    nothing = frame(np.full((k, k), np.nan))
    off = ~np.eye(k, dtype=bool)
    return AgreementResult(
        estimate=frame(mean),
        low=nothing,
        high=nothing,
        pvalue=frame(pvalue),
        adjusted=nothing,
        n_defined=frame((~np.isnan(taus)).sum(axis=0)),
        reason=frame(np.where(np.isnan(mean), "too_few", "").astype(object)),
        note=frame(np.full((k, k), "", dtype=object)),
        n_rows=frame(np.full((k, k), len(table))),
        undefined_draws=frame(np.zeros((k, k))),
        confounded=frame(np.zeros((k, k), dtype=bool)),
        mean=float(mean[off].mean()) if k > 1 else math.nan,
        mean_low=math.nan,
        mean_high=math.nan,
        n_cells=n,
        n_units=len(table),
        statistic="kendall",
        estimator="mean",
        unit="row",
        correction="none",
        confidence=math.nan,
        n_resamples=0,
        exact=False,
        protocol="published",
    )


def _one_sample_t(values: FloatArray) -> float:
    n = len(values)
    if n < 2:
        return math.nan
    spread = float(values.std(ddof=1))
    middle = float(values.mean())
    if spread == 0:
        return math.nan if middle == 0 else 0.0
    return t_two_sided(middle / (spread / math.sqrt(n)), n - 1)


def published_mean_agreement(table: MetricTable) -> float:
    """Return the mean tau-b over metric pairs on raw values, all rows pooled, pairwise complete.

    Metrics are not oriented, so that a pair of opposite directions counts against agreement.
    """
    k = len(table.metrics)
    rows = [np.arange(len(table), dtype=np.intp)]
    matrix = association(table.values, rows, get_statistic("kendall"), "pooled")[0]
    pairs = matrix[np.triu_indices(k, 1)]
    return float(np.nanmean(pairs)) if not np.isnan(pairs).all() else math.nan


def published_reliability(table: MetricTable) -> ReliabilityResult:
    """Return Spearman's rho over all rows pooled, with the t approximation on rows."""
    from metareval.questions.reliability import ReliabilityResult, reliability_frame

    x, y = table.oriented, table.closeness
    rows = [np.arange(len(table), dtype=np.intp)]
    statistic = get_statistic("spearman")
    records = []
    for a in range(len(table.metrics)):
        rho = float(association(np.column_stack([x[:, a], y]), rows, statistic, "pooled")[0, 0, 1])
        n = int((~np.isnan(x[:, a]) & ~np.isnan(y)).sum())
        records.append(
            {
                "rho": rho,
                "pvalue": correlation_pvalue(rho, n),
                "n_rows": n,
                "n_units": n,
                "reason": undefined_reason(x[:, a], y, rows),
            }
        )
    return ReliabilityResult(
        frame=reliability_frame(table.metrics, records),
        statistic="spearman",
        estimator="pooled",
        unit="row",
        test="t",
        correction="none",
        confidence=math.nan,
        n_resamples=0,
        exact=False,
        oracle=str(table.oracle),
        protocol="published",
        oracle_repeats=table.oracle_repeats,
    )


def published_item_means(table: MetricTable) -> tuple[list[str], FloatArray]:
    """Return the items and the plain mean of every metric over all their rows."""
    items = table.levels("item")
    labels = np.array(table.labels("item"), dtype=object)
    return items, np.stack([table.values[labels == item].mean(axis=0) for item in items])


def perturbation_weights(k: int) -> FloatArray:
    """Return the weights that the published perturbation drew: numpy's legacy seed 42."""
    return np.random.RandomState(PERTURBATION_SEED).dirichlet(np.ones(k), size=PERTURBATION_DRAWS)
