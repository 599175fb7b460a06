"""How stable is the ranking when the weights, the metrics, the blocks or the replicates change?"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.design import build_design
from metareval.errors import ArgumentError, TableError
from metareval.progress import stage
from metareval.questions.options import check_protocol
from metareval.questions.published import perturbation_weights
from metareval.questions.uqs import UQS
from metareval.results import Result, plural
from metareval.stats.rank_distance import tau_with_reference, weighted_scores
from metareval.stats.ranks import competition_ranks
from metareval.stats.resample import Rng, check_resamples, resolve_rng
from metareval.stats.simplex import dirichlet, expected_tau, outranks, reversal
from metareval.stats.top_share import top_share
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]

# Concentrations of Dirichlet(c w) around the reference weights: from loose to tight.
CONCENTRATIONS = (5.0, 20.0, 100.0)


@dataclass(frozen=True, eq=False, repr=False)
class PerturbationResult(Result):
    """Stability of a ranking; see :func:`perturb`.

    Parameters
    ----------
    mean_tau, std_tau : float
        Mean and standard deviation of Kendall's tau between the reference ranking and the
        rankings under random weights, by sampling.
    expected_tau : float
        The exact mean under uniform weights.
    top1 : Series, index item
        Probability that an item comes first under uniform weights.
    outranks : DataFrame, shape (n, n)
        Exact probability that the row's item outranks the column's under uniform weights.
    radius : float
        Smallest Euclidean change of the weights that makes two neighbours of the reference
        ranking tie; infinite where no weights reverse any of them, NaN with one item.
    radius_pair : tuple of str
        The neighbours that it takes to tie.
    reversals : DataFrame, index (leader, follower)
        For each pair of neighbours: ``distance``, ``status`` ("reversed", "dominates" where no
        weights reverse them, "tied" where they tie already), and the weights at which they tie.
    scores : Series
        Reference scores.
    rank_probability : DataFrame, shape (n, n)
        Share of the random weights under which the item has the rank.
    concentrated : DataFrame, index concentration
        ``mean_tau`` and ``std_tau`` under Dirichlet(c w) around the reference weights.
    leave_one_metric_out, leave_one_block_out : Series
        Tau of the reference ranking with that without the metric, or without the block.
    replicate_noise : Series
        ``mean_tau`` and ``std_tau`` when each unit's replicates are drawn with replacement.
    top1_exact : bool
        Whether ``top1`` is a volume rather than a share of draws.
    """

    mean_tau: float
    std_tau: float
    expected_tau: float
    top1: pd.Series
    outranks: pd.DataFrame
    radius: float
    radius_pair: tuple[str, ...]
    reversals: pd.DataFrame
    scores: pd.Series
    rank_probability: pd.DataFrame
    concentrated: pd.DataFrame
    leave_one_metric_out: pd.Series
    leave_one_block_out: pd.Series
    replicate_noise: pd.Series
    top1_exact: bool
    n_resamples: int
    by: str
    protocol: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each item: score, rank, probability of coming first, rank range."""
        likely = self.rank_probability.to_numpy(dtype=np.float64) > 0
        places = np.arange(1, likely.shape[1] + 1)
        best = [int(places[row].min()) for row in likely]
        worst = [int(places[row].max()) for row in likely]
        return pd.DataFrame(
            {
                "score": self.scores,
                "rank": pd.Series(
                    competition_ranks(self.scores.to_numpy(dtype=np.float64)),
                    index=self.scores.index,
                ).astype("Int64"),
                "top1": self.top1,
                "best_rank": best,
                "worst_rank": worst,
            }
        ).sort_values("rank", kind="stable")

    def headline(self) -> str:
        """Return one line that says how stable the ranking is."""
        how = "published protocol" if self.protocol else "uniform weights"
        if math.isnan(self.radius):
            radius = "undefined"
        elif math.isinf(self.radius):
            radius = "infinite (every leader dominates)"
        else:
            radius = f"{self.radius:.4f} ({' / '.join(self.radius_pair)})"
        if math.isnan(self.expected_tau):
            tau = "undefined"
        else:
            tau = (
                f"{self.mean_tau:.4f} (SD {self.std_tau:.4f}) over "
                f"{plural(self.n_resamples, 'draw')}, exactly {self.expected_tau:.4f}"
            )
        return f"Perturbation ({how}): mean tau {tau}; radius {radius}"


