"""Rankings that depend on how ties are broken: MR002."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.auditing.context import Context
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import coefficient, count, name
from metareval.stats.association import defined_cells

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# A quarter of the range of tau, [-1, 1]: the distance from "unrelated" to "rather alike".
WIDE_SPAN = 0.5


@dataclass(frozen=True)
class TieSpan:
    """What tau can become under tie-breaking, as the mean over cells, for every pair of metrics.

    Parameters
    ----------
    low, high : ndarray, shape (k, k)
        NaN where no cell has two rows with both values.
    tied : ndarray, shape (k, k)
        Pairs of rows tied in either metric, over all cells.
    n_cells : ndarray of int, shape (k, k)
        Cells with at least two rows that have both values.
    """

    low: FloatArray
    high: FloatArray
    tied: FloatArray
    n_cells: IntArray


def tie_span(x: FloatArray, cells: Sequence[IntArray]) -> TieSpan:
    """Return the exact span of each pair's mean tau over all ways to break ties.

    Untied pairs of rows keep their order; each of the T pairs of rows tied in either metric can
    be made concordant, all at once, by breaking the ties of each metric in the order of the other
    one and the rest in one common order. Breaking them against the other metric's order makes all
    T discordant. So tau spans exactly [(C - D - T) / n0, (C - D + T) / n0].

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Oriented metrics; a row without one of the two values is left out of the pair.
    cells : sequence of ndarray
    """
    k = x.shape[1]
    low, high, tied = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
    used = np.zeros((k, k), dtype=np.intp)
    for rows in cells:
        difference, untied, total = _pair_sums(x[rows])
        usable = total > 0
        ties = total - untied
        scale = np.where(usable, total, 1.0)
        low += np.where(usable, (difference - ties) / scale, 0.0)
        high += np.where(usable, (difference + ties) / scale, 0.0)
        tied += ties
        used += usable
    count = np.maximum(used, 1)
    blank = used == 0
    return TieSpan(
        np.where(blank, np.nan, low / count), np.where(blank, np.nan, high / count), tied, used
    )


def _pair_sums(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Count pairs of rows for all pairs of metrics: C - D, C + D and all with both values."""
    k = x.shape[1]
    difference, untied, total = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
    has = ~np.isnan(x)
    for i in range(len(x) - 1):
        here, rest = x[i], x[i + 1 :]
        sign = (here > rest).astype(np.float64) - (here < rest)
        both = (has[i] & has[i + 1 :]).astype(np.float64)
        difference += sign.T @ sign
        untied += np.abs(sign).T @ np.abs(sign)
        total += both.T @ both
    return difference, untied, total


def _ties(context: Context) -> Iterator[Finding]:
    span = tie_span(context.oriented, context.cells)
    defined = defined_cells(context.oriented, context.cells)
    claimed = context.claims.tau if context.claims is not None else {}
    records: list[dict[str, Any]] = []
    for a, first in enumerate(context.metrics):
        for b in range(a + 1, len(context.metrics)):
            second = context.metrics[b]
            if not span.tied[a, b] > 0:
                continue
            records.append(
                {
                    "metrics": [first, second],
                    "min": float(span.low[a, b]),
                    "max": float(span.high[a, b]),
                    "tied_pairs": int(span.tied[a, b]),
                    "tau_b": float(context.tau_mean[a, b]),
                    "n_defined": int(defined[a, b]),
                    "n_cells": int(span.n_cells[a, b]),
                    "claimed": claimed.get((first, second), math.nan),
                }
            )
    if not records:
        return
    records.sort(key=lambda r: (round(r["min"] - r["max"], 9), r["metrics"]))
    open_ended = [r for r in records if _depends(r)]
    worst = records[0]
    first, second = worst["metrics"]
    published = (
        f"; {coefficient(worst['claimed'])} was claimed" if math.isfinite(worst["claimed"]) else ""
    )
    n_pairs = len(context.metrics) * (len(context.metrics) - 1) // 2
    honest = (
        f"tau-b, which breaks no ties, is {coefficient(worst['tau_b'])} over the "
        f"{worst['n_defined']} where both vary"
        if worst["n_defined"]
        else "tau-b, which breaks no ties, is undefined, for in none do both vary"
    )
    yield TIE_BREAKING.finding(
        f"Ties touch {len(records)} of {count(n_pairs, 'pair')} of metrics: for {name(first)} and "
        f"{name(second)} the mean tau over {count(worst['n_cells'], context.cell_name)} is "
        f"anything from {coefficient(worst['min'])} to {coefficient(worst['max'])}, depending on "
        f"how ties are broken{published}; {honest}.",
        {
            "pairs": records,
            "n_pairs": n_pairs,
            "n_sign_or_size_open": len(open_ended),
            "cells": context.cell_name,
        },
        severity="error" if open_ended else "warning",
        metrics=[m for m in context.metrics if any(m in r["metrics"] for r in records)],
    )


def _depends(record: dict[str, Any]) -> bool:
    crosses = record["min"] < 0 < record["max"]
    return bool(crosses or record["max"] - record["min"] > WIDE_SPAN)


TIE_BREAKING = Rule(
    code="MR002",
    slug="tie-breaking",
    title="A rank correlation depends on how ties are broken",
    severity="warning",
    what="For every pair of metrics, the exact smallest and largest mean tau over cells that "
    "breaking ties can give. An error where that span holds both signs, or is wider than "
    f"{WIDE_SPAN}.",
    why="Ranking by argsort gives equal models different ranks by their order in the file. Two "
    "metrics that are both constant then agree perfectly, although neither ranks anything.",
    example="In the released results the mean tau of FA and RA over 9 cells is anything from "
    "-0.704 to 0.926; 0.852 was published, and tau-b over the 3 cells where both vary is 0.471.",
    advice="Use tau-b, which gives ties no order, and report in how many cells it is defined.",
    check=_ties,
)

RULES = (TIE_BREAKING,)
