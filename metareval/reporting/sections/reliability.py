"""Which metrics track the oracle?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from metareval.questions.comparison import ComparisonResult
from metareval.questions.reliability import ReliabilityResult
from metareval.reporting.analysis import Analysis
from metareval.reporting.figures.forest import Series, forest
from metareval.reporting.figures.style import draw, font_note, labels
from metareval.reporting.parts import (
    Column,
    Heading,
    Part,
    Picture,
    Problem,
    Prose,
    Section,
    make_table,
)
from metareval.reporting.verdict import power_sentence, reliability_sentence, significant
from metareval.reporting.wording import (
    all_names,
    coefficient,
    confidence_name,
    interval,
    name,
    number,
    plural,
    pvalue,
    reason,
    signed,
)

MOST_METRICS = 40
_TITLE = "Which metrics track the oracle?"


def reliability_section(analysis: Analysis) -> Section:
    """Show each metric's correlation with closeness to the oracle, and which could be the best."""
    result = analysis.reliability
    if result is None:
        return Section(
            "reliability",
            _TITLE,
            reliability_sentence(analysis),
            (Problem(analysis.problems["reliability"]),),
        )
    table = analysis.table
    within = f"within each {name(table.block)}" if table.block else "over all models"
    lead = (
        "A metric is reliable when it orders the models as their distance to the oracle does. "
        f"Spearman's rho measures this {within}: 1 is the same order, 0 no relation, "
        f"\N{MINUS SIGN}1 the reverse. {reliability_sentence(analysis)}"
    )
    parts: list[Part] = []
    if result.oracle_repeats:
        parts.append(Prose(_ceiling(result)))
    if not any(significant(analysis)) and power_sentence(analysis):
        parts.append(Prose(power_sentence(analysis)))
    frame = _frame(result, analysis.pooled)
    if frame["rho"].notna().any() or frame["pooled"].notna().any():
        parts.append(_picture(analysis, frame))
    if analysis.pooled is None:
        parts.append(Problem(analysis.problems["pooled"]))
    parts.append(_metrics(analysis, frame))
    parts.append(Heading("Which metric could be the best?"))
    if analysis.comparison is None:
        parts.append(Problem(analysis.problems["comparison"]))
    else:
        parts += _comparison(analysis, analysis.comparison)
    return Section("reliability", _TITLE, lead, tuple(parts))


def _ceiling(result: ReliabilityResult) -> str:
    """Say how far the oracles agree, and what that allows."""
    oracles = f"The distance is the mean of those to {plural(len(result.oracle_repeats), 'oracle')}"
    level = confidence_name(result.confidence)
    if math.isnan(result.oracle_agreement):
        return (
            f"{oracles}. How far they agree on which model is closer is undefined "
            f"({reason(result.ceiling_reason)}), so there is no ceiling to read the correlations "
            "by."
        )
    agree = f"{oracles}, which correlate {coefficient(result.oracle_agreement)} with each other"
    if result.ceiling_reason:
        return (
            f"{agree}: they contradict each other, and no correlation with their mean says much "
            "about a metric."
        )
    return (
        f"{agree}. Even a metric that knew the true order could be expected to reach a rho of "
        f"{coefficient(result.ceiling)} at most (the ceiling; {level} interval "
        f"{interval(*result.ceiling_interval)})."
    )


def _frame(result: ReliabilityResult, pooled: ReliabilityResult | None) -> pd.DataFrame:
    frame = result.to_frame()
    nothing = pd.Series(np.nan, index=frame.index)
    for column, source in (("pooled", "rho"), ("pooled_low", "low"), ("pooled_high", "high")):
        frame[column] = nothing if pooled is None else pooled.frame[source]
    return frame


def _has_blocks(analysis: Analysis) -> bool:
    return len(analysis.table.levels("block")) > 1


def _picture(analysis: Analysis, frame: pd.DataFrame) -> Picture:
    top = frame.sort_values("rho", ascending=False, kind="stable").head(MOST_METRICS)
    within = "within blocks" if _has_blocks(analysis) else "rho"
    series = [Series(within, list(top["rho"]), list(top["low"]), list(top["high"]))]
    if _has_blocks(analysis) and analysis.pooled is not None:
        series.append(
            Series(
                "all blocks pooled (for comparison)",
                list(top["pooled"]),
                list(top["pooled_low"]),
                list(top["pooled_high"]),
                look="second",
            )
        )
    rows: list[Any] = list(top.itertuples())
    notes = [
        f"{coefficient(r.rho, 2)} {_range(r)}  {pvalue(r.adjusted)}"
        if not np.isnan(r.rho)
        else f"undefined: {reason(str(r.reason))}"
        for r in rows
    ]
    shown = labels(analysis.table.metrics)
    names = [shown[str(m)] for m in top.index]
    caption = _caption(analysis, frame) + font_note(names, "metrics")
    return Picture(
        "reliability",
        caption,
        draw(
            lambda: forest(
                names,
                series,
                notes=notes,
                note_title=f"rho, {confidence_name(analysis.confidence)} interval, adjusted p",
                axis="correlation with closeness to the oracle (Spearman's rho)",
                ends=("ranks against the oracle", "ranks with the oracle"),
            ),
            title=caption,
        ),
    )


