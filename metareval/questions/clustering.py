"""Which metrics form clusters, and which clusters oppose each other?"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.coerce import as_table
from metareval.design import build_design
from metareval.errors import ArgumentError
from metareval.questions.agreement import bootstrap_matrices
from metareval.questions.options import check_options
from metareval.results import Result, plural
from metareval.stats.association import association, finite_columns, undefined_reason
from metareval.stats.intervals import percentile_interval
from metareval.stats.resample import Rng, resolve_rng
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False, repr=False)
class ClusterResult(Result):
    """Clusters of metrics; see :func:`cluster_metrics`.

    Parameters
    ----------
    labels : Series of int, index metric
        Cluster of each clustered metric, from 1; cluster 1 holds the first metric.
    support : Series, index cluster
        Share of bootstrap draws in which all members stay in one cluster; for a cluster of one,
        in which it stays alone. NaN where all metrics are one cluster, or each is one of its own:
        no draw could contradict that.
    opposition : DataFrame, index (cluster_a, cluster_b)
        ``tau``, the mean association between the clusters' members, its interval ``low``,
        ``high``, and ``opposing``: whether the interval lies below zero.
    excluded : Series of str, index metric
        Metrics that no cluster can hold, with the reason.
    order : tuple of str
        Metrics in the order of the dendrogram's leaves, excluded ones last.
    silhouette : float
        Mean silhouette of the clustering; NaN for one cluster.
    linkage : ndarray, shape (m - 1, 4)
        Average linkage on (1 - tau) / 2, as scipy lays it out; leaves are the metrics of
        ``labels`` in order. Of equal distances the one between the first names is joined first.
    """

    labels: pd.Series
    support: pd.Series
    opposition: pd.DataFrame
    excluded: pd.Series
    order: tuple[str, ...]
    silhouette: float
    linkage: FloatArray
    statistic: str
    estimator: str
    confidence: float
    n_resamples: int

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.support)

    def members(self, cluster: int) -> list[str]:
        """Return the metrics of a cluster."""
        return [str(m) for m in self.labels.index[self.labels == cluster]]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each metric: cluster (missing where excluded), support, reason."""
        names = [*self.labels.index, *self.excluded.index]
        return pd.DataFrame(
            {
                "cluster": [*map(int, self.labels), *[pd.NA] * len(self.excluded)],
                "support": [
                    *(self.support[c] for c in self.labels),
                    *[np.nan] * len(self.excluded),
                ],
                "reason": [*[""] * len(self.labels), *self.excluded],
            },
            index=pd.Index(names, name="metric"),
        )

    def headline(self) -> str:
        """Return one line that says what was found."""
        groups = "; ".join(
            f"{c}: {', '.join(self.members(c))}"
            + ("" if math.isnan(self.support[c]) else f" (support {self.support[c]:.2f})")
            for c in self.support.index
        )
        opposing = int(self.opposition["opposing"].sum())
        return (
            f"Clusters ({get_statistic(self.statistic).title}, {self.estimator}): "
            f"{groups or 'none'}; {plural(opposing, 'opposing pair')} of clusters"
        )


