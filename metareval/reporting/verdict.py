"""What the results say, in sentences made by rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metareval.reporting.analysis import Analysis
from metareval.reporting.wording import (
    all_names,
    coefficient,
    confidence_name,
    interval,
    name,
    names,
    p_is,
    pair,
    percent,
    plural,
    tiny,
)

# An item that comes first under this share of all weightings is called firmly first.
FIRM = 0.95
SUPPORT_FIRM = 0.9


def audit_sentence(analysis: Analysis) -> str:
    """Say how many findings the audit made, and what its errors are about."""
    if analysis.audit is None:
        return "The audit could not be run."
    seen = [f.severity for f in analysis.audit.findings]
    rules = plural(len(analysis.audit.rules), "rule")
    if not seen:
        return f"The audit applied {rules} and found nothing to object to."
    nouns = (("error", "error"), ("warning", "warning"), ("info", "note"))
    counts = [plural(seen.count(s), noun) for s, noun in nouns if s in seen]
    return f"The audit applied {rules} and found {names(counts)}."


def significant(analysis: Analysis) -> tuple[list[str], list[str]]:
    """Return the metrics that track the oracle after correction, and those that run against it."""
    if analysis.reliability is None:
        return [], []
    frame = analysis.reliability.frame
    sure = frame["adjusted"] <= analysis.alpha
    return (
        [str(m) for m in frame.index[sure & (frame["rho"] > 0)]],
        [str(m) for m in frame.index[sure & (frame["rho"] < 0)]],
    )


def reliability_sentence(analysis: Analysis) -> str:
    """Say which metrics track the oracle."""
    result = analysis.reliability
    if result is None:
        return (
            "The reliability of the metrics could not be computed."
            if analysis.table.oracle
            else "A table without an oracle can show whether metrics agree with each other, but "
            "not which of them is right."
        )
    frame = result.frame
    tests = int(frame["pvalue"].notna().sum())
    if tests == 0:
        return (
            "No metric's reliability could be tested: the metric or the oracle does not vary, or "
            "too few models are left."
        )
    tracking, against = significant(analysis)
    corrected = f"once the {plural(tests, 'test')} are corrected for" if tests > 1 else ""
    if not tracking and not against:
        best = str(frame["rho"].idxmax())
        row: Any = frame.loc[best]
        return " ".join(
            f"No metric tracks the oracle more closely than chance allows {corrected}: the highest "
            f"correlation is that of {name(best)}, rho {coefficient(row['rho'])} "
            f"({p_is(row['adjusted'], 'adjusted p' if tests > 1 else 'p')}).".split()
        )
    parts = []
    if tracking:
        shown = [f"{name(m)} (rho {coefficient(frame.loc[m, 'rho'])})" for m in tracking]
        parts.append(f"{names(shown)} {'tracks' if len(shown) == 1 else 'track'} the oracle")
    if against:
        shown = [f"{name(m)} (rho {coefficient(frame.loc[m, 'rho'])})" for m in against]
        parts.append(f"{names(shown)} {'runs' if len(shown) == 1 else 'run'} against it")
    rest = tests - len(tracking) - len(against)
    others = (
        ""
        if not rest
        else "; of the other metric this cannot be said"
        if rest == 1
        else f"; of the other {rest} metrics this cannot be said"
    )
    return f"{', and '.join(parts)} beyond chance {corrected}".rstrip() + f"{others}."


def reach_sentence(analysis: Analysis) -> str:
    """Say what the models at hand could have shown."""
    found = analysis.plan
    if found is None or analysis.reliability is None:
        return ""
    if analysis.reliability.frame["pvalue"].isna().all():
        return ""
    if math.isnan(found.smallest_detectable) or found.smallest_detectable >= 0.995:
        reach = "no correlation, however strong, would reliably be found"
    else:
        reach = (
            f"only a correlation of at least {found.smallest_detectable:.2f} would be found with "
            f"{percent(found.power)} power"
        )
    blocks = f" in {found.n_blocks} blocks" if found.n_blocks > 1 else ""
    return f"With {plural(found.n_units, 'independent model')}{blocks}, {reach}."


def power_sentence(analysis: Analysis) -> str:
    """Say what it means that nothing was found."""
    reach = reach_sentence(analysis)
    if not reach or analysis.plan is None:
        return ""
    return (
        f"{reach} To find one of {analysis.plan.rho:g} takes about {analysis.plan.models_needed}. "
        "A correlation that is not significant here is therefore missing evidence, not evidence "
        "that the metric is useless."
    )


def agreeing(analysis: Analysis) -> tuple[list[tuple[str, str]], list[tuple[str, str]], int]:
    """Return pairs that agree, pairs that disagree, and how many pairs are defined."""
    if analysis.agreement is None:
        return [], [], 0
    frame = analysis.pairs
    sure = frame["adjusted"] <= analysis.alpha
    return (
        list(frame.index[sure & (frame["estimate"] > 0)]),
        list(frame.index[sure & (frame["estimate"] < 0)]),
        int(frame["estimate"].notna().sum()),
    )


def agreement_sentence(analysis: Analysis) -> str:
    """Say which metrics agree."""
    if analysis.agreement is None:
        return "Agreement between metrics could not be computed."
    if len(analysis.table.metrics) < 2:
        return "The table has one metric, so there is nothing for it to agree with."
    together, apart, defined = agreeing(analysis)
    total = len(analysis.pairs)
    if defined == 0:
        return "No two metrics can be compared: in every pair, one of them does not vary."
    gap = "" if defined == total else f" ({total - defined} of {total} pairs are undefined)"
    after = " after correction" if defined > 1 else ""
    pairs = plural(defined, "pair") + " of metrics"
    if not together and not apart:
        subject = (
            "The two metrics neither agree nor disagree"
            if total == 1
            else "The one pair of metrics that can be compared neither agrees nor disagrees"
            if defined == 1
            else f"Of {pairs}, none agrees or disagrees"
        )
        return f"{subject} beyond what chance allows{after}{gap}."
    parts = []
    if together:
        parts.append(
            f"{len(together)} {'agrees' if len(together) == 1 else 'agree'} "
            f"({all_names([pair(*p) for p in together], 4)})"
        )
    if apart:
        parts.append(
            f"{len(apart)} {'disagrees' if len(apart) == 1 else 'disagree'} "
            f"({all_names([pair(*p) for p in apart], 4)})"
        )
    return f"Of {pairs}, {' and '.join(parts)} beyond chance{after}{gap}."


def composite_sentence(analysis: Analysis) -> str:
    """Say whether the score beats its best part."""
    score = analysis.score
    if score is None:
        if analysis.table.oracle is None:
            return "Without an oracle there is nothing to weight a composite score by."
        return "No composite score could be fitted."
    if score.beats_best_part is None:
        return (
            "Whether the composite score beats its best single metric cannot be tested, since "
            "that takes at least two blocks with a defined reliability: weights have to be "
            "learned on some and tried on others."
        )
    rho = score.validation["rho"]
    lead: Any = score.validation.loc["best metric"]
    range_ = interval(lead["lead_low"], lead["lead_high"])
    does = "beats" if score.beats_best_part else "is not shown to beat"
    return (
        f"On blocks that its weights have not seen, the composite score {does} its best single "
        f"metric: rho {coefficient(rho['UQS'])} against {coefficient(rho['best metric'])}, a lead "
        f"of {coefficient(lead['lead'])} with {confidence_name(analysis.confidence)} interval "
        f"{range_}."
    )


def radius_sentence(analysis: Analysis) -> str:
    """Say which smallest change of the weights reverses which pair."""
    result = analysis.stability
    if result is None or math.isnan(result.radius):
        return ""
    if math.isinf(result.radius):
        return "No weights at all reverse any two neighbours of the ranking."
    if result.radius == 0:
        return f"{names(result.radius_pair)} are tied, so any change of the weights orders them."
    return f"Moving the weights by {result.radius:.3f} reverses {names(result.radius_pair)}."


def stability_sentence(analysis: Analysis) -> str:
    """Say how stable the ranking is."""
    result = analysis.stability
    if result is None:
        return ""
    ranks = result.to_frame()["rank"]
    leaders = [str(i) for i in ranks.index[(ranks == 1).fillna(False)]]
    if len(leaders) != 1:
        first = f"{all_names(leaders)} share the first place. "
    else:
        share = float(result.top1[leaders[0]])
        firm = (
            "comes first whatever the weights"
            if share >= 1 - 1e-12
            else f"comes first under {percent(share)} of all possible weightings"
            if share >= FIRM
            else f"comes first under the fitted weights, but only under {percent(share)} of all "
            "possible ones"
        )
        first = f"{name(leaders[0])} {firm}. "
    return first + radius_sentence(analysis)


def surviving_claims(analysis: Analysis) -> tuple[int, int, list[str]]:
    """Return how many claimed correlations were significant, and which remain so."""
    found = analysis.reproduction
    claimed, survive = 0, []
    if found is None:
        return 0, 0, []
    for frame, estimate in ((found.tau, "honest"), (found.reliability, "stratified")):
        if frame.empty:
            continue
        sure = frame[frame["claimed_p"] <= analysis.alpha]
        claimed += len(sure)
        kept = sure[
            (sure["adjusted"] <= analysis.alpha)
            & (np.sign(sure[estimate]) == np.sign(sure["claimed"]))
        ]
        survive += [pair(*k) if isinstance(k, tuple) else name(k) for k in kept.index]
    return claimed, len(survive), survive


def published_sentence(analysis: Analysis) -> str:
    """Say how well published figures reproduce, and how many survive."""
    found = analysis.reproduction
    if found is None or found.n_figures == 0:
        return ""
    text = (
        f"All {found.n_figures} published figures that were checked can be reproduced from the "
        f"released rows (largest difference {tiny(found.largest_error)})"
        if found.largest_error < 1e-6
        else f"Of {found.n_figures} published figures the largest deviation from the released rows "
        f"is {found.largest_error:.2g}"
    )
    claimed, kept, survive = surviving_claims(analysis)
    if not claimed:
        return f"{text}."
    rest = f": {all_names(survive)}" if survive else ""
    count = "none" if kept == 0 else str(kept)
    return (
        f"{text}, but of the {claimed} correlations published as significant {count} "
        f"{'is' if kept <= 1 else 'are'} so in a sound analysis of the same rows{rest}."
    )


def answer(analysis: Analysis) -> str:
    """Answer in one sentence whether the metrics can be trusted."""
    table = analysis.table
    if table.oracle is None:
        return "This table alone cannot say: it has no oracle to judge the metrics by."
    if analysis.reliability is None:
        return "This could not be found out: the reliability of the metrics is missing."
    tracking, _ = significant(analysis)
    if not tracking:
        return "Not on this evidence: none of them is shown to track the oracle."
    found = analysis.audit.findings if analysis.audit is not None else ()
    if any(f.severity == "error" for f in found):
        return (
            f"Perhaps {all_names(tracking)}, but the audit found errors that have to be settled "
            "first."
        )
    if len(tracking) == len(table.metrics):
        return "Yes, as far as this table shows: they track the oracle."
    if len(tracking) == 1:
        return f"One of them, as far as this table shows: {name(tracking[0])}."
    return f"Some of them, as far as this table shows: {all_names(tracking)}."


def in_short(analysis: Analysis) -> tuple[str, ...]:
    """Return the verdict, sentence by sentence."""
    nothing = not any(significant(analysis))
    sentences = (
        audit_sentence(analysis),
        reliability_sentence(analysis),
        reach_sentence(analysis) if nothing else "",
        agreement_sentence(analysis),
        composite_sentence(analysis),
        stability_sentence(analysis),
        published_sentence(analysis),
    )
    return tuple(s for s in sentences if s)
