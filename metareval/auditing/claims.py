"""What was claimed about a table, and the same figures computed from its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ArgumentError
from metareval.questions.published import (
    published_agreement,
    published_mean_agreement,
    published_reliability,
)
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Pair = tuple[str, str]

# A figure computed from the same rows agrees to this; beyond it, to the decimals it was given in.
TOLERANCE = 1e-6
# JSON drops trailing zeros: a figure is taken to be given to at least this many decimals.
FEWEST_DECIMALS = 2

FIGURES = ("tau_matrix", "tau_p_matrix", "modality", "reliability")
MEANS = ("multimodal_mean_tau", "unimodal_mean_tau")


@dataclass(frozen=True)
class Claims:
    """Figures that were published about a table.

    Parameters
    ----------
    tau, tau_p : mapping of (metric, metric) to float
        Claimed tau of a pair, and its p-value; pairs in the order of the table's metrics.
    mean_tau : float
        Claimed mean tau over all pairs, NaN where none was claimed.
    rho, rho_p : mapping of metric to float
        Claimed correlation with closeness to the oracle, and its p-value.
    """

    tau: Mapping[Pair, float] = field(default_factory=dict)
    tau_p: Mapping[Pair, float] = field(default_factory=dict)
    mean_tau: float = math.nan
    rho: Mapping[str, float] = field(default_factory=dict)
    rho_p: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, published: object, table: MetricTable) -> Claims:
        """Read claims in the form of the embedded ``published.json``; any subset will do.

        Metrics that the table does not have are left out.

        Raises
        ------
        ArgumentError
            Not a mapping, none of the known figures, or a figure of the wrong form.
        """
        if not isinstance(published, Mapping):
            raise ArgumentError(
                f"published= got {type(published).__name__}; pass a mapping such as "
                "metareval.datasets.load_published() returns."
            )
        if not any(key in published for key in FIGURES):
            raise ArgumentError(
                f"published= holds none of the figures that can be checked ({', '.join(FIGURES)}); "
                f"its keys are {', '.join(map(repr, published)) or 'none'}."
            )
        names = published.get("metrics", table.metrics)
        if not isinstance(names, (list, tuple)) or not all(isinstance(m, str) for m in names):
            raise ArgumentError(f"published['metrics'] is {names!r}; a list of names is needed.")
        modality = _mapping(published, "modality")
        means = [_number(modality[m], f"['modality'][{m!r}]") for m in MEANS if m in modality]
        reliability = _mapping(published, "reliability")
        rows = {
            m: _mapping(reliability, m, "published['reliability']")
            for m in table.metrics
            if m in reliability
        }
        return cls(
            tau=dict(_pairs(published, "tau_matrix", names, table.metrics)),
            tau_p=dict(_pairs(published, "tau_p_matrix", names, table.metrics)),
            # A mean over other metrics is not about this table.
            mean_tau=means[0] if means and set(names) == set(table.metrics) else math.nan,
            rho=_series(rows, "rho"),
            rho_p=_series(rows, "p"),
        )


@dataclass(frozen=True)
class Figure:
    """A claimed figure beside what the published protocol gives.

    Parameters
    ----------
    kind : {"tau", "tau_p", "mean", "rho", "rho_p"}
    label : str
    claimed : float
    oriented, raw : float
        Recomputed with every metric turned so that higher is better, and on values as given.
    tolerance : float
    metrics : tuple of str
    """

    kind: str
    label: str
    claimed: float
    oriented: float
    raw: float
    tolerance: float
    metrics: tuple[str, ...]

    @property
    def matches_oriented(self) -> bool:
        """Whether the oriented figure is the claimed one."""
        return abs(self.oriented - self.claimed) <= self.tolerance

    @property
    def matches_raw(self) -> bool:
        """Whether the raw figure is the claimed one."""
        return abs(self.raw - self.claimed) <= self.tolerance


def claims_for(table: MetricTable) -> dict[str, Any] | None:
    """Return what was published about a table whose rows are those of an embedded one.

    Rows may stand in any order. Figures that need roles or an oracle are left out where the table
    has others than the embedded one.

    Returns
    -------
    dict or None
        In the form of the embedded ``published.json``; None for any other table.

    Examples
    --------
    >>> import metareval as mr
    >>> from metareval.auditing import claims_for
    >>> sorted(claims_for(mr.load_dataset("unifiedunl-unimodal")))
    ['directions', 'metrics', 'modality']
    """
    found = match_embedded(table)
    return None if found is None else found[1]


def match_embedded(table: MetricTable) -> tuple[IntArray, dict[str, Any]] | None:
    """Return the order of rows that makes the table an embedded one, and what was published."""
    from metareval.datasets import load_dataset, load_published

    published = load_published()
    if set(table.metrics) != set(published["metrics"]) or dict(table.directions) != dict(
        published["directions"]
    ):
        return None
    for name, mean in (("unifiedunl", MEANS[0]), ("unifiedunl-unimodal", MEANS[1])):
        embedded = load_dataset(name)
        order = _alignment(table, embedded)
        if order is None:
            continue
        out = {k: published[k] for k in ("metrics", "directions")}
        out["modality"] = {mean: published["modality"][mean]}
        if name == "unifiedunl":
            roles = ("block", "item", "replicate")
            labels = {r: np.array(table.labels(r), dtype=object)[order].tolist() for r in roles}
            if all(labels[r] == embedded.labels(r) for r in roles):
                out |= {k: published[k] for k in ("tau_matrix", "tau_p_matrix")}
            if table.oracle is not None and np.array_equal(
                table.closeness[order], embedded.closeness
            ):
                out["reliability"] = published["reliability"]
        return order, out
    return None


def compared_figures(table: MetricTable, claims: Claims) -> list[Figure]:
    """Recompute every claimed figure by the published protocol, oriented and on raw values."""
    raw = replace(table, directions=MappingProxyType(dict.fromkeys(table.metrics, "higher")))
    out: list[Figure] = []

    def add(kind: str, label: str, claimed: float, found: Sequence[Any], *metrics: str) -> None:
        oriented, raw = map(float, found)
        limit = tolerance(claimed, relative=kind.endswith("_p"))
        out.append(Figure(kind, label, claimed, oriented, raw, limit, metrics))

    # The protocol ranks by argsort, which has no rule for missing values.
    complete = [m for m in table.metrics if not table.frame[m].isna().any()]
    if (claims.tau or claims.tau_p) and complete:
        both = [published_agreement(t.select(metrics=complete)) for t in (table, raw)]
        for kind, claimed in (("tau", claims.tau), ("tau_p", claims.tau_p)):
            for (a, b), value in claimed.items():
                if a in complete and b in complete:
                    frames = [r.estimate if kind == "tau" else r.pvalue for r in both]
                    found = [f.loc[a, b] for f in frames]
                    what = "tau of" if kind == "tau" else "p of the tau of"
                    add(kind, f"{what} {a}-{b}", value, found, a, b)
    if not math.isnan(claims.mean_tau):
        frame = table.frame.copy()
        frame[list(table.metrics)] = table.oriented
        means = [published_mean_agreement(t) for t in (replace(raw, frame=frame), raw)]
        add("mean", "mean tau over all pairs", claims.mean_tau, means, *table.metrics)
    if table.oracle is not None and (claims.rho or claims.rho_p):
        results = [published_reliability(t).frame for t in (table, raw)]
        for kind, column, values in (("rho", "rho", claims.rho), ("rho_p", "pvalue", claims.rho_p)):
            for metric, value in values.items():
                what = "rho of" if kind == "rho" else "p of the rho of"
                found = [frame.loc[metric, column] for frame in results]
                add(kind, f"{what} {metric}", value, found, metric)
    return out


def tolerance(claimed: float, *, relative: bool) -> float:
    """Return how far a recomputed figure may lie from a claimed one: half its last digit.

    Examples
    --------
    >>> round(tolerance(0.852, relative=False), 6)
    0.0005
    """
    exponent = Decimal(repr(claimed)).as_tuple().exponent
    decimals = max(-exponent if isinstance(exponent, int) else 0, FEWEST_DECIMALS)
    scale = abs(claimed) if relative else 1.0
    # A little more than half, so that a figure that was rounded to even still matches.
    return max(0.5 * 10.0**-decimals * (1 + 1e-9), TOLERANCE * scale)


def _alignment(table: MetricTable, embedded: MetricTable) -> IntArray | None:
    """Return the order of the table's rows that gives the embedded rows, or None."""
    if len(table) != len(embedded):
        return None
    metrics = sorted(embedded.metrics)
    orders, values = [], []
    for t in (table, embedded):
        x = t.frame[metrics].to_numpy(dtype=np.float64)
        roles = [t.codes(role) for role in ("replicate", "item", "block")]
        orders.append(np.lexsort([*roles, *x.T]))
        values.append(x[orders[-1]])
    if not np.array_equal(values[0], values[1], equal_nan=True):
        return None
    mine, theirs = orders
    return mine[np.argsort(theirs)]


