"""Is a composite score better than its parts?"""

from __future__ import annotations

import pandas as pd

from metareval.questions.uqs import UQS
from metareval.reporting.analysis import Analysis
from metareval.reporting.figures.bars import Weights, bars
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
from metareval.reporting.verdict import composite_sentence
from metareval.reporting.wording import (
    all_names,
    coefficient,
    confidence_name,
    interval,
    name,
    number,
    plural,
    signed,
    with_reasons,
)
from metareval.results import printable, shorten

MOST_METRICS = 40
MOST_CHARACTERS = 300
_TITLE = "Is a composite score better than its parts?"
_TRANSFORMS = {
    "identity": "x",
    "complement": "1 \N{MINUS SIGN} x",
    "reciprocal": "1 / (1 + x)",
    "saturation": "x / (1 + x)",
}


def score_section(analysis: Analysis) -> Section:
    """Show the score's weights, what it says of the items, and whether it beats its best part."""
    score = analysis.score
    if score is None:
        return Section(
            "score", _TITLE, composite_sentence(analysis), (Problem(analysis.problems["score"]),)
        )
    lead = (
        "The Unified Quality Score (UQS) maps every metric to a scale from 0 to 1, higher is "
        "better, and adds them up with weights in proportion to their reliability (at least "
        f"{score.floor:g}). {composite_sentence(analysis)}"
    )
    parts: list[Part] = []
    notes = _notes(score)
    if notes:
        parts.append(Prose(notes))
    frame = _weights(analysis, score)
    parts.append(_picture(frame, score))
    parts.append(_weight_table(frame))
    if "cross_fitted" in analysis.problems:
        parts.append(Problem(analysis.problems["cross_fitted"]))
    parts.append(Heading("What the score says of the items"))
    parts += _scores(analysis, score)
    parts.append(Heading("Does it beat its best part?"))
    parts += _validation(analysis, score)
    return Section("score", _TITLE, lead, tuple(parts))


def _notes(score: UQS) -> str:
    out = []
    if score.clipped:
        out.append(
            f"{all_names(score.clipped)} would get a negative weight or almost none, so the floor "
            f"of {score.floor:g} takes its place."
        )
    if len(score.excluded):
        out.append(f"Without a weight: {with_reasons(score.excluded)}.")
    return " ".join(out)


def _weights(analysis: Analysis, score: UQS) -> pd.DataFrame:
    frame = score.to_frame()
    if analysis.cross_fitted is not None:
        frame["cross_fitted"] = analysis.cross_fitted.weights
    found = analysis.reproduction
    if found is not None and len(found.weights):
        frame["published"] = found.weights["claimed"]
    return frame


def _picture(frame: pd.DataFrame, score: UQS) -> Picture:
    top = frame.sort_values("weight", ascending=False, kind="stable").head(MOST_METRICS)
    sets = [Weights("reliability within blocks", list(top["weight"]))]
    if "cross_fitted" in top:
        sets.append(Weights("learned on the other blocks (mean)", list(top["cross_fitted"])))
    if "published" in top:
        sets.append(Weights("as published", list(top["published"])))
    first = str(top.index[0])
    caption = (
        f"{name(first)} carries the largest weight, {top['weight'].iloc[0]:.2f}"
        + (
            f"; in the published score it was {name(top['published'].idxmax())} with "
            f"{top['published'].max():.2f}."
            if "published" in top
            else "."
        )
        + (
            " Where the bars of one metric differ, its weight depends on which blocks it was "
            "learned from."
            if "cross_fitted" in top
            else ""
        )
    )
    hidden = len(score.weights) - MOST_METRICS
    caption += f" The figure leaves out {plural(hidden, 'metric')}." if hidden > 0 else ""
    shown = labels(list(map(str, score.weights.index)))
    names = [shown[str(m)] for m in top.index]
    caption += font_note(names, "metrics")
    return Picture("weights", caption, draw(lambda: bars(names, sets), title=caption))


