"""How stable is the ranking?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from metareval.questions.perturbation import PerturbationResult
from metareval.reporting.analysis import Analysis
from metareval.reporting.figures.ranks import rank_strips
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
from metareval.reporting.verdict import FIRM, stability_sentence
from metareval.reporting.wording import (
    all_names,
    any_name,
    coefficient,
    name,
    number,
    percent,
    plural,
)

MOST_ITEMS = 30
MOST_COLUMNS = 12
_TITLE = "How stable is the ranking?"


def stability_section(analysis: Analysis) -> Section:
    """Show how the ranking changes with the weights, the metrics, the blocks and the seeds."""
    result = analysis.stability
    if result is None:
        return Section(
            "stability",
            _TITLE,
            "The stability of the ranking could not be tested.",
            (Problem(analysis.problems["stability"]),),
        )
    lead = (
        "The weights of a score are estimates, so a ranking that hangs on their exact values means "
        f"little. {stability_sentence(analysis)}"
    )
    parts: list[Part] = [Prose(_weights_sentence(result)), _picture(result)]
    parts += [_ranking(result), _outranks(result), Heading("What it takes to reverse neighbours")]
    parts += _reversals(result)
    parts.append(Heading("What else moves the ranking"))
    parts += _other(result)
    return Section("stability", _TITLE, lead, tuple(parts))


def _weights_sentence(result: PerturbationResult) -> str:
    if math.isnan(result.expected_tau):
        return "All items have the same score, so there is no ranking to compare with."
    return (
        "Over all possible weights, each set as likely as any other, the ranking agrees with the "
        f"one above with a mean tau of {coefficient(result.expected_tau)} (exact; "
        f"{plural(result.n_resamples, 'random draw')} give {coefficient(result.mean_tau)} with a "
        f"standard deviation of {coefficient(result.std_tau)}). Weights drawn around the fitted "
        f"ones give {_around(result)}."
    )


def _around(result: PerturbationResult) -> str:
    frame = result.concentrated
    words = ("loosely", "more closely", "tightly")
    return ", ".join(
        f"{coefficient(float(tau))} ({word})"
        for tau, word in zip(frame["mean_tau"], words, strict=True)
    )


def _order(result: PerturbationResult) -> list[str]:
    return [str(i) for i in result.to_frame().index]


def _picture(result: PerturbationResult) -> Picture:
    order = _order(result)[:MOST_ITEMS]
    shares = result.rank_probability.loc[order].to_numpy(dtype=np.float64)[:, : len(order)]
    own = np.diag(shares)
    caption = (
        f"Share of random weights that gives each item each rank. "
        f"{_caption(order, own)} Bold: the rank under the fitted weights."
    )
    hidden = len(result.scores) - MOST_ITEMS
    caption += f" The figure leaves out the last {plural(hidden, 'item')}." if hidden > 0 else ""
    shown = labels(list(map(str, result.scores.index)))
    names = [shown[i] for i in order]
    caption += font_note(names, "items")
    return Picture("ranks", caption, draw(lambda: rank_strips(names, shares), title=caption))


def _caption(order: list[str], own: np.ndarray) -> str:
    firm = [name(i) for i, share in zip(order, own, strict=True) if share >= FIRM]
    loose = [name(i) for i, share in zip(order, own, strict=True) if share < FIRM]
    if not loose:
        return f"Every item keeps its rank under at least {percent(FIRM)} of them."
    kept = (
        f" keeps its rank under at least {percent(FIRM)} of them"
        if len(firm) == 1
        else (f" keep their ranks under at least {percent(FIRM)} of them")
    )
    return (
        (f"{all_names(firm, 4)}{kept}; " if firm else "")
        + f"{all_names(loose, 4)} "
        + ("moves" if len(loose) == 1 else "move")
        + " with the weights."
    )


def _ranking(result: PerturbationResult) -> Part:
    columns = [
        Column("rank", "rank", number),
        Column("score", "score", coefficient),
        Column("comes first under", "top1", percent),
        Column("best rank", "best_rank", number),
        Column("worst rank", "worst_rank", number),
    ]
    how = "an exact share" if result.top1_exact else "a share of random draws"
    return make_table(
        "stability",
        f"Under how many of all possible weightings each item comes first ({how}), and the best "
        "and worst rank that random weights gave it.",
        result.to_frame(),
        columns,
        labels=["item"],
    )


def _outranks(result: PerturbationResult) -> Part:
    order = _order(result)
    frame = result.outranks.loc[order, order].astype(float)
    np.fill_diagonal(values := frame.to_numpy(copy=True), np.nan)
    frame = pd.DataFrame(values, index=frame.index, columns=frame.columns)
    columns = [Column(name(i), i, percent) for i in order[:MOST_COLUMNS]]
    rest = len(order) - MOST_COLUMNS
    more = f" {plural(rest, 'further column')} in tables/outranks.csv." if rest > 0 else ""
    return make_table(
        "outranks",
        "Under how many of all possible weightings the item of the row outranks the item of the "
        f"column (exact).{more}",
        frame,
        columns,
        labels=["item"],
    )


def _reversals(result: PerturbationResult) -> list[Part]:
    frame = result.reversals
    statuses = {
        "reversed": "can be reversed",
        "dominates": "never: the leader is at least as good on every metric",
        "tied": "tied already",
    }
    columns = [
        Column("smallest change of weights", "distance", _distance),
        Column("can weights reverse them?", "status", lambda v: statuses[str(v)], number=False),
    ]
    return [
        Prose(
            "The change is the straight-line distance between two sets of weights; the largest "
            f"there can be is {math.sqrt(2):.2f}, from all weight on one metric to all on another."
        ),
        make_table(
            "reversals",
            "Neighbours of the ranking, and the smallest change of the weights that makes them "
            "change places.",
            frame,
            columns,
            labels=["leader", "follower"],
        ),
    ]


def _distance(value: float) -> str:
    return "none does" if math.isinf(value) else coefficient(value)


def _other(result: PerturbationResult) -> list[Part]:
    rows = [("metric left out", str(m), t) for m, t in result.leave_one_metric_out.items()]
    rows += [("block left out", str(b), t) for b, t in result.leave_one_block_out.items()]
    noise = float(result.replicate_noise["mean_tau"])
    if not math.isnan(noise):
        rows.append(("replicates drawn anew", "mean over draws", noise))
    frame = pd.DataFrame(
        {"tau": [float(t) for *_, t in rows]},
        index=pd.MultiIndex.from_tuples([r[:2] for r in rows], names=["change", "what"]),
    )
    text = "The tau of the ranking with the one above, after each change (1: nothing moves). "
    changed = [r for r in rows if r[2] < 1 and r[0] != "replicates drawn anew"]
    if changed:
        text += (
            "The order changes when one leaves out "
            + any_name([which for _, which, _ in changed], 6)
            + "."
        )
    elif any(r[0] != "replicates drawn anew" for r in rows):
        text += "No single metric or block changes the order."
    if not math.isnan(noise):
        text += f" Drawing the replicates anew gives a mean tau of {coefficient(noise)}."
    return [
        Prose(text),
        make_table(
            "other_changes",
            "Tau with the reference ranking after each change.",
            frame,
            [Column("tau", "tau", coefficient)],
            labels=["change", "which"],
        ),
    ]