def _range(row: Any) -> str:
    return "(no interval)" if np.isnan(row.low) else interval(row.low, row.high)


def _caption(analysis: Analysis, frame: pd.DataFrame) -> str:
    tracking, against = significant(analysis)
    defined = frame[frame["low"].notna()]
    if tracking or against:
        says = reliability_sentence(analysis)
    elif len(defined) and ((defined["low"] <= 0) & (defined["high"] >= 0)).all():
        says = (
            f"Every {confidence_name(analysis.confidence)} interval crosses 0: the table cannot "
            "tell whether any of the metrics is right."
        )
    else:
        says = "No metric tracks the oracle beyond chance after correction."
    turned = frame[(np.sign(frame["rho"]) * np.sign(frame["pooled"])) < 0]
    if _has_blocks(analysis) and len(turned):
        says += (
            f" Pooling the blocks turns the sign of {all_names(list(map(str, turned.index)), 6)}: "
            "it mixes differences between blocks with differences between models."
        )
    hidden = len(frame) - MOST_METRICS
    return says + (f" The figure leaves out {plural(hidden, 'metric')}." if hidden > 0 else "")


def _metrics(analysis: Analysis, frame: pd.DataFrame) -> Part:
    level = confidence_name(analysis.confidence)
    blocks = len(analysis.table.levels("block"))
    columns = [
        Column("rho", "rho", coefficient),
        Column(f"{level}\N{NO-BREAK SPACE}interval", ("low", "high"), interval),
        Column("p", "pvalue", pvalue),
        Column("adjusted p", "adjusted", pvalue),
    ]
    if frame["of_ceiling"].notna().any():
        columns.insert(2, Column("of the ceiling", "of_ceiling", coefficient))
    if blocks > 1:
        columns += [
            Column("pooled rho", "pooled", coefficient),
            Column("pooled interval", ("pooled_low", "pooled_high"), interval),
            Column(f"blocks defined (of\N{NO-BREAK SPACE}{blocks})", "n_blocks", number),
        ]
    columns += [Column("units", "n_units", number)]
    if frame["reason"].any():
        columns.append(
            Column("undefined because", "reason", lambda v: reason(v) or "", number=False)
        )
    return make_table(
        "reliability",
        "Correlation of every metric with closeness to the oracle. p comes from permuting the "
        "independent units within their blocks and is corrected for the number of metrics.",
        frame,
        columns,
        labels=["metric"],
    )


def _comparison(analysis: Analysis, result: ComparisonResult) -> list[Part]:
    if not result.best:
        return [Prose("No metric has a defined reliability, so none can be called the best.")]
    others = [m for m in result.best_set if m != result.best]
    rest = [str(m) for m, rho in result.rho.items() if m not in result.best_set and rho == rho]
    text = f"{name(result.best)} has the highest correlation. "
    if not others and not rest:
        text += "It is the only metric whose reliability is defined."
    elif not others:
        text += "It is told apart from every other metric."
    else:
        text += (
            f"{all_names(others)} cannot be told apart from it at the level {result.alpha:g}, so "
            f"the best metric is one of {len(result.best_set)}"
        )
        text += f"; {all_names(rest)} can be ruled out." if rest else ": none can be ruled out."
    parts: list[Part] = [Prose(text)]
    if len(result.frame):
        columns = [
            Column("difference in rho", "difference", signed),
            Column(f"{confidence_name(analysis.confidence)} interval", ("low", "high"), interval),
            Column("p", "pvalue", pvalue),
            Column("adjusted p", "adjusted", pvalue),
            Column("Williams' p", "williams_p", pvalue),
        ]
        parts.append(
            make_table(
                "comparison",
                "Difference in reliability of every two metrics: the first minus the second. p "
                "comes from a paired permutation test.",
                result.to_frame(),
                columns,
                labels=["metric", "against"],
            )
        )
    return parts