def _weight_table(frame: pd.DataFrame) -> Part:
    columns = [
        Column("mapped to 0\N{EN DASH}1 by", "transform", lambda v: _TRANSFORMS[v], number=False),
        Column("rho", "rho", coefficient),
        Column("weight", "weight", coefficient),
    ]
    if "cross_fitted" in frame:
        columns.append(Column("cross-fitted weight", "cross_fitted", coefficient))
    if "published" in frame:
        columns.append(Column("published weight", "published", coefficient))
    if frame["note"].any():
        columns.append(Column("note", "note", str, number=False))
    return make_table(
        "weights",
        "Where the weights come from.",
        frame,
        columns,
        labels=["metric"],
    )


def _scores(analysis: Analysis, score: UQS) -> list[Part]:
    table = analysis.table
    scores, ranks = score.score(table), score.rank(table)
    frame = pd.DataFrame({"score": scores, "rank": ranks}).join(score.values(table))
    frame = frame.sort_values("rank", kind="stable")
    columns = [Column("rank", "rank", _rank), Column("score", "score", coefficient)]
    columns += [Column(name(m), str(m), coefficient) for m in score.weights.index[:8]]
    blocks = len(table.levels("block"))
    over = [f"{blocks} blocks"] if blocks > 1 else []
    over += ["replicates"] if len(table) > table.n_units else []
    averaged = f", averaged over {' and '.join(over)}" if over else ""
    parts: list[Part] = [
        make_table(
            "scores",
            f"Score of every item, and the metrics it is made of (mapped to 0\N{EN DASH}1, higher "
            f"is better{averaged}).",
            frame,
            columns,
            labels=["item"],
        )
    ]
    if scores.isna().any():
        parts.append(
            Prose(
                f"{plural(int(scores.isna().sum()), 'item')} without a score: a metric that has "
                "weight is missing, or the item is missing from a block and would be judged on "
                "other blocks than the rest."
            )
        )
    return parts


def _rank(value: float) -> str:
    return number(int(value)) if value == value else "\N{EN DASH}"


def _validation(analysis: Analysis, score: UQS) -> list[Part]:
    frame = score.validation
    if frame.empty:
        return [Prose(composite_sentence(analysis))]
    level = confidence_name(analysis.confidence)
    shown = frame.rename(
        index={"UQS": "the score (UQS)", "best metric": "best single metric", "Borda": "mean rank"}
    )
    rivals = shown.iloc[1:]
    notes = [
        f"{signed(r.lead, 2)} {interval(r.lead_low, r.lead_high)}" for r in rivals.itertuples()
    ]
    ahead = rivals.index[rivals["lead_low"] > 0]
    caption = (
        f"On unseen blocks the score is ahead of {all_names(list(map(str, ahead)))} for certain."
        if len(ahead)
        else "The score is not shown to be better than any simpler rule: every interval of its "
        "lead reaches 0 or below."
    )
    chosen = shorten(printable(str(frame.loc["best metric", "parts"])), MOST_CHARACTERS)
    columns = [
        Column("rho on unseen blocks", "rho", coefficient),
        Column(f"{level} interval", ("low", "high"), interval),
        Column("lead of the score", "lead", signed),
        Column(f"{level} interval of the lead", ("lead_low", "lead_high"), interval),
    ]
    return [
        Prose(
            "Each block in turn is put aside; weights, and the best single metric, are chosen on "
            "the other blocks and tried on the one put aside. "
            f"The best single metric was, by the block put aside, {chosen}."
        ),
        Picture(
            "validation",
            caption,
            draw(
                lambda: forest(
                    [f"against {i}" for i in rivals.index],
                    [
                        Series(
                            "lead",
                            list(rivals["lead"]),
                            list(rivals["lead_low"]),
                            list(rivals["lead_high"]),
                        )
                    ],
                    notes=notes,
                    note_title=f"lead, {level} interval",
                    axis="reliability of the score minus that of its rival",
                    ends=("rival ahead", "score ahead"),
                    limits=_limits(rivals),
                ),
                title=caption,
            ),
        ),
        make_table(
            "validation",
            "Reliability on blocks that were not used for fitting.",
            shown,
            columns,
            labels=["rule"],
        ),
    ]


def _limits(rivals: pd.DataFrame) -> tuple[float, float]:
    reach = float(rivals[["lead", "lead_low", "lead_high"]].abs().max().max())
    end = 2.0 if not reach <= 1 else 1.0
    return -end, end