def _mapping(holder: Mapping[str, Any], key: str, where: str = "published") -> Mapping[str, Any]:
    value = holder.get(key, {})
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{where}[{key!r}] is {value!r}; a mapping is needed.")
    return value


def _number(value: Any, where: str) -> float:
    """Return a number; NaN for None."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ArgumentError(f"published{where} is {value!r}; a number is needed.")
    return float(value)


def _series(rows: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, float]:
    values = {m: _number(r.get(key), f"['reliability'][{m!r}][{key!r}]") for m, r in rows.items()}
    return {m: v for m, v in values.items() if math.isfinite(v)}


def _pairs(
    published: Mapping[str, Any], key: str, names: Any, metrics: tuple[str, ...]
) -> Iterator[tuple[Pair, float]]:
    """Yield the pairs of the table's metrics and their figures."""
    if key not in published:
        return
    rows = published[key]
    k = len(names)
    if (
        not isinstance(rows, (list, tuple, np.ndarray))
        or [len(r) if isinstance(r, (list, tuple, np.ndarray)) else -1 for r in rows] != [k] * k
    ):
        raise ArgumentError(
            f"published[{key!r}] must have one row and one column for each of the {k} metrics "
            f"({', '.join(names)})."
        )
    position = {m: i for i, m in enumerate(names)}
    known = [m for m in metrics if m in position]
    for i, a in enumerate(known):
        for b in known[i + 1 :]:
            value = _number(rows[position[a]][position[b]], f"[{key!r}] for {a!r} and {b!r}")
            if math.isfinite(value):
                yield (a, b), value