def cluster_metrics(
    table: MetricTable | pd.DataFrame,
    *,
    n_clusters: int | None = None,
    statistic: str = "kendall",
    estimate: str = "stratified",
    unit: str = "cell",
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    rng: Rng = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> ClusterResult:
    """Group metrics that rank alike, by average linkage on (1 - tau) / 2.

    Parameters
    ----------
    table : MetricTable or DataFrame
    n_clusters : int, optional
        Number of clusters; by default the number with the highest mean silhouette, one where no
        silhouette is positive. Two metrics are one cluster unless their tau is negative.
    statistic : {"kendall", "kendall_c", "spearman", "pearson"}
    estimate : {"stratified", "mean", "pooled"}
        See :func:`metareval.agreement`.
    unit, confidence, n_resamples, rng
        See :func:`metareval.agreement`; the bootstrap gives support and intervals.
    metrics, directions, block, item, replicate
        Roles, for a DataFrame.

    Returns
    -------
    ClusterResult
        Metrics that are constant, or whose association with another is undefined, are in
        ``excluded`` and in no cluster.

    Examples
    --------
    >>> import metareval as mr
    >>> table = mr.load_dataset("unifiedunl")
    >>> result = mr.cluster_metrics(table, n_clusters=2, n_resamples=200, rng=0)
    >>> sorted(result.members(1))
    ['AD', 'FA', 'JS', 'RA']
    """
    check_options(estimate=estimate, n_resamples=n_resamples, confidence=confidence)
    chosen = get_statistic(statistic)
    generator = resolve_rng(rng)
    if chosen.bounds != (-1.0, 1.0):
        raise ArgumentError(
            f"statistic={statistic!r} is not a correlation, and clusters need one: "
            "pass 'kendall', 'kendall_c', 'spearman' or 'pearson'."
        )
    data = as_table(
        table, metrics=metrics, directions=directions, block=block, item=item, replicate=replicate
    )
    design = build_design(data, oracle=False, unit=unit)
    cells = design.cells(estimate, replicates=True)
    x = finite_columns(design.x, chosen)
    value = association(x, cells, chosen, estimate)[0]
    # Metrics join in the order of their names, so that equal distances do not make the clusters
    # depend on the order of columns.
    reasons = {
        a: undefined_reason(design.x[:, a], design.x[:, a], cells, finite=chosen.needs_finite)
        for a in sorted(range(len(data.metrics)), key=lambda a: data.metrics[a])
    }
    kept, dropped = _clusterable(value, reasons)
    if n_clusters is not None and (
        isinstance(n_clusters, bool)
        or not isinstance(n_clusters, numbers.Integral)
        or not 1 <= n_clusters <= max(len(kept), 1)
    ):
        raise ArgumentError(
            f"n_clusters is {n_clusters!r}; it must be an integer between 1 and {len(kept)}, the "
            "number of metrics that can be clustered."
            if kept
            else f"n_clusters is {n_clusters!r}, but no metric can be clustered: all are constant "
            "or undefined. Leave n_clusters out to see why."
        )
    tau = value[np.ix_(kept, kept)]
    tree = _linkage(tau)
    labels, silhouette = _cut(tau, tree, n_clusters)
    in_table = np.argsort(np.array(kept, dtype=np.intp))
    labels = _numbered(labels, in_table)
    support, between = _resampled(
        labels,
        bootstrap_matrices(x[:, kept], design, cells, chosen, estimate, n_resamples, generator),
    )
    order = [data.metrics[kept[i]] for i in _leaves(tree, len(kept))]
    return ClusterResult(
        labels=pd.Series(
            labels[in_table],
            index=pd.Index([data.metrics[i] for i in sorted(kept)], name="metric"),
            name="cluster",
            dtype=int,
        ),
        support=support,
        opposition=_opposition(labels, tau, between, confidence),
        excluded=pd.Series(
            list(dropped.values()),
            index=pd.Index([data.metrics[i] for i in dropped], name="metric"),
            name="reason",
            dtype=object,
        ),
        order=(*order, *(data.metrics[i] for i in dropped)),
        silhouette=silhouette,
        linkage=_with_leaves(tree, in_table),
        statistic=statistic,
        estimator=estimate,
        confidence=confidence,
        n_resamples=n_resamples,
    )


def _clusterable(value: FloatArray, reasons: Mapping[int, str]) -> tuple[list[int], dict[int, str]]:
    """Split metrics into those with all associations defined, and the rest with reasons."""
    dropped = {a: r for a, r in reasons.items() if r}
    kept = [a for a in reasons if a not in dropped]
    while kept:
        gaps = np.isnan(value[np.ix_(kept, kept)]).sum(axis=1)
        if not gaps.any():
            break
        worst = kept[int(np.argmax(gaps))]
        dropped[worst] = "undefined_pair"
        kept.remove(worst)
    return kept, dict(sorted(dropped.items()))


def _condensed(tau: FloatArray) -> FloatArray:
    return (1 - tau[np.triu_indices(len(tau), 1)]) / 2


def _linkage(tau: FloatArray) -> FloatArray:
    from scipy.cluster.hierarchy import linkage

    if len(tau) < 2:
        return np.empty((0, 4))
    return np.asarray(linkage(_condensed(tau), method="average"), dtype=np.float64)


def _leaves(tree: FloatArray, m: int) -> list[int]:
    from scipy.cluster.hierarchy import leaves_list

    return [int(i) for i in leaves_list(tree)] if len(tree) else list(range(m))


def _labels(tree: FloatArray, m: int, n_clusters: int) -> IntArray:
    """Cut a tree into clusters, numbered from 1 in any order."""
    groups: dict[int, list[int]] = {i: [i] for i in range(m)}
    for step in range(m - n_clusters):
        left, right = int(tree[step, 0]), int(tree[step, 1])
        groups[m + step] = groups.pop(left) + groups.pop(right)
    out = np.empty(m, dtype=np.intp)
    for number, members in enumerate(groups.values(), start=1):
        out[members] = number
    return out


def _numbered(labels: IntArray, order: IntArray) -> IntArray:
    """Number clusters from 1 by the first of their members in the given order."""
    out = np.empty_like(labels)
    for number, label in enumerate(dict.fromkeys(labels[order].tolist()), start=1):
        out[labels == label] = number
    return out


def _with_leaves(tree: FloatArray, order: IntArray) -> FloatArray:
    """Return a tree whose leaves are numbered by their place in the given order."""
    m = len(order)
    place = np.append(np.argsort(order), np.arange(m, 2 * m))
    out = tree.copy()
    out[:, :2] = np.sort(place[tree[:, :2].astype(np.intp)], axis=1)
    return out


def _cut(tau: FloatArray, tree: FloatArray, n_clusters: int | None) -> tuple[IntArray, float]:
    m = len(tau)
    if m == 0:
        return np.empty(0, dtype=np.intp), math.nan
    if n_clusters is not None:
        labels = _labels(tree, m, n_clusters)
        return labels, _silhouette(tau, labels)
    if m == 2:
        return _labels(tree, m, 2 if tau[0, 1] < 0 else 1), math.nan
    best, best_score = np.ones(m, dtype=np.intp), 0.0
    for count in range(2, m):
        labels = _labels(tree, m, count)
        score = _silhouette(tau, labels)
        if score > best_score:
            best, best_score = labels, score
    return best, best_score if best.max() > 1 else math.nan


def _silhouette(tau: FloatArray, labels: IntArray) -> float:
    """Mean silhouette on (1 - tau) / 2; a cluster of one counts 0 (Rousseeuw 1987)."""
    if labels.max() < 2:
        return math.nan
    distance = (1 - tau) / 2
    scores = np.zeros(len(labels))
    for i, own in enumerate(labels):
        same = labels == own
        if same.sum() < 2:
            continue
        inside = distance[i, same].sum() / (same.sum() - 1)
        outside = min(distance[i, labels == c].mean() for c in np.unique(labels) if c != own)
        largest = max(inside, outside)
        scores[i] = (outside - inside) / largest if largest > 0 else 0.0
    return float(scores.mean())


def _resampled(
    labels: IntArray, portions: Iterable[FloatArray]
) -> tuple[pd.Series, dict[tuple[int, int], FloatArray]]:
    """Return each cluster's support, and the mean tau between clusters in every draw.

    A draw with an undefined pair supports no cluster. Nothing supports a number of clusters that
    every draw has to give.
    """
    m = len(labels)
    count = int(labels.max()) if m else 0
    members = {c: np.flatnonzero(labels == c) for c in range(1, count + 1)}
    pairs = [(a, b) for a in members for b in members if a < b]
    held, total = np.zeros(count), 0
    between: dict[tuple[int, int], list[FloatArray]] = {pair: [] for pair in pairs}
    for draws in portions if m else ():
        total += len(draws)
        for a, b in pairs:
            part = draws[:, members[a]][:, :, members[b]]
            between[a, b].append(part.mean(axis=(1, 2)))
        for tau in draws if 1 < count < m else ():
            if np.isnan(tau).any():
                continue
            drawn = _labels(_linkage(tau), m, count)
            for c, own in members.items():
                label = drawn[own[0]]
                alone = len(own) > 1 or int((drawn == label).sum()) == 1
                held[c - 1] += alone and bool((drawn[own] == label).all())
    support = held / total if 1 < count < m else np.full(count, np.nan)
    return (
        pd.Series(
            support, index=pd.Index(list(members), name="cluster", dtype=int), name="support"
        ),
        {pair: np.concatenate(parts) for pair, parts in between.items()},
    )


def _opposition(
    labels: IntArray,
    tau: FloatArray,
    between: Mapping[tuple[int, int], FloatArray],
    confidence: float,
) -> pd.DataFrame:
    records = []
    for (a, b), draws in between.items():
        interval = percentile_interval(draws, confidence=confidence, bounds=(-1.0, 1.0))
        records.append(
            {
                "tau": float(tau[np.ix_(labels == a, labels == b)].mean()),
                "low": float(interval.low),
                "high": float(interval.high),
                "opposing": float(interval.high) < 0,
            }
        )
    return pd.DataFrame(
        records,
        index=pd.MultiIndex.from_tuples(list(between), names=["cluster_a", "cluster_b"]),
        columns=["tau", "low", "high", "opposing"],
    ).astype({"tau": float, "low": float, "high": float, "opposing": bool})