def perturb(
    uqs: UQS,
    table: MetricTable | pd.DataFrame,
    *,
    protocol: str | None = None,
    by: str = "item",
    n_resamples: int = 10_000,
    rng: Rng = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> PerturbationResult:
    """Test how far the ranking of a score depends on its weights and its data.

    Parameters
    ----------
    uqs : UQS
        The score whose weights give the reference ranking.
    table : MetricTable or DataFrame
    protocol : {None, "published"}
        Draw the weights of arXiv:2605.02206: 100 from numpy's legacy generator with seed 42.
    by : {"item", "unit", "row"}
        What is ranked.
    n_resamples : int
        Draws for the standard deviation, the ranks and the replicate noise.
    rng : None, int or Generator
    block, item, replicate
        Roles, for a DataFrame.

    Returns
    -------
    PerturbationResult

    Raises
    ------
    ArgumentError
        A cross-fitted score, which has other weights in every block; or the published protocol
        for a score that was not fitted by it.

    Notes
    -----
    Random weights are uniform on the simplex, Dirichlet(1), over the metrics that the score can
    use. Exact probabilities: see :mod:`metareval.stats.simplex`. A radius is a Euclidean distance
    on the simplex, so at most sqrt(2).

    Examples
    --------
    >>> import metareval as mr
    >>> table = mr.load_dataset("unifiedunl")
    >>> uqs = mr.UQS.fit(table, protocol="published")
    >>> result = mr.perturb(uqs, table, protocol="published")
    >>> round(result.mean_tau, 6), round(result.std_tau, 6)
    (0.646667, 0.261704)
    """
    published = check_protocol(protocol)
    check_resamples(n_resamples)
    generator = resolve_rng(rng)
    if not isinstance(uqs, UQS):
        raise ArgumentError(
            f"The first argument is a {type(uqs).__name__}; perturb(uqs, table) takes a fitted "
            "metareval.UQS."
        )
    if published and not uqs.protocol:
        raise ArgumentError(
            "protocol='published' perturbs a score fitted by it: "
            "metareval.UQS.fit(table, protocol='published')."
        )
    if len(uqs.fold_weights):
        raise ArgumentError(
            "A cross-fitted score has other weights in every block, so there is no one set of "
            "weights to perturb: fit it with weights='stratified' or 'pooled'."
        )
    data = uqs.table_of(table, block=block, item=item, replicate=replicate)
    frame = uqs.values(data, by=by)
    usable = [m for m in frame.columns if m not in uqs.excluded.index]
    values = frame[usable].to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        row, column = (int(i) for i in np.argwhere(np.isnan(values))[0])
        raise TableError(
            f"{usable[column]!r} has no value for {_name(frame.index[row])} in "
            f"{data.name!r}, so its rank under random weights is undefined. Leave the metric or "
            "the rows out (an item must have a value in every block)."
        )
    weights = uqs.weights[usable].to_numpy(dtype=np.float64)
    scores = uqs.score(data, by=by)
    reference = scores.to_numpy(dtype=np.float64)
    names = [_name(i) for i in frame.index]
    if published:
        drawn = perturbation_weights(len(usable))
    else:
        drawn = dirichlet(np.ones(len(usable)), n_resamples, generator)
    sampled = weighted_scores(values, drawn)
    repeated = len(np.unique(values, axis=0)) < len(values)
    mean_tau, std_tau = _spread(tau_with_reference(sampled, reference, scores_tie=repeated))
    stage("  exact ranking probabilities")
    index = pd.Index(names, name=by)
    first = top_share(values, n_draws=n_resamples, rng=generator)
    radius, pair, reversals = _radius(values, weights, reference, names, usable)
    return PerturbationResult(
        mean_tau=mean_tau,
        std_tau=std_tau,
        expected_tau=expected_tau(values, reference),
        top1=pd.Series(first.share, index=index, name="top1"),
        outranks=pd.DataFrame(outranks(values), index=index, columns=names),
        radius=radius,
        radius_pair=pair,
        reversals=reversals,
        scores=pd.Series(reference, index=index, name="score"),
        rank_probability=_rank_probability(sampled, index),
        concentrated=_concentrated(values, weights, reference, n_resamples, generator),
        leave_one_metric_out=_without_metrics(values, weights, reference, usable),
        leave_one_block_out=_without_blocks(uqs, data, reference, by),
        replicate_noise=_replicate_noise(uqs, data, reference, by, n_resamples, generator),
        top1_exact=first.exact,
        n_resamples=len(drawn),
        by=by,
        protocol=protocol or "",
    )


def _name(label: object) -> str:
    return " / ".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _spread(taus: FloatArray) -> tuple[float, float]:
    defined = taus[~np.isnan(taus)]
    return (float(defined.mean()), float(defined.std())) if len(defined) else (math.nan, math.nan)


def _radius(
    values: FloatArray,
    weights: FloatArray,
    reference: FloatArray,
    names: list[str],
    metrics: list[str],
) -> tuple[float, tuple[str, ...], pd.DataFrame]:
    """Smallest change of weights over the neighbours of the reference ranking."""
    order = np.argsort(-reference, kind="stable")
    records, pairs = [], []
    for leader, follower in itertools.pairwise(order):
        found = reversal(values[leader] - values[follower], weights)
        records.append([found.distance, found.status, *found.weights])
        pairs.append((names[leader], names[follower]))
    frame = pd.DataFrame(
        records,
        columns=["distance", "status", *metrics],
        index=pd.MultiIndex.from_tuples(pairs, names=["leader", "follower"]),
    )
    if not pairs:
        return math.nan, (), frame
    distances = [float(r[0]) for r in records]
    least = int(np.argmin(distances))
    return distances[least], pairs[least] if math.isfinite(distances[least]) else (), frame


def _rank_probability(scores: FloatArray, index: pd.Index) -> pd.DataFrame:
    n = scores.shape[1]
    counts = np.zeros((n, n))
    for draw in scores:
        # The first place of a score among all, the highest first: ties share the best rank.
        ranks = n - np.searchsorted(np.sort(draw), draw, side="right")
        counts[np.arange(n), ranks] += 1
    ranks_from_one = pd.RangeIndex(1, n + 1, name="rank")
    return pd.DataFrame(counts / len(scores), index=index, columns=ranks_from_one)


def _concentrated(
    values: FloatArray,
    weights: FloatArray,
    reference: FloatArray,
    n_resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    records = [
        _spread(
            tau_with_reference(
                weighted_scores(values, dirichlet(c * weights, n_resamples, rng)), reference
            )
        )
        for c in CONCENTRATIONS
    ]
    return pd.DataFrame(
        records,
        columns=["mean_tau", "std_tau"],
        index=pd.Index(CONCENTRATIONS, name="concentration"),
    )


def _without_metrics(
    values: FloatArray, weights: FloatArray, reference: FloatArray, metrics: list[str]
) -> pd.Series:
    reduced = np.tile(weights, (len(weights), 1))
    np.fill_diagonal(reduced, 0.0)
    taus = tau_with_reference(weighted_scores(values, reduced), reference)
    return pd.Series(taus, index=pd.Index(metrics, name="metric"), name="tau")


def _without_blocks(uqs: UQS, table: MetricTable, reference: FloatArray, by: str) -> pd.Series:
    blocks = table.levels("block")
    taus = []
    if by == "item" and len(blocks) > 1:
        for left_out in blocks:
            rest = table.select(blocks=[b for b in blocks if b != left_out])
            # Every item has a value in every block; their order may differ.
            part = uqs.score(rest).reindex(table.levels("item")).to_numpy(dtype=np.float64)
            taus.append(float(tau_with_reference(part[None, :], reference)[0]))
    else:
        blocks = []
    return pd.Series(taus, index=pd.Index(blocks, name="block"), name="tau", dtype=float)


def _replicate_noise(
    uqs: UQS,
    table: MetricTable,
    reference: FloatArray,
    by: str,
    n_resamples: int,
    rng: np.random.Generator,
) -> pd.Series:
    """Draw each unit's replicates with replacement and rank the items anew."""
    nothing = pd.Series({"mean_tau": math.nan, "std_tau": math.nan})
    if by != "item" or table.item is None or uqs.protocol or len(table) == table.n_units:
        return nothing
    # In an order of their own, so that the order of the table's rows changes no draw.
    order = build_design(table, oracle=False).order
    rows = uqs.score(table, by="row").to_numpy(dtype=np.float64)[order]
    unit = table.unit_codes[order]
    items = table.levels("item")
    item = np.array([items.index(label) for label in table.labels("item")])[order]
    n_blocks = len(table.levels("block"))
    shares = np.zeros((n_resamples, len(rows)))
    for code in np.unique(unit):
        members = np.flatnonzero(unit == code)
        m = len(members)
        shares[:, members] = rng.multinomial(m, np.full(m, 1 / m), size=n_resamples) / m
    spread = np.zeros((len(rows), len(items)))
    spread[np.arange(len(rows)), item] = rows / n_blocks
    # Equal items must stay equal in spite of rounding in the product.
    mean, std = _spread(tau_with_reference(np.round(shares @ spread, 12), reference))
    return pd.Series({"mean_tau": mean, "std_tau": std})
