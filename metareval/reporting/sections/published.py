"""What was published, and what the same rows show."""

from __future__ import annotations

import pandas as pd

from metareval.reporting.analysis import Analysis
from metareval.reporting.figures.forest import Series, forest
from metareval.reporting.figures.style import draw
from metareval.reporting.parts import (
    Column,
    Heading,
    Part,
    Picture,
    Problem,
    Prose,
    Section,
    Table,
    make_table,
)
from metareval.reporting.reproduction import Reproduction
from metareval.reporting.verdict import published_sentence
from metareval.reporting.wording import (
    coefficient,
    confidence_name,
    interval,
    number,
    p_is,
    pair,
    pvalue,
    signed,
    tiny,
)

_TITLE = "What was published, and what the same rows show"


def published_section(analysis: Analysis) -> Section | None:
    """Show published, reproduced and honest figures side by side; None where there are none."""
    found = analysis.reproduction
    if "reproduction" in analysis.problems:
        return Section(
            "published",
            _TITLE,
            "The published figures could not be compared.",
            (Problem(analysis.problems["reproduction"]),),
        )
    if found is None or found.n_figures == 0:
        return None
    lead = (
        "Figures about these rows have been published (arXiv:2605.02206). Claimed is the published "
        "figure; reproduced, the same procedure run on the released rows, its way of breaking ties "
        "included; honest, a sound estimate from the same rows. "
        f"{published_sentence(analysis)}"
    )
    parts: list[Part] = [_errors(found)]
    if len(found.tau):
        parts += [Heading("Agreement between metrics"), *_tau(analysis, found.tau)]
    if len(found.reliability):
        parts += [Heading("Reliability"), *_reliability(analysis, found.reliability)]
    if len(found.weights):
        parts += [Heading("Score"), *_score(found)]
    if len(found.perturbation):
        parts += [Heading("Random weights"), _perturbation(found.perturbation)]
    if len(found.modality):
        parts += [Heading("Multimodal against unimodal"), *_modality(analysis, found.modality)]
    return Section("published", _TITLE, lead, tuple(parts))


def _errors(found: Reproduction) -> Table:
    return make_table(
        "reproduction",
        "Largest difference between a published and a reproduced figure.",
        found.to_frame(),
        [Column("largest difference", "largest_difference", tiny)],
        labels=["figures"],
    )


def _tau(analysis: Analysis, frame: pd.DataFrame) -> list[Part]:
    level = confidence_name(analysis.confidence)
    cells = analysis.agreement.n_cells if analysis.agreement is not None else 0
    flipped = int(((frame["claimed"] * frame["honest"]) < 0).sum())
    crossing = int(((frame["low"] <= 0) & (frame["high"] >= 0)).sum())
    caption = (
        f"{flipped} of {len(frame)} published taus change their sign once ties are given no order, "
        f"and {crossing} of {len(frame)} honest intervals include 0."
        if flipped
        else "Published taus beside the honest estimates and their intervals."
    )
    order = frame.sort_values("claimed", ascending=False, kind="stable")
    empty = [float("nan")] * len(order)
    picture = Picture(
        "published_tau",
        caption,
        draw(
            lambda: forest(
                [pair(*p) for p in order.index],
                [
                    Series("published", list(order["claimed"]), empty, empty, look="claim"),
                    Series(
                        f"honest, with {level} interval",
                        list(order["honest"]),
                        list(order["low"]),
                        list(order["high"]),
                    ),
                ],
                notes=[
                    f"{coefficient(r.claimed, 2)} \N{RIGHTWARDS ARROW} {coefficient(r.honest, 2)}"
                    f"  ({r.n_defined} of {cells})"
                    for r in order.itertuples()
                ],
                note_title="published \N{RIGHTWARDS ARROW} honest (cells defined)",
                axis="Kendall's tau between two metrics",
                ends=("opposite orders", "same order"),
            ),
            title=caption,
        ),
    )
    columns = [
        Column("claimed", "claimed", coefficient),
        Column("claimed p", "claimed_p", pvalue),
        Column("reproduced", "reproduced", coefficient),
        Column("honest", "honest", coefficient),
        Column(f"{level}\N{NO-BREAK SPACE}interval", ("low", "high"), interval),
        Column("adjusted p", "adjusted", pvalue),
        Column(f"cells defined (of\N{NO-BREAK SPACE}{cells})", "n_defined", number),
        Column("stratified", "stratified", coefficient),
    ]
    return [
        Prose(
            "The published taus rank tied models by their order in the file, so that two metrics "
            "that do not vary at all count as agreeing perfectly. The honest estimate is a mean "
            "over cells too, but gives ties no order and leaves out cells in which a metric does "
            "not vary. The stratified estimate, used in the rest of this page, weighs cells by the "
            "comparisons they hold."
        ),
        picture,
        make_table(
            "published_agreement",
            "Tau between metrics: published, reproduced and honest.",
            frame,
            columns,
            labels=["metric", "with"],
        ),
    ]


