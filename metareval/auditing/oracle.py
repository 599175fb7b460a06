"""Metrics that see the oracle they are judged by: MR010."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metareval.auditing.context import Context
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import coefficient, count, name, names

MONOTONE_RHO = 0.999
FEWEST_ROWS = 4
# A perfect order of 6 rows has chance 2 / 6! = 0.003 for an unrelated metric; of 4, 0.083.
SURE_ROWS = 6


def _leaks(context: Context) -> Iterator[Finding]:
    if context.closeness is None:
        return
    oracle = name(context.table.oracle)
    shared = list(context.table.oracle_shared)
    if shared:
        are = "is" if len(shared) == 1 else "are"
        yield ORACLE_LEAKAGE.finding(
            f"{names(shared)} {are} computed by comparison with the same oracle model that the "
            f"distance {oracle} is measured to, so part of any correlation with it is built in.",
            {"shared": shared, "oracle": context.table.oracle},
            metrics=shared,
        )
    for a, metric in enumerate(context.metrics):
        columns = np.column_stack([context.oriented[:, a], context.closeness])
        columns = columns[~np.isnan(columns).any(axis=1)]
        n = len(np.unique(columns, axis=0))
        if n < FEWEST_ROWS:
            continue
        cell = [np.arange(len(columns), dtype=np.intp)]
        rho = float(context.associate(columns, cell, "spearman", "pooled")[0, 1])
        if not abs(rho) >= MONOTONE_RHO:
            continue
        yield ORACLE_LEAKAGE.finding(
            f"{name(metric)} is a monotone function of the distance {oracle}: Spearman rho with "
            f"closeness is {coefficient(rho)} over {count(n, 'distinct row')}.",
            {"metric": metric, "rho": rho, "n_distinct": n},
            severity="error" if n >= SURE_ROWS else "warning",
            advice=MONOTONE_ADVICE,
            metrics=[metric],
        )


MONOTONE_ADVICE = (
    "Check that the metric is not computed from the distance itself; if it is, its reliability "
    "says nothing."
)

ORACLE_LEAKAGE = Rule(
    code="MR010",
    slug="oracle-leakage",
    title="A metric shares a component with the oracle it is judged by",
    severity="warning",
    what="Metrics known or declared (oracle_shared) to be computed from the oracle model, and "
    f"metrics with a Spearman rho of at least {MONOTONE_RHO} in size with the distance to it. The "
    f"latter is an error over {SURE_ROWS} distinct rows or more, where it is not chance.",
    why="Two comparisons with one model share its noise and its choices. Their correlation is "
    "partly the oracle's with itself, not a sign that the metric is right.",
    example="In the released results AD and JS compare each model with the retrained model, and "
    "retrained_distance is the distance to the same retrained model.",
    advice="Compute the metric against a second oracle (another seed), or report it apart from "
    "metrics that do not see the oracle.",
    check=_leaks,
)

RULES = (ORACLE_LEAKAGE,)
