"""Metrics that do not measure what their name says: MR018."""

from __future__ import annotations

from collections.abc import Iterator

from metareval.auditing.context import Context
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import name
from metareval.catalogue import BUILT_IN_METRICS


def _flawed(context: Context) -> Iterator[Finding]:
    for metric in context.metrics:
        known = BUILT_IN_METRICS.get(metric)
        for flag in known.flags if known is not None else ():
            yield FLAWED_DEFINITION.finding(
                f"{name(metric)}: {flag}",
                {"metric": metric, "flag": flag},
                metrics=[metric],
            )


_FLAGGED = [m for m, known in BUILT_IN_METRICS.items() if known.flags]

FLAWED_DEFINITION = Rule(
    code="MR018",
    slug="flawed-definition",
    title="A metric does not measure what its name says",
    severity="warning",
    what="Columns named like a metric whose definition is known to be flawed: "
    f"{' and '.join(_FLAGGED)}.",
    why="No number of models mends a definition: such a metric can agree with the others, or track "
    "the oracle, for reasons that have nothing to do with what it is named for.",
    example="The released results hold accuracies on samples to forget (FA), not on a class; "
    "FA_class, from class-wise forgetting, would be 0 for the oracle by construction.",
    advice="Replace the metric, or leave it out with metrics=; if the column is another metric of "
    "the same name, rename it.",
    check=_flawed,
)

RULES = (FLAWED_DEFINITION,)
