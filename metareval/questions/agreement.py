"""Which metrics agree? Rank correlation of every pair of metrics, honest about blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.coerce import as_table
from metareval.design import Design, build_design
from metareval.progress import track
from metareval.questions.options import check_options, check_protocol
from metareval.results import Result, plural
from metareval.stats.association import (
    association,
    defined_cells,
    finite_columns,
    local_cells,
    permuted_association,
    undefined_reason,
)
from metareval.stats.cells import Statistic
from metareval.stats.intervals import interval_of_mean, percentile_interval
from metareval.stats.levels import kruskal_wallis
from metareval.stats.multiplicity import adjust
from metareval.stats.pairs import Pairs
from metareval.stats.ranks import centred_ranks
from metareval.stats.resample import (
    Permutations,
    Rng,
    bootstrap_weights,
    draw_seed,
    resampling_pvalue,
    resolve_rng,
)
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Bootstrap draws of pairs that are held at once: 128 MiB.
DRAWS_HELD = 2**24


@dataclass(frozen=True, eq=False, repr=False)
class AgreementResult(Result):
    """Agreement of every pair of metrics; see :func:`agreement`.

    Parameters
    ----------
    estimate, low, high, pvalue, adjusted : DataFrame, shape (k, k)
        Statistic, its interval, its permutation p-value and that value corrected over pairs;
        metric names on both axes, NaN where undefined.
    n_defined : DataFrame of int
        Number of cells in which both metrics vary.
    reason : DataFrame of str
        Why an estimate is undefined ("constant", "too_few", "missing", "non_finite"), else "".
    n_rows : DataFrame of int
        Rows in which both metrics have a value.
    note : DataFrame of str
        "no_exchange" where no two units may be exchanged, so that no p-value exists; else "".
    undefined_draws : DataFrame
        Share of bootstrap draws in which the statistic was undefined.
    confounded : DataFrame of bool
        For a pooled estimate: both metrics differ in level between blocks.
    mean, mean_low, mean_high : float
        Mean of the defined off-diagonal estimates, and its interval.
    n_cells, n_units : int
        Cells within which rows are compared; independent units.
    statistic, estimator, unit, correction, protocol : str
        How it was computed; ``protocol`` is empty unless one was asked for.
    n_resamples : int
    exact : bool
        Whether p-values come from all permutations rather than a sample.
    """

    estimate: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    pvalue: pd.DataFrame
    adjusted: pd.DataFrame
    n_defined: pd.DataFrame
    reason: pd.DataFrame
    note: pd.DataFrame
    n_rows: pd.DataFrame
    undefined_draws: pd.DataFrame
    confounded: pd.DataFrame
    mean: float
    mean_low: float
    mean_high: float
    n_cells: int
    n_units: int
    statistic: str
    estimator: str
    unit: str
    correction: str
    confidence: float
    n_resamples: int
    exact: bool
    protocol: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each pair of metrics."""
        names = list(self.estimate.index)
        symmetric = get_statistic(self.statistic).symmetric
        pairs = [
            (a, b)
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if (i < j if symmetric else i != j)
        ]
        columns = {
            "estimate": self.estimate,
            "low": self.low,
            "high": self.high,
            "pvalue": self.pvalue,
            "adjusted": self.adjusted,
            "n_defined": self.n_defined,
            "n_rows": self.n_rows,
            "reason": self.reason,
            "undefined_draws": self.undefined_draws,
            "note": self.note,
            "confounded": self.confounded,
        }
        index = pd.MultiIndex.from_tuples(pairs, names=["metric_a", "metric_b"])
        data = {c: [frame.loc[a, b] for a, b in pairs] for c, frame in columns.items()}
        kinds = {c: frame.dtypes.iloc[0] for c, frame in columns.items()}
        return pd.DataFrame(data, index=index).astype(kinds)

    def headline(self) -> str:
        """Return one line that says what was computed and how."""
        how = "published protocol" if self.protocol else f"{self.estimator} estimate"
        defined = self.to_frame()["estimate"].notna()
        some = "" if defined.all() else f"{defined.sum()} of "
        metrics = plural(len(self.estimate), "metric")
        found = (
            f"mean {self.mean:.3f} over {some}{plural(len(defined), 'pair')} of {metrics}"
            if defined.any()
            else f"no pair of {metrics} is defined"
        )
        return (
            f"Agreement ({get_statistic(self.statistic).title}, {how}): {found}; "
            f"{plural(self.n_cells, 'cell')}, {plural(self.n_units, 'independent unit')}"
        )


