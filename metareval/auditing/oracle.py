"""What is wrong with the oracle: metrics that see it, and its own noise (MR010, MR019)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metareval.auditing.context import Context
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import coefficient, count, name, names
from metareval.questions.ceiling import complete_repeats, oracle_ceiling
from metareval.stats.statistics import get_statistic

FloatArray = NDArray[np.float64]

MONOTONE_RHO = 0.999
FEWEST_ROWS = 4
# A perfect order of 6 rows has chance 2 / 6! = 0.003 for an unrelated metric; of 4, 0.083.
SURE_ROWS = 6
# Below it, less than half of the variance of the distances is closeness.
LOW_CEILING = 0.7


def _leaks(context: Context) -> Iterator[Finding]:
    if context.closeness is None:
        return
    oracle = name(context.table.oracle)
    shared = list(context.table.oracle_shared)
    if shared:
        are = "is" if len(shared) == 1 else "are"
        yield ORACLE_LEAKAGE.finding(
            f"{names(shared)} {are} computed by comparison with the same oracle model as "
            f"{oracle}, so part of any correlation with it is built in.",
            {"shared": shared, "oracle": context.table.oracle},
            metrics=shared,
        )
    closeness = {str(context.table.oracle): context.closeness}
    closeness |= {c: -d for c, d in context.distances.items() if c not in closeness}
    for a, metric in enumerate(context.metrics):
        for column, values in closeness.items():
            finding = _monotone(context, metric, context.oriented[:, a], column, values)
            if finding is not None:
                yield finding
                break


def _monotone(
    context: Context, metric: str, values: FloatArray, column: str, closeness: FloatArray
) -> Finding | None:
    columns = np.column_stack([values, closeness])
    columns = columns[~np.isnan(columns).any(axis=1)]
    n = len(np.unique(columns, axis=0))
    if n < FEWEST_ROWS:
        return None
    cell = [np.arange(len(columns), dtype=np.intp)]
    rho = float(context.associate(columns, cell, "spearman", "pooled")[0, 1])
    if not abs(rho) >= MONOTONE_RHO:
        return None
    return ORACLE_LEAKAGE.finding(
        f"{name(metric)} is a monotone function of the distance {name(column)}: Spearman rho with "
        f"closeness is {coefficient(rho)} over {count(n, 'distinct row')}.",
        {"metric": metric, "distance": column, "rho": rho, "n_distinct": n},
        severity="error" if n >= SURE_ROWS else "warning",
        advice=MONOTONE_ADVICE,
        metrics=[metric],
    )


def _noisy(context: Context) -> Iterator[Finding]:
    table = context.table
    if not table.oracle_repeats:
        return
    repeats = complete_repeats(table.closeness_repeats)
    found = oracle_ceiling(repeats, context.block_rows, get_statistic("spearman"), "stratified")
    if found.value >= LOW_CEILING:
        return
    many = count(len(table.oracle_repeats), "oracle")
    where = f"within {name(table.block)}" if table.block is not None else "over all rows"
    evidence = {
        "oracles": list(table.oracle_repeats),
        "agreement": found.agreement,
        "ceiling": found.value,
        "reason": found.reason,
    }
    if math.isnan(found.agreement):
        message = (
            f"The agreement of the {many} is undefined {where} ({found.reason}), so that nothing "
            "says how far the distance to them can be trusted."
        )
    elif found.reason:
        message = (
            f"The {many} contradict each other: the mean Spearman rho of their distances {where} "
            f"is {coefficient(found.agreement)}, so their mean orders the models by noise."
        )
    else:
        message = (
            f"The {many} agree little: the mean Spearman rho of their distances {where} is "
            f"{coefficient(found.agreement)}, so that even a metric without error can be expected "
            f"to correlate {coefficient(found.value)} at most with their mean."
        )
    against = found.reason == "negative" or found.value == 0
    yield ORACLE_NOISE.finding(message, evidence, severity="error" if against else None)


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

ORACLE_NOISE = Rule(
    code="MR019",
    slug="oracle-noise",
    title="The oracles do not agree on which model is closer",
    severity="warning",
    what="Distances to several oracles (oracle= with several columns): the mean Spearman rho of "
    "every two within blocks, and the ceiling that follows for a correlation with their mean "
    f"(Spearman-Brown). Found where the ceiling is below {LOW_CEILING} or undefined; an error "
    "where the oracles agree by nothing or less.",
    why="An oracle is a trained model and has noise of its own. What is noise in the distance is "
    "nothing a metric can track, and a low correlation is then no sign against the metric.",
    example="The released results hold one distance to one retrained model, so that its noise "
    "cannot be seen; two oracles with an agreement of one fifth would have a ceiling of 0.577.",
    advice="Retrain further oracles with other seeds and pass all their distances, or measure the "
    "distance on more samples; until then read reliabilities as shares of the ceiling.",
    check=_noisy,
)

RULES = (ORACLE_LEAKAGE, ORACLE_NOISE)
