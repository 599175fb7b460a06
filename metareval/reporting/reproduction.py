"""Published figures, the same figures reproduced, and what a sound analysis gives instead."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from metareval.auditing import claims_for
from metareval.datasets import load_dataset, load_published
from metareval.questions.agreement import AgreementResult, agreement
from metareval.questions.modality import compare_agreement
from metareval.questions.perturbation import perturb
from metareval.questions.reliability import ReliabilityResult, reliability
from metareval.questions.uqs import UQS
from metareval.results import Result
from metareval.stats.ranks import competition_ranks
from metareval.table import MetricTable

MULTIMODAL, UNIMODAL = "unifiedunl", "unifiedunl-unimodal"
SCORE_DECIMALS = 4  # the scores were published to four decimals


@dataclass(frozen=True, eq=False, repr=False)
class Reproduction(Result):
    """Claimed, reproduced and honest figures of a table that something was published about.

    Parameters
    ----------
    tau : DataFrame, index (metric_a, metric_b)
        ``claimed`` and ``reproduced`` with their p-values; ``honest``, the mean of tau-b over
        the cells in which both metrics vary, with ``low``, ``high``, ``adjusted`` and
        ``n_defined``; the ``stratified`` tau.
    reliability : DataFrame, index metric
        ``claimed`` and ``reproduced`` rho with their p-values; the ``stratified`` rho with
        ``low``, ``high``, ``adjusted``; the pooled rho of ``unit_means`` with its t p-value.
    weights : DataFrame, index metric
    scores : DataFrame, index item
    perturbation : DataFrame, index quantity
    modality : DataFrame, index quantity
        Empty where nothing was published.
    errors : Series, index kind of figure
        Largest difference between a claimed and a reproduced figure.
    n_figures : int
        Number of figures that were checked.
    """

    tau: pd.DataFrame = field(default_factory=pd.DataFrame)
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    weights: pd.DataFrame = field(default_factory=pd.DataFrame)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    perturbation: pd.DataFrame = field(default_factory=pd.DataFrame)
    modality: pd.DataFrame = field(default_factory=pd.DataFrame)
    errors: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    n_figures: int = 0

    @property
    def largest_error(self) -> float:
        """Largest difference between any claimed and reproduced figure."""
        return float(self.errors.max()) if len(self.errors) else math.nan

    def to_frame(self) -> pd.DataFrame:
        """Return the largest difference for each kind of figure."""
        return self.errors.to_frame("largest_difference")

    def headline(self) -> str:
        """Return one line that says how well the published figures reproduce."""
        return (
            f"Reproduction: {self.n_figures} published figures, largest difference "
            f"{self.largest_error:.1e}"
        )


def reproduce(
    table: MetricTable,
    *,
    taus: AgreementResult | None,
    rhos: ReliabilityResult | None,
    score: UQS | None,
    cross_fitted: UQS | None,
    confidence: float,
    n_resamples: int,
    seed: int,
) -> Reproduction | None:
    """Return what was published about the rows of a table, beside what they give.

    Parameters
    ----------
    table : MetricTable
    taus, rhos, score, cross_fitted
        Results about the table that stand for the sound analysis.
    confidence, n_resamples, seed
        For the figures that are computed here.

    Returns
    -------
    Reproduction or None
        None for a table about which nothing was published.
    """
    claims = claims_for(table)
    if claims is None:
        return None
    published = load_published()
    # The published protocol depends on the order of rows, so it runs on them as released.
    released = load_dataset(MULTIMODAL if _is_multimodal(claims) else UNIMODAL)
    frames: dict[str, pd.DataFrame] = {}
    if "tau_matrix" in claims and taus is not None:
        frames["tau"] = _tau(
            claims,
            released,
            taus,
            # Like the published figure a mean over cells, so that only the ties differ.
            agreement(
                table, estimate="mean", confidence=confidence, n_resamples=n_resamples, rng=seed
            ),
        )
    if "reliability" in claims and rhos is not None:
        frames["reliability"] = _reliability(claims, released, rhos)
    if len(frames) == 2 and score is not None:
        frames |= _score(published, table, released, score, cross_fitted)
    frames["modality"] = _modality(
        published, confidence=confidence, n_resamples=n_resamples, seed=seed
    )
    errors, count = _errors(frames)
    return Reproduction(errors=errors, n_figures=count, **frames)


def _is_multimodal(claims: dict[str, Any]) -> bool:
    return "multimodal_mean_tau" in claims["modality"]


def _tau(
    claims: dict[str, Any],
    released: MetricTable,
    stratified: AgreementResult,
    honest: AgreementResult,
) -> pd.DataFrame:
    names = list(claims["metrics"])
    found = agreement(released, protocol="published")
    index, records = [], []
    for i, a in enumerate(names):
        for j, b in enumerate(names[i + 1 :], start=i + 1):
            index.append((a, b))
            records.append(
                {
                    "claimed": claims["tau_matrix"][i][j],
                    "claimed_p": claims["tau_p_matrix"][i][j],
                    "reproduced": found.estimate.loc[a, b],
                    "reproduced_p": found.pvalue.loc[a, b],
                    "honest": honest.estimate.loc[a, b],
                    "low": honest.low.loc[a, b],
                    "high": honest.high.loc[a, b],
                    "adjusted": honest.adjusted.loc[a, b],
                    "n_defined": int(honest.n_defined.loc[a, b]),
                    "stratified": stratified.estimate.loc[a, b],
                }
            )
    return pd.DataFrame(
        records, index=pd.MultiIndex.from_tuples(index, names=["metric_a", "metric_b"])
    )


def _reliability(
    claims: dict[str, Any], released: MetricTable, honest: ReliabilityResult
) -> pd.DataFrame:
    names = list(claims["metrics"])
    found = reliability(released, protocol="published").frame
    means = reliability(
        released.aggregate(), estimate="pooled", test="t", n_resamples=1, rng=0
    ).frame
    return pd.DataFrame(
        {
            "claimed": [claims["reliability"][m]["rho"] for m in names],
            "claimed_p": [claims["reliability"][m]["p"] for m in names],
            "reproduced": found.loc[names, "rho"],
            "reproduced_p": found.loc[names, "pvalue"],
            "stratified": honest.frame.loc[names, "rho"],
            "low": honest.frame.loc[names, "low"],
            "high": honest.frame.loc[names, "high"],
            "adjusted": honest.frame.loc[names, "adjusted"],
            "unit_means": means.loc[names, "rho"],
            "unit_means_p": means.loc[names, "pvalue"],
        },
        index=pd.Index(names, name="metric"),
    )


def _score(
    published: dict[str, Any],
    table: MetricTable,
    released: MetricTable,
    score: UQS,
    cross_fitted: UQS | None,
) -> dict[str, pd.DataFrame]:
    fitted = UQS.fit(released, protocol="published")
    drawn = perturb(fitted, released, protocol="published")
    names = list(published["metrics"])
    weights = pd.DataFrame(
        {
            "claimed": [published["uqs_weights"][m] for m in names],
            "reproduced": fitted.weights[names],
            "stratified": score.weights[names],
        },
        index=pd.Index(names, name="metric"),
    )
    if cross_fitted is not None:
        weights["cross_fitted"] = cross_fitted.weights[names]
    items = list(published["uqs_scores"])
    scores = pd.DataFrame(
        {
            "claimed": [published["uqs_scores"][i] for i in items],
            "reproduced": fitted.score(released)[items],
            "stratified": score.score(table)[items],
        },
        index=pd.Index(items, name="item"),
    )
    scores["claimed_rank"] = competition_ranks(scores["claimed"].to_numpy()).astype(int)
    scores["stratified_rank"] = competition_ranks(scores["stratified"].to_numpy()).astype(int)
    claimed = published["weight_perturbation"]
    perturbation = pd.DataFrame(
        {
            "claimed": [claimed["mean_tau"], claimed["std_tau"]],
            "reproduced": [drawn.mean_tau, drawn.std_tau],
            "exact": [drawn.expected_tau, math.nan],
        },
        index=pd.Index(["mean tau", "standard deviation of tau"], name="quantity"),
    )
    return {"weights": weights, "scores": scores, "perturbation": perturbation}


def _modality(
    published: dict[str, Any],
    *,
    confidence: float,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Compare unimodal with multimodal as published: the difference is unimodal's lead."""
    multimodal, unimodal = load_dataset(MULTIMODAL), load_dataset(UNIMODAL)
    found = compare_agreement(unimodal, multimodal, protocol="published")
    honest = compare_agreement(
        unimodal, multimodal, confidence=confidence, n_resamples=n_resamples, rng=seed
    )
    claimed = published["modality"]
    return pd.DataFrame(
        {
            "claimed": [
                claimed["multimodal_mean_tau"],
                claimed["unimodal_mean_tau"],
                claimed["delta"],
            ],
            "reproduced": [found.b, found.a, found.difference],
            "honest": [honest.b, honest.a, honest.difference],
            "low": [math.nan, math.nan, honest.low],
            "high": [math.nan, math.nan, honest.high],
            "pvalue": [math.nan, math.nan, honest.pvalue],
        },
        index=pd.Index(["multimodal", "unimodal", "unimodal minus multimodal"], name="mean tau of"),
    )


def _errors(frames: dict[str, pd.DataFrame]) -> tuple[pd.Series, int]:
    """Return the largest difference of each kind of figure, and how many were checked."""
    kinds = {
        "tau between metrics": ("tau", "claimed", "reproduced"),
        "p of the taus": ("tau", "claimed_p", "reproduced_p"),
        "rho with the oracle": ("reliability", "claimed", "reproduced"),
        "p of the rhos": ("reliability", "claimed_p", "reproduced_p"),
        "score weights": ("weights", "claimed", "reproduced"),
        f"scores (to {SCORE_DECIMALS} decimals)": ("scores", "claimed", "reproduced"),
        "weight perturbation": ("perturbation", "claimed", "reproduced"),
        "mean tau by modality": ("modality", "claimed", "reproduced"),
    }
    errors, count = {}, 0
    for kind, (name, claimed, found) in kinds.items():
        if name not in frames:
            continue
        values = frames[name][found].to_numpy(dtype=np.float64)
        if name == "scores":
            values = values.round(SCORE_DECIMALS)
        errors[kind] = float(np.abs(values - frames[name][claimed].to_numpy()).max())
        count += len(values)
    return pd.Series(errors, dtype=float).rename_axis("figures"), count
