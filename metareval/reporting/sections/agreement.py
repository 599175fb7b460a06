"""Do the metrics agree with each other?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from metareval.questions.agreement import AgreementResult
from metareval.questions.clustering import ClusterResult
from metareval.reporting.analysis import Analysis
from metareval.reporting.figures.heatmap import Cells, heatmap
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
from metareval.reporting.verdict import SUPPORT_FIRM, agreeing, agreement_sentence
from metareval.reporting.wording import (
    all_names,
    coefficient,
    confidence_name,
    interval,
    name,
    number,
    pair,
    percent,
    plural,
    pvalue,
    reason,
    with_reasons,
)
from metareval.table import MetricTable

# More metrics than this do not fit a figure that can be read.
MOST_METRICS = 40


def agreement_section(analysis: Analysis) -> Section:
    """Show the agreement of every pair of metrics, and their clusters."""
    title = "Do the metrics agree with each other?"
    lead = (
        "Two metrics agree when they put the models in the same order. Kendall's tau measures "
        "this: 1 is the same order, 0 no relation, \N{MINUS SIGN}1 the reverse order. "
        f"{_comparison(analysis.table)} {agreement_sentence(analysis)}"
    )
    result = analysis.agreement
    if result is None:
        return Section("agreement", title, lead, (Problem(analysis.problems["agreement"]),))
    if len(analysis.table.metrics) < 2:
        return Section("agreement", title, lead)
    parts: list[Part] = []
    defined = _definedness(analysis.pairs, result.n_cells)
    if defined:
        parts.append(Prose(defined))
    parts.append(_picture(analysis, result))
    parts.append(_pairs(analysis, result))
    parts.append(Heading("Clusters of metrics"))
    if analysis.clusters is None:
        parts.append(Problem(analysis.problems["clusters"]))
    else:
        parts += _clusters(analysis.clusters, analysis.confidence)
    return Section("agreement", title, lead, tuple(parts))


def _comparison(table: MetricTable) -> str:
    same = [name(c) for c in (table.block, table.replicate) if c is not None]
    if not same:
        return "All models are compared with each other."
    return (
        f"Models are compared only where they share the same {' and '.join(same)} (one such group "
        "is called a cell), because a difference between cells says nothing about the models."
    )


def _definedness(frame: pd.DataFrame, n_cells: int) -> str:
    short = frame[frame["n_defined"] < n_cells]
    if short.empty:
        return ""
    if n_cells == 1:
        return (
            "A metric that does not vary ranks nothing. For this reason the tau of "
            f"{all_names([pair(*p) for p in short.index], 4)} is undefined, which is not the same "
            "as 0."
        )
    fewest = int(short["n_defined"].min())
    lowest = [pair(*p) for p in short.index[short["n_defined"] == fewest]]
    many = len(short) > 1
    return (
        "A metric that does not vary in a cell ranks nothing there. "
        f"For this reason {len(short)} of {plural(len(frame), 'pair')} "
        f"{'rest' if many else 'rests'} on fewer than all {plural(n_cells, 'cell')}; the "
        f"fewest are {fewest}, for {all_names(lowest, 4)}. Elsewhere their tau is undefined, "
        "which is not the same as 0."
    )


def _order(analysis: Analysis, result: AgreementResult) -> list[str]:
    order = analysis.clusters.order if analysis.clusters else result.estimate.index
    return [str(m) for m in order][:MOST_METRICS]


def _picture(analysis: Analysis, result: AgreementResult) -> Picture:
    order = _order(analysis, result)
    shown = labels(analysis.table.metrics)
    values = result.estimate.loc[order, order].to_numpy(dtype=np.float64)
    low, high = (f.loc[order, order].to_numpy(dtype=np.float64) for f in (result.low, result.high))
    defined = result.n_defined.loc[order, order].to_numpy()
    reasons = result.reason.loc[order, order].to_numpy()
    k = len(order)
    cells = f" of {result.n_cells}"
    text = [
        [
            coefficient(values[i, j], 2) if not np.isnan(values[i, j]) else reason(reasons[i, j])
            for j in range(k)
        ]
        for i in range(k)
    ]
    many = result.n_cells > 1
    note = [[f"{defined[i, j]}{cells}" if many else "" for j in range(k)] for i in range(k)]
    with np.errstate(invalid="ignore"):
        strong = (low > 0) | (high < 0)
    groups = _groups(analysis.clusters, order)
    drawn = Cells(
        values=values,
        text=text,
        note=note,
        rows=[shown[m] for m in order],
        columns=[shown[m] for m in order],
        groups=groups,
        strong=strong,
        blank=np.eye(k, dtype=bool) & ~np.isnan(values),
        signed=True,
        scale="tau",
    )
    caption = _caption(analysis, result, framed=bool(groups))
    caption += font_note((shown[m] for m in order), "metrics")
    return Picture("agreement", caption, draw(lambda: heatmap(drawn), title=caption))


def _caption(analysis: Analysis, result: AgreementResult, *, framed: bool) -> str:
    together, apart, defined = agreeing(analysis)
    frame = analysis.pairs
    if not defined:
        says = "No pair of metrics has a defined tau."
    elif together or apart:
        says = agreement_sentence(analysis)
    else:
        top: Any = frame["estimate"].abs().idxmax()
        row: Any = frame.loc[top]
        where = (
            f" is defined in {int(row['n_defined'])} of {plural(result.n_cells, 'cell')} and"
            if result.n_cells > 1
            else ""
        )
        range_ = (
            "rests on too few models for an interval"
            if np.isnan(row["low"])
            else f"has the interval {interval(row['low'], row['high'])}"
        )
        says = (
            f"No pair agrees or disagrees beyond chance. Even the strongest tau, "
            f"{coefficient(row['estimate'], 2)} for {pair(*top)},{where} {range_}."
        )
    rest = len(result.estimate) - MOST_METRICS
    cut = f" The figure leaves out {plural(rest, 'metric')}." if rest > 0 else ""
    keys = []
    if result.n_cells > 1:
        keys.append("Under each tau: in how many cells both metrics vary.")
    if ((frame["low"] > 0) | (frame["high"] < 0)).any():
        keys.append(f"Bold: the {confidence_name(analysis.confidence)} interval excludes 0.")
    if frame["estimate"].isna().any():
        keys.append("Hatched: undefined, with the reason.")
    if framed:
        keys.append("Frames: clusters.")
    return " ".join([says, *keys]) + cut


def _groups(clusters: ClusterResult | None, order: list[str]) -> list[tuple[int, int]]:
    if clusters is None or clusters.n_clusters < 2:
        return []
    groups = []
    for cluster in clusters.support.index:
        at = sorted(order.index(m) for m in clusters.members(int(cluster)) if m in order)
        if at and at[-1] - at[0] == len(at) - 1:
            groups.append((at[0], at[-1]))
    return groups


def _pairs(analysis: Analysis, result: AgreementResult) -> Part:
    level = confidence_name(analysis.confidence)
    columns = [
        Column("tau", "estimate", coefficient),
        Column(f"{level}\N{NO-BREAK SPACE}interval", ("low", "high"), interval),
        Column("p", "pvalue", pvalue),
        Column("adjusted p", "adjusted", pvalue),
        Column(f"cells defined (of\N{NO-BREAK SPACE}{result.n_cells})", "n_defined", number),
        Column("undefined because", "reason", lambda v: reason(v) or "", number=False),
    ]
    frame = analysis.pairs
    if not frame["reason"].any():
        columns.pop()
    if result.n_cells == 1:
        del columns[4]
    return make_table(
        "agreement",
        "Tau of every pair, with its interval, its p-value and that value corrected for the "
        "number of pairs.",
        frame,
        columns,
        labels=["metric", "with"],
    )


def _clusters(clusters: ClusterResult, confidence: float) -> list[Part]:
    parts: list[Part] = [Prose(_cluster_sentences(clusters, confidence))]
    if clusters.n_clusters:
        frame = pd.DataFrame(
            {
                "members": [tuple(clusters.members(int(c))) for c in clusters.support.index],
                "support": clusters.support,
            }
        )
        columns = [
            Column("metrics", "members", lambda v: all_names(v, 20), number=False),
            Column("support", "support", percent),
        ]
        parts.append(
            make_table(
                "clusters",
                "Clusters, and the share of resampled tables in which each holds together.",
                frame,
                columns,
                labels=["cluster"],
            )
        )
    if len(clusters.opposition):
        columns = [
            Column("mean tau between them", "tau", coefficient),
            Column(f"{confidence_name(confidence)} interval", ("low", "high"), interval),
            Column("opposing", "opposing", number, number=False),
        ]
        parts.append(
            make_table(
                "opposition",
                "Two clusters oppose each other only if the whole interval lies below 0.",
                clusters.opposition,
                columns,
                labels=["cluster", "and"],
            )
        )
    return parts


def _cluster_sentences(clusters: ClusterResult, confidence: float) -> str:
    out = []
    if clusters.n_clusters == 0:
        out.append("No metric can be clustered.")
    elif clusters.n_clusters == 1:
        many = len(clusters.labels)
        out.append(
            "There is one metric to cluster."
            if many == 1
            else f"The {many} metrics do not split into groups that rank differently."
        )
    elif clusters.n_clusters == len(clusters.labels):
        out.append("No two metrics rank alike: each forms a cluster of its own.")
        out.append(_opposing(clusters, confidence))
    else:
        least = float(clusters.support.min())
        firm = (
            "they are well supported" if least >= SUPPORT_FIRM else "the grouping is not dependable"
        )
        out.append(
            f"Putting metrics that rank alike together gives {clusters.n_clusters} clusters. "
            f"When the models are drawn anew, the weakest cluster holds together in "
            f"{percent(least)} of the draws, so {firm}."
        )
        out.append(_opposing(clusters, confidence))
    if len(clusters.excluded):
        out.append(f"In no cluster: {with_reasons(clusters.excluded)}.")
    return " ".join(out)


def _opposing(clusters: ClusterResult, confidence: float) -> str:
    found = clusters.opposition
    many = int(found["opposing"].sum())
    if many:
        return (
            f"{plural(many, 'pair')} of clusters {'opposes' if many == 1 else 'oppose'} each other."
        )
    if found["high"].isna().any():
        return (
            "Whether clusters oppose each other cannot be said: there are too few models for an "
            "interval."
        )
    return (
        f"No two clusters oppose each other: every {confidence_name(confidence)} interval for the "
        "mean tau between two clusters reaches 0 or above."
    )
