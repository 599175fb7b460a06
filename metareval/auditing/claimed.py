"""Published claims that the rows do not bear out: MR006, MR011, MR015, MR017."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metareval.auditing.claims import Figure
from metareval.auditing.context import Context
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import coefficient, count, listing, name, pair, pvalue, quantity
from metareval.stats.association import defined_cells
from metareval.stats.multiplicity import adjust

SIGNIFICANT = 0.05
# With fewer than half of the cells defined, most of what was averaged does not exist.
DEFINED_SHARE = 0.5

_KINDS = {
    "tau": "tau of pairs of metrics",
    "mean": "mean tau over all pairs",
    "rho": "correlation with the oracle",
}


def _orientation(figures: Sequence[Figure]) -> tuple[list[Figure], list[Figure]]:
    """Return the figures that only oriented values give, and those that only raw values give."""
    judged = [f for f in figures if f.kind in _KINDS]
    return (
        [f for f in judged if f.matches_oriented and not f.matches_raw],
        [f for f in judged if f.matches_raw and not f.matches_oriented],
    )


def _mixed(context: Context) -> Iterator[Finding]:
    oriented, raw = _orientation(context.figures)
    if not raw:
        return
    shown = listing(
        [
            f"{f.label} ({coefficient(f.claimed)}; {coefficient(f.oriented)} when turned)"
            for f in raw
        ],
        limit=3,
    )
    turned = "every metric turned so that higher is better"
    kinds = list(dict.fromkeys(f.kind for f in oriented))
    verb = "comes" if len(kinds) == 1 else "come"
    yield MIXED_ORIENTATION.finding(
        f"The claimed {listing([_KINDS[k] for k in kinds])} {verb} out only with {turned}, but "
        f"the claimed {shown} only on raw values."
        if oriented
        else f"The claimed {shown} comes out only on raw values, not with {turned}.",
        {"oriented": [_record(f) for f in oriented], "raw": [_record(f) for f in raw]},
        severity="error" if oriented else "warning",
        metrics=[m for m in context.metrics if any(m in f.metrics for f in raw)],
    )


def _record(figure: Figure) -> dict[str, Any]:
    return {
        "figure": figure.label,
        "claimed": figure.claimed,
        "oriented": figure.oriented,
        "raw": figure.raw,
    }


MIXED_ORIENTATION = Rule(
    code="MR006",
    slug="mixed-orientation",
    title="Analyses disagree about which direction is better",
    severity="error",
    what="Claimed figures, recomputed by the published protocol with every metric turned so that "
    "higher is better, and on raw values: which of the two gives the claim. An error where some "
    "claims need one and some the other, a warning where all that depend on it need raw values. "
    "It needs claims.",
    why="On raw values a metric to lower and one to raise disagree exactly when they agree about "
    "the models, so a mean over pairs of raw metrics measures nothing.",
    example="The published tau matrix comes from oriented metrics, but the published mean tau of "
    "0.086 from raw values; oriented, the same mean is -0.123.",
    advice="Turn every metric the same way before any analysis, and recompute the figures that "
    "used raw values.",
    check=_mixed,
)


def _uncorrected(context: Context) -> Iterator[Finding]:
    if context.claims is None:
        return
    families = {
        "pairs of metrics": {pair(*k): v for k, v in context.claims.tau_p.items()},
        "metrics against the oracle": {name(k): v for k, v in context.claims.rho_p.items()},
    }
    families = {family: tests for family, tests in families.items() if tests}
    evidence: dict[str, dict[str, dict[str, float]]] = {}
    together: dict[str, float] = {}
    kept_apart = 0
    for family, tests in families.items():
        holm = dict(zip(tests, adjust(np.array(list(tests.values()))), strict=True))
        kept_apart += sum(p <= SIGNIFICANT for p in holm.values())
        evidence[family] = {t: {"claimed": p, "holm": float(holm[t])} for t, p in tests.items()}
        together |= {f"{family}: {t}": p for t, p in tests.items()}
    joint = adjust(np.array(list(together.values())))
    n_claimed = sum(p <= SIGNIFICANT for p in together.values())
    n_kept = int((joint <= SIGNIFICANT).sum())
    if n_kept >= n_claimed:
        return
    lost = [
        f"{test} (p {pvalue(value['claimed'])}, corrected {pvalue(value['holm'])})"
        for tests in evidence.values()
        for test, value in tests.items()
        if value["claimed"] <= SIGNIFICANT < value["holm"]
    ]
    apart = (
        f"{kept_apart} when each family of tests is corrected by itself, where "
        f"{listing(lost, limit=3)} {'is' if len(lost) == 1 else 'are'} lost"
        if len(families) > 1 and lost
        else f"{kept_apart} when each family of tests is corrected by itself"
        if len(families) > 1
        else f"lost {'is' if len(lost) == 1 else 'are'} {listing(lost, limit=3)}"
    )
    yield UNCORRECTED.finding(
        f"Of {count(len(together), 'claimed p-value')} {n_claimed} are at most {SIGNIFICANT} as "
        f"they stand, but only {n_kept} after Holm's correction over all of them ({apart}).",
        {
            "n_tests": len(together),
            "n_significant": n_claimed,
            "n_after_holm": n_kept,
            "n_after_holm_by_family": kept_apart,
            "families": evidence,
        },
    )


UNCORRECTED = Rule(
    code="MR011",
    slug="uncorrected-tests",
    title="Many tests, no correction",
    severity="warning",
    what=f"Claimed p-values that are at most {SIGNIFICANT} as they stand and not after Holm's "
    "correction. It needs claims.",
    why="Of 15 tests of nothing, one or more is significant at 0.05 in about half of all studies.",
    example="Of the 15 published p-values 7 are at most 0.05 as they stand, and 3 after Holm's "
    "correction over all of them.",
    advice="Report p corrected for the number of tests (Holm by default in metareval), and say how "
    "many were made.",
    check=_uncorrected,
)


def _not_reproduced(context: Context) -> Iterator[Finding]:
    wrong = [f for f in context.figures if not (f.matches_oriented or f.matches_raw)]
    if not wrong:
        return
    wrong.sort(key=lambda f: (-abs(f.claimed - f.oriented), f.label))
    shown = listing(
        [
            f"{f.label} is claimed as {quantity(f.claimed)} and comes out as {quantity(f.oriented)}"
            for f in wrong
        ],
        limit=3,
    )
    touched = {m for f in wrong for m in f.metrics}
    yield NOT_REPRODUCED.finding(
        f"{len(wrong)} of {count(len(context.figures), 'claimed figure')} cannot be reproduced "
        f"from these rows by the published protocol: {shown}.",
        {"figures": [_record(f) for f in wrong], "n_checked": len(context.figures)},
        metrics=[m for m in context.metrics if m in touched],
    )


NOT_REPRODUCED = Rule(
    code="MR015",
    slug="claim-not-reproduced",
    title="A claimed figure does not follow from the rows",
    severity="error",
    what="Claimed tau and its p, mean tau, rho and its p, against the published protocol applied "
    "to the rows, oriented or raw. Figures may differ by half their last digit, or 1e-6.",
    why="A figure that does not follow from the table belongs to another table, another version "
    "of the code, or nothing.",
    example="All 31 published figures follow from the released rows. The protocol breaks ties by "
    "the order of rows, so that the same rows in another order give other figures.",
    advice="Ask for the rows and the code that gave the figure; check that the rows stand in their "
    "original order.",
    check=_not_reproduced,
)


def _not_supported(context: Context) -> Iterator[Finding]:
    if context.claims is None or not context.claims.tau:
        return
    defined = defined_cells(context.oriented, context.cells)
    n_cells = len(context.cells)
    position = {m: i for i, m in enumerate(context.metrics)}
    other_sign: list[dict[str, Any]] = []
    thin: list[dict[str, Any]] = []
    for (a, b), claimed in context.claims.tau.items():
        i, j = position[a], position[b]
        found = float(context.tau_mean[i, j])
        record = {
            "metrics": [a, b],
            "claimed": claimed,
            "tau_b": found,
            "n_defined": int(defined[i, j]),
            "n_cells": n_cells,
        }
        if claimed * found < 0:
            other_sign.append(record)
        elif defined[i, j] < DEFINED_SHARE * n_cells:
            thin.append(record)
    for records, severity, verbs, what in (
        (other_sign, "error", ("has", "have"), "the other sign in tau-b, which breaks no ties"),
        (
            thin,
            "warning",
            ("is", "are"),
            f"defined in fewer than half of the {context.cell_name}s",
        ),
    ):
        if not records:
            continue
        records.sort(key=lambda r: (-_gap(r), r["metrics"]))
        shown = listing([_shown(r) for r in records], limit=4)
        touched = {m for r in records for m in r["metrics"]}
        yield CLAIM_LOST.finding(
            f"{len(records)} of {count(len(context.claims.tau), 'claimed tau')} "
            f"{verbs[len(records) > 1]} {what}: {shown}.",
            {"pairs": records},
            severity=severity,
            metrics=[m for m in context.metrics if m in touched],
        )


def _gap(record: dict[str, Any]) -> float:
    gap = abs(record["claimed"] - record["tau_b"])
    return 2.0 if math.isnan(gap) else round(gap, 9)


def _shown(record: dict[str, Any]) -> str:
    cells = f"{record['n_defined']} of {count(record['n_cells'], 'cell')}"
    return (
        f"{pair(*record['metrics'])} ({coefficient(record['claimed'])} claimed, "
        f"{coefficient(record['tau_b'])} over {cells})"
    )


CLAIM_LOST = Rule(
    code="MR017",
    slug="claim-lost",
    title="A claimed agreement of metrics is not there",
    severity="warning",
    what="Each claimed tau against the mean tau-b over the cells in which both metrics vary. An "
    "error where the sign differs, a warning where fewer than half of the cells are defined. It "
    "needs claims.",
    why="An average over cells of which most are undefined is an average of the software's "
    "conventions for the undefined.",
    example="The published tau of FA and MIA is 0.556; tau-b over the 3 of 9 cells where both vary "
    "is -0.496. That of FA and RA is 0.852, and 0.471 over 3 cells.",
    advice="Do not rely on these relations; report tau-b with the number of cells it is defined "
    "in.",
    check=_not_supported,
)

RULES = (MIXED_ORIENTATION, UNCORRECTED, NOT_REPRODUCED, CLAIM_LOST)