def agreement(
    table: MetricTable | pd.DataFrame,
    *,
    statistic: str = "kendall",
    estimate: str = "stratified",
    protocol: str | None = None,
    unit: str = "cell",
    correction: str = "holm",
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    rng: Rng = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> AgreementResult:
    """Measure how far every pair of metrics ranks the models alike.

    Parameters
    ----------
    table : MetricTable or DataFrame
        For a DataFrame the roles are keywords: column names, or one value for each row.
    statistic : str
        ``"kendall"`` (tau-b), ``"kendall_c"``, ``"spearman"``, ``"pearson"``, ``"acc_eq"``
        (pairwise accuracy with ties) or ``"acc_eq_calibrated"``.
    estimate : {"stratified", "mean", "pooled"}
        Rows are compared within cells: one (block, replicate) where the table has replicates,
        else one block. ``stratified`` adds concordant minus discordant pairs over cells and
        divides by the added normalisers (for Spearman and Pearson: correlates values centred in
        their cell); ``mean`` averages the cells in which both metrics vary; ``pooled`` compares
        all rows and says where blocks confound it.
    protocol : {None, "published"}
        Reproduce arXiv:2605.02206 instead: see :mod:`metareval.questions.published`.
    unit : {"cell", "row"}
        What is independent and resampled whole: (block, item) cells, or single rows.
    correction : str
        Correction of p over pairs: ``"holm"``, ``"bh"``, ``"none"`` and others.
    confidence : float
        Level of the percentile intervals, from a bootstrap of units within blocks.
    n_resamples : int
        Bootstrap draws, and permutations where they cannot all be listed.
    rng : None, int or Generator
    metrics, directions, block, item, replicate
        Roles, for a DataFrame; see :meth:`MetricTable.from_frame`.

    Returns
    -------
    AgreementResult

    Examples
    --------
    >>> import metareval as mr
    >>> table = mr.load_dataset("unifiedunl")
    >>> result = mr.agreement(table, estimate="mean", n_resamples=200, rng=0)
    >>> print(result.estimate.loc["FA", "RA"].round(3), result.n_defined.loc["FA", "RA"])
    0.471 3
    """
    data = as_table(
        table, metrics=metrics, directions=directions, block=block, item=item, replicate=replicate
    )
    check_options(
        estimate=estimate, correction=correction, n_resamples=n_resamples, confidence=confidence
    )
    chosen = get_statistic(statistic)
    generator = resolve_rng(rng)
    if check_protocol(
        protocol,
        statistic=statistic != "kendall",
        estimate=estimate != "stratified",
        unit=unit != "cell",
        correction=correction != "holm",
    ):
        from metareval.questions.published import published_agreement

        return published_agreement(data)
    design = build_design(data, oracle=False, unit=unit)
    cells = design.cells(estimate, replicates=True)
    x = finite_columns(design.x, chosen)
    reasons = _reasons(design.x, cells, chosen)
    value = association(x, cells, chosen, estimate)[0]
    low, high, share, mean_low, mean_high = _intervals(
        x, design, cells, chosen, estimate, n_resamples, generator, confidence, ~np.isnan(value)
    )
    pvalue, exact = _pvalues(x, design, cells, chosen, estimate, n_resamples, generator, value)
    adjusted = _adjust_pairs(pvalue, correction, symmetric=chosen.symmetric)
    off = ~np.eye(len(value), dtype=bool) & ~np.isnan(value)
    mean = float(value[off].mean()) if off.any() else np.nan
    apart = ~np.eye(len(value), dtype=bool)
    names = pd.Index(data.metrics, name="metric")

    def frame(values: NDArray[Any]) -> pd.DataFrame:
        return pd.DataFrame(values, index=names, columns=names)

    return AgreementResult(
        estimate=frame(value),
        low=frame(low),
        high=frame(high),
        pvalue=frame(pvalue),
        adjusted=frame(adjusted),
        n_defined=frame(defined_cells(x, cells)),
        reason=frame(reasons),
        note=frame(np.where(~np.isnan(value) & np.isnan(pvalue) & apart, "no_exchange", "")),
        n_rows=frame((~np.isnan(x)).T.astype(np.intp) @ (~np.isnan(x)).astype(np.intp)),
        undefined_draws=frame(share),
        confounded=frame(_confounded(design, pooled=estimate == "pooled")),
        mean=mean,
        mean_low=mean_low,
        mean_high=mean_high,
        n_cells=len(cells),
        n_units=design.layout.n_units,
        statistic=statistic,
        estimator=estimate,
        unit=unit,
        correction=correction,
        confidence=confidence,
        n_resamples=n_resamples,
        exact=exact,
    )


def _reasons(x: FloatArray, cells: Sequence[IntArray], statistic: Statistic) -> NDArray[np.object_]:
    k = x.shape[1]
    out = np.empty((k, k), dtype=object)
    for a in range(k):
        for b in range(k):
            out[a, b] = undefined_reason(x[:, a], x[:, b], cells, finite=statistic.needs_finite)
    return out


def bootstrap_matrices(
    x: FloatArray,
    design: Design,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    n_resamples: int,
    rng: np.random.Generator,
    pairs: Pairs | None = None,
) -> Iterator[FloatArray]:
    """Yield the matrices of associations of the bootstrap draws, portions of shape (b, k, k).

    Pairs that are not asked for may be NaN.
    """
    # A portion holds about eight arrays of all pairs on its way.
    weights = bootstrap_weights(design.layout, n_resamples, rng, per_draw=8 * x.shape[1] ** 2)
    for part in track(weights, total=n_resamples, label="bootstrap"):
        yield association(x, cells, statistic, estimate, part, pairs)


def _intervals(
    x: FloatArray,
    design: Design,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    n_resamples: int,
    rng: np.random.Generator,
    confidence: float,
    defined: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray, FloatArray, float, float]:
    """Return low, high and the undefined share of every pair, and low and high of their mean.

    A pair that a draw leaves undefined counts as lowest for one end and as highest for the other.

    The same draws are made again for every portion of pairs, so that memory is bounded.
    """
    k = x.shape[1]
    wanted = [
        (a, b)
        for a in range(k)
        for b in range(k)
        if defined[a, b] and (a < b if statistic.symmetric else a != b)
    ]
    low, high = np.full((k, k), np.nan), np.full((k, k), np.nan)
    share = np.zeros((k, k))
    total, gaps = np.zeros(n_resamples), np.zeros(n_resamples)
    seed = draw_seed(rng)
    step = max(1, DRAWS_HELD // n_resamples)
    for start in range(0, len(wanted), step):
        part = wanted[start : start + step]
        first, second = (np.array(side) for side in zip(*part, strict=True))
        draws = np.concatenate(
            [
                matrices[:, first, second]
                for matrices in bootstrap_matrices(
                    x,
                    design,
                    cells,
                    statistic,
                    estimate,
                    n_resamples,
                    np.random.default_rng(seed),
                    part,
                )
            ]
        )
        found = percentile_interval(draws, confidence=confidence, bounds=statistic.bounds)
        for values, ends in ((low, found.low), (high, found.high), (share, found.undefined)):
            values[first, second] = ends
            if statistic.symmetric:
                values[second, first] = ends
        total += np.nansum(draws, axis=1)
        gaps += np.isnan(draws).sum(axis=1)
    if not wanted:
        return low, high, share, np.nan, np.nan
    least, most = ((total + gaps * bound) / len(wanted) for bound in statistic.bounds)
    return low, high, share, *interval_of_mean(least, most, gaps > 0, confidence=confidence)


def _pvalues(
    x: FloatArray,
    design: Design,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    n_resamples: int,
    rng: np.random.Generator,
    value: FloatArray,
) -> tuple[FloatArray, bool]:
    k = x.shape[1]
    out = np.full((k, k), np.nan)
    known: dict[bytes, Permutations] = {}
    missing = np.isnan(x)
    exact = True
    for b in track(range(k), total=k, label="permutations"):
        rows_of: dict[bytes, list[int]] = {}
        for a in range(k):
            wanted = a < b if statistic.symmetric else a != b
            if wanted and not np.isnan(value[a, b]):
                rows_of.setdefault((~(missing[:, a] | missing[:, b])).tobytes(), []).append(a)
        for mask, columns in rows_of.items():
            keep = np.frombuffer(mask, dtype=bool)
            rows = np.flatnonzero(keep)
            if mask not in known:
                known[mask] = Permutations(design.layout.take(rows), n_resamples, rng)
            perms = known[mask]
            exact = exact and perms.exact
            if perms.count < 2:
                continue
            draws = permuted_association(
                x[rows][:, columns],
                x[rows, b],
                perms,
                local_cells(cells, keep),
                statistic,
                estimate,
            )
            for position, a in enumerate(columns):
                p = resampling_pvalue(value[a, b], draws[:, position], exact=perms.exact)
                out[a, b] = p
                if statistic.symmetric:
                    out[b, a] = p
    return out, exact


def _adjust_pairs(pvalue: FloatArray, correction: str, *, symmetric: bool) -> FloatArray:
    k = len(pvalue)
    rows, columns = np.triu_indices(k, 1) if symmetric else np.nonzero(~np.eye(k, dtype=bool))
    out = np.full((k, k), np.nan)
    out[rows, columns] = adjust(pvalue[rows, columns], correction)
    if symmetric:
        out[columns, rows] = out[rows, columns]
    return out


def _confounded(design: Design, *, pooled: bool) -> NDArray[np.bool_]:
    """Pairs of metrics that both differ in level between blocks.

    Kruskal-Wallis on the units' mean ranks, which infinities cannot spoil.
    """
    k = design.x.shape[1]
    if not pooled or len(design.by_block) < 2:
        return np.zeros((k, k), dtype=bool)
    ranks = np.full(design.x.shape, np.nan)
    for a in range(k):
        have = ~np.isnan(design.x[:, a])
        ranks[have, a] = centred_ranks(design.x[have, a])
    units = design.layout.unit_rows()
    block = np.array([design.layout.block[rows[0]] for rows in units])
    means = np.stack([ranks[rows].mean(axis=0) for rows in units])
    differs = np.array([kruskal_wallis(means[:, a], block) < 0.05 for a in range(k)])
    both: NDArray[np.bool_] = differs[:, None] & differs[None, :]
    return both
