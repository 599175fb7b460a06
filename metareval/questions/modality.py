"""Do metrics agree more in one table than in another (multimodal against unimodal, say)?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.coerce import as_table
from metareval.design import Design, build_design
from metareval.errors import ArgumentError
from metareval.progress import track
from metareval.questions.agreement import bootstrap_matrices
from metareval.questions.options import check_options, check_protocol
from metareval.questions.published import published_mean_agreement
from metareval.results import Result, plural
from metareval.stats.association import association, combine
from metareval.stats.cells import Statistic
from metareval.stats.intervals import interval_of_mean
from metareval.stats.ranks import centred_ranks
from metareval.stats.resample import (
    Layout,
    Permutations,
    Rng,
    resampling_pvalue,
    resolve_rng,
)
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Statistics that see no more of a value than its rank within a cell.
RANK_STATISTICS = ("kendall", "kendall_c", "spearman", "acc_eq")


@dataclass(frozen=True, eq=False, repr=False)
class AgreementDifference(Result):
    """Difference in mean agreement between two tables; see :func:`compare_agreement`.

    Parameters
    ----------
    a, b : float
        Mean agreement of each table over the shared metrics.
    difference : float
        ``a - b``, with its bootstrap interval ``low``, ``high`` and permutation ``pvalue``.
    metrics : tuple of str
        Metrics that both tables have.
    pairs : tuple of (str, str)
        Pairs of metrics that both tables define, over which the means are taken.
    reason : str
        "no_shared_pair" where there is none, and all else is undefined.
    note : str
        "no_exchange" where no unit of one table may trade places with one of the other, so that no
        p-value exists; else "".
    n_units_a, n_units_b : int
        Independent units of each table.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    pvalue: float
    metrics: tuple[str, ...]
    name_a: str
    name_b: str
    n_units_a: int
    n_units_b: int
    statistic: str
    estimator: str
    confidence: float
    n_resamples: int
    pairs: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    protocol: str = ""
    note: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return the comparison as one row."""
        columns = ("a", "b", "difference", "low", "high", "pvalue", "n_units_a", "n_units_b")
        return pd.DataFrame(
            {c: [getattr(self, c)] for c in columns},
            index=pd.Index([f"{self.name_a} - {self.name_b}"], name="tables"),
        )

    def headline(self) -> str:
        """Return one line that says what was compared and how."""
        how = "published protocol" if self.protocol else f"{self.estimator} estimate"
        names = ", ".join(self.metrics)
        if self.reason:
            over = f": no pair of {names} is defined in both tables"
        else:
            pairs = f"{plural(len(self.pairs), 'pair')} of " if self.pairs else ""
            over = f" over {pairs}{names}"
        alone = "; no p, since no units could trade places" if self.note else ""
        return (
            f"Difference in mean agreement ({get_statistic(self.statistic).title}, {how})"
            f"{over}{alone}"
        )


def compare_agreement(
    table_a: MetricTable | pd.DataFrame,
    table_b: MetricTable | pd.DataFrame,
    *,
    statistic: str = "kendall",
    estimate: str = "stratified",
    protocol: str | None = None,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    rng: Rng = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> AgreementDifference:
    """Compare the mean agreement of the metrics that two tables share.

    Parameters
    ----------
    table_a, table_b : MetricTable or DataFrame
    statistic : {"kendall", "kendall_c", "spearman", "acc_eq"}
        A statistic of ranks; see :func:`metareval.agreement`.
    estimate, confidence, n_resamples, rng
        See :func:`metareval.agreement`.
    protocol : {None, "published"}
        Reproduce arXiv:2605.02206: raw values, all rows pooled, no test.
    directions, block, item, replicate
        Roles of the columns of both tables, for DataFrames. Directions may name metrics that one
        of them has.

    Returns
    -------
    AgreementDifference

    Notes
    -----
    Means are over the pairs of metrics that both tables define (``pairs``). The interval resamples
    units within blocks, each table by itself; a pair that a draw leaves undefined counts as lowest
    for one end and as highest for the other. The p-value exchanges whole
    units between all blocks of both tables: under the null hypothesis a unit's ranks within its
    cell (centred and scaled by the cell's size) could have come from either table. Units are
    exchanged with units of as many replicates; where no two units of different tables have as many,
    there is no p-value.

    Examples
    --------
    >>> import metareval as mr
    >>> multimodal = mr.load_dataset("unifiedunl")
    >>> unimodal = mr.load_dataset("unifiedunl-unimodal")
    >>> result = mr.compare_agreement(unimodal, multimodal, protocol="published")
    >>> round(result.a, 3), round(result.b, 3), round(result.difference, 3)
    (0.158, 0.086, 0.072)
    """
    roles = {"block": block, "item": item, "replicate": replicate}
    first, second = (
        as_table(table, directions=_directions_of(table, other, directions), **roles)
        for table, other in ((table_a, table_b), (table_b, table_a))
    )
    shared = tuple(m for m in first.metrics if m in second.metrics)
    if len(shared) < 2:
        raise ArgumentError(
            f"The tables {first.name!r} ({', '.join(first.metrics)}) and {second.name!r} "
            f"({', '.join(second.metrics)}) share {len(shared)} metrics; two are needed for an "
            "agreement."
        )
    first, second = first.select(metrics=shared), second.select(metrics=shared)
    for metric in shared:
        if first.directions[metric] != second.directions[metric]:
            raise ArgumentError(
                f"In {first.name!r} {first.directions[metric]} {metric!r} is better, in "
                f"{second.name!r} {second.directions[metric]}: give it one direction."
            )
    common: dict[str, Any] = {
        "metrics": shared,
        "name_a": first.name,
        "name_b": second.name,
        "n_units_a": first.n_units,
        "n_units_b": second.n_units,
    }
    if check_protocol(
        protocol, statistic=statistic != "kendall", estimate=estimate != "stratified"
    ):
        a, b = published_mean_agreement(first), published_mean_agreement(second)
        return AgreementDifference(
            a=a,
            b=b,
            difference=a - b,
            low=math.nan,
            high=math.nan,
            pvalue=math.nan,
            statistic="kendall",
            estimator="pooled",
            confidence=math.nan,
            n_resamples=0,
            protocol="published",
            **common,
        )
    check_options(estimate=estimate, n_resamples=n_resamples, confidence=confidence)
    chosen = get_statistic(statistic)
    if statistic not in RANK_STATISTICS:
        raise ArgumentError(
            f"Agreement is compared on ranks, and statistic={statistic!r} is not one of ranks: "
            f"pass one of {', '.join(RANK_STATISTICS)}."
        )
    generator = resolve_rng(rng)
    designs = [build_design(t, oracle=False) for t in (first, second)]
    if any(np.isnan(d.x).any() for d in designs) and statistic != "kendall":
        raise ArgumentError(
            "Tables with missing values can be compared by statistic='kendall' only; "
            f"statistic is {statistic!r}."
        )
    cells = [d.cells(estimate, replicates=True) for d in designs]
    values = [association(d.x, c, chosen, estimate)[0] for d, c in zip(designs, cells, strict=True)]
    above = np.triu(np.ones((len(shared), len(shared)), dtype=bool), 1)
    both = above & ~np.isnan(values[0]) & ~np.isnan(values[1])
    common |= {
        "statistic": statistic,
        "estimator": estimate,
        "confidence": confidence,
        "n_resamples": n_resamples,
    }
    if not both.any():
        undefined: dict[str, Any] = dict.fromkeys(
            ("a", "b", "difference", "low", "high", "pvalue"), math.nan
        )
        return AgreementDifference(**undefined, reason="no_shared_pair", **common)
    ends = []
    for design, within in zip(designs, cells, strict=True):
        parts = bootstrap_matrices(
            design.x, design, within, chosen, estimate, n_resamples, generator
        )
        ends.append(_bounds_of_mean(np.concatenate([m[:, both] for m in parts]), chosen))
    (low_a, high_a, open_a), (low_b, high_b, open_b) = ends
    low, high = interval_of_mean(
        low_a - high_b, high_a - low_b, open_a | open_b, confidence=confidence
    )
    means = [float(v[both].mean()) for v in values]
    difference = means[0] - means[1]
    pvalue = _exchange_pvalue(difference, designs, chosen, estimate, both, n_resamples, generator)
    names = list(shared)
    return AgreementDifference(
        a=means[0],
        b=means[1],
        difference=difference,
        low=low,
        high=high,
        pvalue=pvalue,
        note="no_exchange" if math.isnan(pvalue) else "",
        pairs=tuple((names[i], names[j]) for i, j in np.argwhere(both)),
        **common,
    )


def _directions_of(
    table: object, other: object, directions: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    """Leave out directions of columns that only the other table has."""
    if directions is None:
        return None
    frames = (t.frame if isinstance(t, MetricTable) else t for t in (table, other))
    here, there = (list(map(str, getattr(frame, "columns", ()))) for frame in frames)
    return {m: way for m, way in directions.items() if m in here or m not in there}


def _bounds_of_mean(
    pairs: FloatArray, statistic: Statistic
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Return the least and the highest mean that each draw's pairs allow, and which are open."""
    gaps = np.isnan(pairs)
    low, high = (np.where(gaps, bound, pairs).mean(axis=1) for bound in statistic.bounds)
    return low, high, np.asarray(gaps.any(axis=1))


def _mean_of_pairs(matrices: FloatArray, both: NDArray[np.bool_]) -> FloatArray:
    """Mean over the pairs that are compared; over those defined, where an exchange undoes some."""
    pairs = matrices[:, both]
    count = (~np.isnan(pairs)).sum(axis=1)
    total = np.nansum(pairs, axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _exchange_pvalue(
    observed: float,
    designs: list[Design],
    statistic: Statistic,
    estimate: str,
    both: NDArray[np.bool_],
    n_resamples: int,
    rng: np.random.Generator,
) -> float:
    """Two-sided p of a difference in mean agreement: whole units trade places between the tables.

    NaN where no two units of different tables may.
    """
    ranks = np.concatenate([_scaled_ranks(d, estimate) for d in designs])
    cut = len(designs[0].x)
    first, second = (d.layout.unit for d in designs)
    unit = np.concatenate([first, second + first.max() + 1])
    # Under the null hypothesis the blocks of both tables are one, and units meet row by row.
    layout = Layout(np.zeros(len(unit), dtype=np.intp), unit, _rows_in_order(designs))
    if not any(_of_both(units, cut) for units in layout.exchange_classes()):
        return math.nan
    perms = Permutations(layout, n_resamples, rng, per_draw=ranks.size)
    cells = [d.cells(estimate, replicates=True) for d in designs]
    out = []
    for source in track(perms, total=perms.count, label="exchanges"):
        tables = ranks[source]
        sides = [
            _mean_of_pairs(combine(statistic.batch(part, c), statistic, estimate), both)
            for part, c in zip((tables[:, :cut], tables[:, cut:]), cells, strict=True)
        ]
        out.append(sides[0] - sides[1])
    return resampling_pvalue(observed, np.concatenate(out), exact=perms.exact)


def _of_both(units: Sequence[IntArray], cut: int) -> bool:
    """Say whether units are of both tables, of which the second begins at the row ``cut``."""
    return len({bool(rows[0] < cut) for rows in units}) == 2


def _rows_in_order(designs: list[Design]) -> IntArray:
    """Number the rows of each unit in the order of its slots, whatever the slots are called."""
    out = []
    for design in designs:
        slot = np.empty(len(design.x), dtype=np.intp)
        for rows in design.layout.unit_rows():
            slot[rows] = np.arange(len(rows))
        out.append(slot)
    return np.concatenate(out)


def _scaled_ranks(design: Design, estimate: str) -> FloatArray:
    out = np.full(design.x.shape, np.nan)
    for rows in design.cells(estimate, replicates=True):
        for a in range(design.x.shape[1]):
            have = rows[~np.isnan(design.x[rows, a])]
            out[have, a] = centred_ranks(design.x[have, a]) / max(len(have), 1)
    return out
