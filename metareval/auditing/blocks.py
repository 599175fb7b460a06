"""Correlations that blocks make or hide: MR004."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metareval.auditing.context import Context, IntArray
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import coefficient, count, listing, name, names, pair
from metareval.stats.levels import kruskal_wallis

# Below this a pooled correlation is too weak for its loss to matter.
WORTH_LOSING = 0.2
LOST_SHARE = 0.5
LEVEL_P = 0.05


def lost(pooled: float, stratified: float) -> str:
    """Say what becomes of a pooled correlation within blocks.

    Returns
    -------
    {"", "reversed", "lost", "undefined"}
        ``lost``: less than half of it is left.
    """
    if not abs(pooled) >= WORTH_LOSING:
        return ""
    if math.isnan(stratified):
        return "undefined"
    if stratified * pooled < 0:
        return "reversed"
    return "lost" if abs(stratified) < LOST_SHARE * abs(pooled) else ""


def _compare(
    context: Context, statistic: str, cells: Sequence[IntArray], *, oracle: bool
) -> list[dict[str, Any]]:
    """Compare pooled with stratified correlations, of metrics with the oracle or each other."""
    columns = np.column_stack(list(context.columns.values()))
    pooled = context.associate(columns, context.everything, statistic, "pooled")
    within = context.associate(columns, cells, statistic, "stratified")
    labels, k = list(context.columns), len(context.metrics)
    pairs = (
        [(a, k) for a in range(k)]
        if oracle
        else [(a, b) for a in range(k) for b in range(a + 1, k)]
    )
    return [
        {
            "metrics": [labels[a]] if oracle else [labels[a], labels[b]],
            "pooled": float(pooled[a, b]),
            "stratified": float(within[a, b]),
            "change": lost(float(pooled[a, b]), float(within[a, b])),
        }
        for a, b in pairs
    ]


def _confounded(context: Context) -> Iterator[Finding]:
    if len(context.blocks) < 2:
        return
    levels = {
        c: kruskal_wallis(context.unit_means(v), context.unit_block)
        for c, v in context.columns.items()
    }
    differing = [c for c, p in levels.items() if p < LEVEL_P]
    evidence = {"level_p": levels, "levels_differ": differing}
    because = (
        f"; levels differ between blocks for {names(differing)} (Kruskal-Wallis over units, "
        f"p < {LEVEL_P})"
        if differing
        else ""
    )
    fired = False
    questions = [("kendall", context.cells, False)]
    if context.closeness is not None:
        questions.insert(0, ("spearman", context.block_rows, True))
    for statistic, cells, oracle in questions:
        records = _compare(context, statistic, cells, oracle=oracle)
        changed = [r for r in records if r["change"]]
        if not changed:
            continue
        fired = True
        reversals = [r for r in changed if r["change"] == "reversed"]
        order = [*reversals, *(r for r in changed if r["change"] != "reversed")]
        shown = listing([_change(r) for r in order], limit=4)
        what = (
            "Spearman correlation with closeness to the oracle"
            if oracle
            else "tau-b between metrics"
        )
        touched = {m for r in changed for m in r["metrics"]}
        yield CONFOUNDED.finding(
            f"{what[0].upper()}{what[1:]} does not hold within blocks for {len(changed)} of "
            f"{count(len(records), 'metric' if oracle else 'pair')}: {shown}{because}.",
            {**evidence, "statistic": statistic, "comparisons": records},
            severity="error" if oracle and reversals else "warning",
            metrics=[m for m in context.metrics if m in touched],
        )
    if not fired and len(differing) > 1:
        yield CONFOUNDED.finding(
            f"Levels differ between blocks for {names(differing)} (Kruskal-Wallis over units, "
            f"p < {LEVEL_P}), so a pooled correlation between them would measure the blocks.",
            evidence,
            severity="info",
            metrics=[m for m in context.metrics if m in differing],
        )


def _change(record: dict[str, Any]) -> str:
    who = name(record["metrics"][0]) if len(record["metrics"]) == 1 else pair(*record["metrics"])
    pooled, within = coefficient(record["pooled"]), coefficient(record["stratified"])
    return f"{who} ({pooled} pooled, {within} within)"


CONFOUNDED = Rule(
    code="MR004",
    slug="confounded-by-block",
    title="A correlation is made by differences between blocks",
    severity="warning",
    what="Pooled against stratified correlations: Spearman of each metric with closeness to the "
    "oracle, tau-b of each pair of metrics. It fires where a pooled correlation of at least "
    f"{WORTH_LOSING} in size has the other sign within blocks, is undefined there, or keeps less "
    "than half its size; an error where a correlation with the oracle changes sign. Where only "
    "levels differ between blocks (Kruskal-Wallis on unit means) it is a note.",
    why="A metric that is high on one data set and low on another correlates with everything else "
    "that differs between them, whatever it says about the models (Simpson's paradox).",
    example="In the released results FA has rho -0.418 with closeness to the retrained model when "
    "all 36 rows are pooled, and 0.118 within data sets.",
    advice="Use the stratified estimate, the default of metareval, and do not report the pooled "
    "one.",
    check=_confounded,
)

RULES = (CONFOUNDED,)