def _reliability(analysis: Analysis, frame: pd.DataFrame) -> list[Part]:
    level = confidence_name(analysis.confidence)
    sure = frame[frame["claimed_p"] <= analysis.alpha]
    text = (
        "The published correlations pool all rows, so that seeds count as models and differences "
        "between datasets as differences between methods. On the means over seeds, which are the "
        "independent units, the same pooled correlations have the p-values of the last column."
    )
    kept = int((sure["unit_means_p"] <= analysis.alpha).sum())
    if len(sure):
        text += (
            f" {len(sure)} of {len(frame)} published p-values are at most {analysis.alpha:g}; on "
            f"the unit means {'none is' if kept == 0 else f'{kept} are'}."
        )
    columns = [
        Column("claimed", "claimed", coefficient),
        Column("claimed p", "claimed_p", pvalue),
        Column("reproduced", "reproduced", coefficient),
        Column("honest (within blocks)", "stratified", coefficient),
        Column(f"{level}\N{NO-BREAK SPACE}interval", ("low", "high"), interval),
        Column("adjusted p", "adjusted", pvalue),
        Column("pooled, unit means", "unit_means", coefficient),
        Column("its p", "unit_means_p", pvalue),
    ]
    return [
        Prose(text),
        make_table(
            "published_reliability",
            "Correlation with closeness to the oracle: published, reproduced and honest.",
            frame,
            columns,
            labels=["metric"],
        ),
    ]


def _score(found: Reproduction) -> list[Part]:
    columns = [
        Column("claimed", "claimed", coefficient),
        Column("reproduced", "reproduced", coefficient),
        Column("honest (within blocks)", "stratified", coefficient),
    ]
    if "cross_fitted" in found.weights:
        columns.append(Column("honest (cross-fitted)", "cross_fitted", coefficient))
    ranks = found.scores
    same = bool((ranks["claimed_rank"] == ranks["stratified_rank"]).all())
    return [
        make_table(
            "published_weights",
            "Weights of the score: published, reproduced and honest.",
            found.weights,
            columns,
            labels=["metric"],
        ),
        Prose(
            "Published and honest weights put the items in the same order."
            if same
            else "Published and honest weights do not put the items in the same order."
        ),
        make_table(
            "published_scores",
            "Scores of the items: published, reproduced and honest.",
            ranks,
            [
                Column("claimed", "claimed", lambda v: coefficient(v, 4)),
                Column("reproduced", "reproduced", lambda v: coefficient(v, 4)),
                Column("honest", "stratified", lambda v: coefficient(v, 4)),
                Column("claimed rank", "claimed_rank", number),
                Column("honest rank", "stratified_rank", number),
            ],
            labels=["item"],
        ),
    ]


def _perturbation(frame: pd.DataFrame) -> Table:
    return make_table(
        "published_perturbation",
        "Agreement of the ranking under the published weights with that under random weights: 100 "
        "draws as published, and the exact mean over all weights.",
        frame,
        [
            Column("claimed", "claimed", coefficient),
            Column("reproduced", "reproduced", coefficient),
            Column("exact", "exact", coefficient),
        ],
        labels=["quantity"],
    )


def _modality(analysis: Analysis, frame: pd.DataFrame) -> list[Part]:
    row = frame.iloc[-1]
    level = confidence_name(analysis.confidence)
    text = (
        f"Published: metrics agree more on the unimodal than on the multimodal table, by "
        f"{coefficient(row['claimed'])} in mean tau, computed on values that were not turned so "
        f"that higher is better. Turned and compared within cells, the difference is "
        f"{signed(row['honest'])}, {level} interval {interval(row['low'], row['high'])}, "
        f"{p_is(row['pvalue'])}: "
        + (
            "it is there."
            if row["pvalue"] <= analysis.alpha
            else "the data do not show that there is one."
        )
    )
    return [
        Prose(text),
        make_table(
            "published_modality",
            "Mean tau over all pairs of metrics: published, reproduced and honest.",
            frame,
            [
                Column("claimed", "claimed", coefficient),
                Column("reproduced", "reproduced", coefficient),
                Column("honest", "honest", coefficient),
                Column(f"{level}\N{NO-BREAK SPACE}interval", ("low", "high"), interval),
                Column("p", "pvalue", pvalue),
            ],
            labels=["mean tau of"],
        ),
    ]
