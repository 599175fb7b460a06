"""Ask every question of a table once, and keep the reason where one has no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from metareval.auditing import AuditResult, audit
from metareval.errors import MetarevalError, TableError
from metareval.progress import stage
from metareval.questions.agreement import AgreementResult, agreement
from metareval.questions.clustering import ClusterResult, cluster_metrics
from metareval.questions.comparison import ComparisonResult, compare_metrics
from metareval.questions.options import check_options
from metareval.questions.perturbation import PerturbationResult, perturb
from metareval.questions.planning import Plan, plan
from metareval.questions.reliability import ReliabilityResult, reliability
from metareval.questions.uqs import UQS
from metareval.reporting.reproduction import Reproduction, reproduce
from metareval.results import Result
from metareval.stats.resample import Rng, check_resamples, resolve_rng
from metareval.table import MetricTable

T = TypeVar("T")

# The exact ranking probabilities take time and memory with the square of the items.
MOST_ITEMS = 200


@dataclass(frozen=True)
class Analysis:
    """Every result about one table.

    Parameters
    ----------
    table : MetricTable
    confidence : float
    n_resamples, seed : int
        What every question was asked with.
    transforms : mapping or None
        Those that were given for the score.
    audit, agreement, clusters, reliability, pooled, comparison, score, cross_fitted, stability, \
    plan, reproduction
        The results; None where there is none.
    problems : mapping of str to str
        Why a result is missing, by its name.
    """

    table: MetricTable
    confidence: float
    n_resamples: int
    seed: int
    transforms: Mapping[str, str] | None
    audit: AuditResult | None
    agreement: AgreementResult | None
    clusters: ClusterResult | None
    reliability: ReliabilityResult | None
    pooled: ReliabilityResult | None
    comparison: ComparisonResult | None
    score: UQS | None
    cross_fitted: UQS | None
    stability: PerturbationResult | None
    plan: Plan | None
    reproduction: Reproduction | None
    problems: Mapping[str, str]

    @property
    def alpha(self) -> float:
        """Level of the tests that goes with the confidence of the intervals."""
        return round(1 - self.confidence, 10)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The agreement of every pair of metrics, one row each; empty where there is none."""
        return pd.DataFrame() if self.agreement is None else self.agreement.to_frame()

    @property
    def results(self) -> dict[str, Result]:
        """The results there are, by name."""
        found = {
            "audit": self.audit,
            "agreement": self.agreement,
            "clusters": self.clusters,
            "reliability": self.reliability,
            "reliability_pooled": self.pooled,
            "comparison": self.comparison,
            "score": self.score,
            "score_cross_fitted": self.cross_fitted,
            "stability": self.stability,
            "plan": self.plan,
            "reproduction": self.reproduction,
        }
        return {name: result for name, result in found.items() if result is not None}


def analyse(
    table: MetricTable,
    *,
    confidence: float,
    n_resamples: int,
    rng: Rng,
    transforms: Mapping[str, str] | None = None,
) -> Analysis:
    """Ask every question of a table.

    Parameters
    ----------
    table : MetricTable
    confidence : float
    n_resamples : int
    rng : None, int or Generator
        Every question starts from the same integer seed, so that each figure of a report is what
        its function returns alone. None and a Generator give such a seed.
    transforms : mapping, optional
        For the score; see :meth:`metareval.UQS.fit`.

    Returns
    -------
    Analysis
    """
    check_options(n_resamples=check_resamples(n_resamples), confidence=confidence)
    seed = integer_seed(rng)
    problems: dict[str, str] = {}

    def ask(name: str, text: str, question: Callable[[], T]) -> T | None:
        stage(text)
        try:
            return question()
        except MetarevalError as error:
            problems[name] = str(error)
            return None

    n, level = n_resamples, confidence
    alpha = round(1 - confidence, 10)
    found_agreement = ask(
        "agreement",
        "Agreement between metrics",
        lambda: agreement(table, confidence=level, n_resamples=n, rng=seed),
    )
    clusters = ask(
        "clusters",
        "Clusters of metrics",
        lambda: cluster_metrics(table, confidence=level, n_resamples=n, rng=seed),
    )
    found_reliability = ask(
        "reliability",
        "Reliability against the oracle",
        lambda: reliability(table, confidence=level, n_resamples=n, rng=seed),
    )
    pooled = comparison = None
    if found_reliability is not None:
        pooled = ask(
            "pooled",
            "Reliability, all blocks pooled",
            lambda: reliability(
                table, estimate="pooled", confidence=level, n_resamples=n, rng=seed
            ),
        )
        comparison = ask(
            "comparison",
            "Comparison of metrics",
            lambda: compare_metrics(table, alpha=alpha, n_resamples=n, rng=seed),
        )
    score = ask(
        "score",
        "Unified Quality Score",
        lambda: UQS.fit(table, transforms=transforms, confidence=level, n_resamples=n, rng=seed),
    )
    cross_fitted = None
    if score is not None and len(table.levels("block")) > 1:
        cross_fitted = ask(
            "cross_fitted",
            "Cross-fitted weights",
            lambda: _cross_fitted(table, score, transforms),
        )
    stability = ask(
        "stability",
        "Stability of the ranking",
        lambda: _stability(table, score, problems, n_resamples=n, seed=seed),
    )
    return Analysis(
        table=table,
        confidence=confidence,
        n_resamples=n_resamples,
        seed=seed,
        transforms=transforms,
        audit=ask("audit", "Audit", lambda: audit(table)),
        agreement=found_agreement,
        clusters=clusters,
        reliability=found_reliability,
        pooled=pooled,
        comparison=comparison,
        score=score,
        cross_fitted=cross_fitted,
        stability=stability,
        plan=ask("plan", "Power at hand", lambda: plan(table, n_resamples=n, rng=seed))
        if table.oracle
        else None,
        reproduction=ask(
            "reproduction",
            "Published figures",
            lambda: reproduce(
                table,
                taus=found_agreement,
                rhos=found_reliability,
                score=score,
                cross_fitted=cross_fitted,
                confidence=level,
                n_resamples=n,
                seed=seed,
            ),
        ),
        problems=problems,
    )


def integer_seed(rng: Rng) -> int:
    """Return the integer seed that stands for ``rng``: its own, or one drawn from it."""
    generator = resolve_rng(rng)
    if rng is None or isinstance(rng, np.random.Generator):
        return int(generator.integers(2**32))
    return int(rng)


def _cross_fitted(table: MetricTable, score: UQS, transforms: Mapping[str, str] | None) -> UQS:
    fitted = UQS.fit(table, weights="cross_fitted", transforms=transforms, n_resamples=1, rng=0)
    # The validation does not depend on the choice of weights, so it is not resampled again.
    return replace(fitted, validation=score.validation)


def _stability(
    table: MetricTable,
    score: UQS | None,
    problems: Mapping[str, str],
    *,
    n_resamples: int,
    seed: int,
) -> PerturbationResult:
    if score is None:
        raise TableError(f"There is no score whose ranking could be tested. {problems['score']}")
    items = len(table.levels("item"))
    if items > MOST_ITEMS:
        raise TableError(
            f"The table ranks {items} items, and a report tests the ranking of at most "
            f"{MOST_ITEMS}. Name the column of what is ranked with item=..., or call "
            "metareval.perturb directly."
        )
    if items < 2:
        raise TableError("The table ranks one item, and a ranking needs at least two.")
    return perturb(score, table, n_resamples=n_resamples, rng=seed)
