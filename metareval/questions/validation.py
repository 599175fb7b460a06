"""Does a composite beat its best part? Leave-one-block-out reliability of scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.design import build_design
from metareval.questions.comparison import first_best
from metareval.questions.reliability import last_column_draws
from metareval.stats.association import association, finite_columns
from metareval.stats.intervals import percentile_interval
from metareval.stats.ranks import average_ranks
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]

CANDIDATES = ("UQS", "best metric", "equal weights", "Borda")
COLUMNS = ("rho", "low", "high", "lead", "lead_low", "lead_high", "parts")


def no_validation() -> pd.DataFrame:
    """Return the frame of a score that could not be tested."""
    return pd.DataFrame(columns=list(COLUMNS), index=pd.Index([], name="candidate", dtype=object))


def leave_one_block_out(
    table: MetricTable,
    transformed: FloatArray,
    fit_weights: Callable[[MetricTable], FloatArray],
    fit_reliability: Callable[[MetricTable], FloatArray],
    *,
    statistic: str,
    confidence: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Score each block with what the other blocks teach, and correlate with the oracle.

    Parameters
    ----------
    table : MetricTable
    transformed : ndarray, shape (n, k)
        Metrics in [0, 1], higher is better.
    fit_weights, fit_reliability : callable
        From the other blocks to weights, and to each metric's reliability.

    Returns
    -------
    DataFrame, index candidate
        Stratified reliability over the held-out blocks with its interval; ``lead``, the score's
        reliability minus the candidate's, with its interval; ``parts``, which single metric was
        best for each held-out block. Empty for a table with one block.
    """
    blocks = table.levels("block")
    if len(blocks) < 2:
        return no_validation()
    labels = np.array(table.labels("block"), dtype=object)
    scores = np.full((len(table), len(CANDIDATES)), np.nan)
    parts = []
    oriented = table.oriented
    for held_out in blocks:
        rest = table.select(blocks=[b for b in blocks if b != held_out])
        rows = np.flatnonzero(labels == held_out)
        weights = fit_weights(rest)
        rho = fit_reliability(rest)
        usable = ~np.isnan(rho)
        if not usable.any():
            parts.append(f"{held_out}: none")
            continue
        best = first_best(table.metrics, rho)[0]
        parts.append(f"{held_out}: {table.metrics[best]}")
        used = weights > 0
        if used.any():
            scores[rows, 0] = transformed[np.ix_(rows, used)] @ weights[used]
        scores[rows, 1] = oriented[rows, best]
        scores[rows, 2] = transformed[np.ix_(rows, usable)].mean(axis=1)
        part = oriented[np.ix_(rows, usable)]
        complete = ~np.isnan(part).any(axis=1)
        scores[rows[complete], 3] = average_ranks(part[complete].T).mean(axis=0)
    # Rounding of sums must not break ties between equal rows.
    scores[:, [0, 2]] = np.round(scores[:, [0, 2]], 12)
    # Candidates are compared on the rows that all of them score.
    scores[np.isnan(scores).any(axis=1)] = np.nan
    design = build_design(table, oracle=True)
    chosen = get_statistic(statistic)
    closeness = table.closeness[design.order]
    columns = finite_columns(np.column_stack([scores[design.order], closeness]), chosen)
    cells = design.by_block
    rho = association(columns, cells, chosen, "stratified")[0, :-1, -1]
    draws = last_column_draws(columns, design.layout, cells, chosen, "stratified", n_resamples, rng)
    own = percentile_interval(draws, confidence=confidence, bounds=chosen.bounds)
    span = chosen.bounds[1] - chosen.bounds[0]
    lead = percentile_interval(draws[:, [0]] - draws, confidence=confidence, bounds=(-span, span))
    return pd.DataFrame(
        {
            "rho": rho,
            "low": own.low,
            "high": own.high,
            "lead": [np.nan, *(rho[0] - rho[1:])],
            "lead_low": lead.low,
            "lead_high": lead.high,
            "parts": ["", "; ".join(parts), "", ""],
        },
        index=pd.Index(CANDIDATES, name="candidate"),
    )
