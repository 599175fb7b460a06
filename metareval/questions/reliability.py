"""Which metrics track the oracle? Rank correlation of each metric with closeness to it."""

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
from metareval.errors import ArgumentError, unknown_name
from metareval.progress import track
from metareval.questions.ceiling import complete_repeats, oracle_ceiling
from metareval.questions.options import check_options, check_protocol
from metareval.results import Result, cell_text
from metareval.stats.association import (
    association,
    defined_cells,
    finite_columns,
    local_cells,
    permuted_association,
    undefined_reason,
)
from metareval.stats.attenuation import repeat_pairs
from metareval.stats.cells import Statistic
from metareval.stats.intervals import percentile_interval
from metareval.stats.multiplicity import adjust
from metareval.stats.normal_theory import correlation_pvalue
from metareval.stats.pairs import Pairs
from metareval.stats.resample import (
    ALTERNATIVES,
    Layout,
    Permutations,
    Rng,
    bootstrap_weights,
    resampling_pvalue,
    resolve_rng,
)
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

COLUMNS = (
    "rho",
    "low",
    "high",
    "pvalue",
    "adjusted",
    "n_rows",
    "n_units",
    "reason",
    "n_blocks",
    "undefined_draws",
    "note",
    "of_ceiling",
)
TESTS = ("permutation", "t")
# Statistics that the t approximation is made for.
T_STATISTICS = ("spearman", "pearson")


@dataclass(frozen=True, eq=False, repr=False)
class ReliabilityResult(Result):
    """Reliability of every metric; see :func:`reliability`.

    Parameters
    ----------
    frame : DataFrame, index metric
        ``rho`` with its interval ``low``, ``high``; ``pvalue`` and ``adjusted``; ``n_rows`` and
        ``n_units`` used; ``reason`` where undefined ("constant", "too_few", "missing",
        "non_finite"); ``n_blocks`` in which metric and oracle vary; ``undefined_draws``, the share
        of bootstrap draws without a value; ``note``, "no_exchange" where no two units may be
        exchanged (each has replicates of its own), so that no permutation p exists; ``of_ceiling``,
        rho over the ceiling, which can exceed 1 by chance or because the metric shares the noise of
        the oracle. NaN with one oracle.
    statistic, estimator, unit, test, correction, oracle, protocol : str
        How it was computed.
    confidence : float
    n_resamples : int
    exact : bool
        Whether every permutation was listed.
    oracle_repeats : tuple of str
        Columns with the distance to each of several oracles, of which ``oracle`` is the mean.
    oracle_agreement : float
        Mean association over the pairs of repeats, with the same statistic and estimate; its
        interval is ``oracle_agreement_interval``.
    ceiling : float
        Correlation with the mean of the repeats that a metric can be expected to reach if it knows
        the closeness without noise; its interval is ``ceiling_interval``. NaN with one oracle.
    ceiling_reason : str
        Why several oracles have no ceiling: "negative" agreement, "no_correlation" (the statistic
        is none), or "constant", "too_few", "missing", "non_finite" as for a metric.
    """

    frame: pd.DataFrame
    statistic: str
    estimator: str
    unit: str
    test: str
    correction: str
    confidence: float
    n_resamples: int
    exact: bool
    oracle: str
    protocol: str = ""
    oracle_repeats: tuple[str, ...] = ()
    oracle_agreement: float = math.nan
    oracle_agreement_interval: tuple[float, float] = (math.nan, math.nan)
    ceiling: float = math.nan
    ceiling_interval: tuple[float, float] = (math.nan, math.nan)
    ceiling_reason: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each metric."""
        return self.frame.copy()

    @property
    def rho(self) -> pd.Series:
        """The correlation of each metric with closeness to the oracle."""
        return self.frame["rho"].copy()

    def headline(self) -> str:
        """Return one line that says what was computed and how."""
        how = "published protocol" if self.protocol else f"{self.estimator} estimate"
        p = "t approximation" if self.test == "t" else "permutation"
        exact = ", exact" if self.exact and self.test == "permutation" else ""
        correction = "no" if self.correction == "none" else self.correction
        return (
            f"Reliability ({get_statistic(self.statistic).title} with closeness to "
            f"the oracle by {self.oracle}; {how}; p by {p}{exact}; {correction} correction)"
            f"{self._ceiling_text()}"
        )

    def _ceiling_text(self) -> str:
        if not self.oracle_repeats or self.protocol:
            return ""
        agree = cell_text(self.oracle_agreement)
        low, high = map(cell_text, self.ceiling_interval)
        found = (
            f"undefined ({self.ceiling_reason})"
            if self.ceiling_reason
            else f"{cell_text(self.ceiling)} [{low}, {high}]"
        )
        return f". {len(self.oracle_repeats)} oracles agree {agree}: ceiling {found}"


def reliability_frame(metrics: Sequence[str], records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Lay records out as the documented frame; what a record lacks is undefined."""
    blank: dict[str, Any] = {**dict.fromkeys(COLUMNS, math.nan), "n_blocks": 0, "note": ""}
    rows = [{**blank, **record} for record in records]
    frame = pd.DataFrame(rows, index=pd.Index(metrics, name="metric"), columns=list(COLUMNS))
    kinds = {"n_rows": int, "n_units": int, "n_blocks": int, "reason": object, "note": object}
    return frame.astype(kinds)


def reliability(
    table: MetricTable | pd.DataFrame,
    oracle: Any = None,
    *,
    statistic: str = "spearman",
    estimate: str = "stratified",
    protocol: str | None = None,
    unit: str = "cell",
    test: str = "permutation",
    alternative: str = "two-sided",
    correction: str = "holm",
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    rng: Rng = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> ReliabilityResult:
    """Correlate every metric with closeness to the oracle.

    Parameters
    ----------
    table : MetricTable or DataFrame
    oracle : str, Series or array, or several, optional
        Distance of each model to the oracle (smaller is closer); a column name or one value for
        each row. Several (names, a DataFrame, a 2-D array) are distances to repeats of the oracle:
        their mean is used, and their agreement sets the ceiling. By default the table's own.
    statistic : str
        ``"spearman"``, ``"kendall"`` or another name; see :func:`metareval.agreement`.
    estimate : {"stratified", "mean", "pooled"}
        ``stratified`` compares models within their block only: for Spearman the correlation of
        ranks centred in their block. ``mean`` averages over blocks, ``pooled`` ranks all rows
        together, levels of blocks included.
    protocol : {None, "published"}
        Reproduce arXiv:2605.02206 instead.
    unit : {"cell", "row"}
        What is independent: (block, item) cells, whose replicates move together, or rows.
    test : {"permutation", "t"}
        Permutation of units within blocks (exact where all can be listed), or the t
        approximation, which takes rows as independent and needs ``estimate="pooled"`` and
        ``statistic="spearman"`` or ``"pearson"``.
    alternative : {"two-sided", "greater", "less"}
        For the permutation test.
    correction : str
        Correction of p over metrics.
    confidence : float
        Level of the percentile interval, from a bootstrap of units within blocks.
    n_resamples : int
    rng : None, int or Generator
    metrics, directions, block, item, replicate
        Roles, for a DataFrame; see :meth:`MetricTable.from_frame`.

    Returns
    -------
    ReliabilityResult

    Raises
    ------
    TableError
        No oracle, or a table that cannot be read as one.

    Examples
    --------
    >>> import pandas as pd
    >>> import metareval as mr
    >>> df = pd.DataFrame(
    ...     {"FA": [0.1, 0.4, 0.2, 0.9, 0.5, 0.3], "distance": [1, 3, 2, 6, 5, 4.0]}
    ... )
    >>> result = mr.reliability(df[["FA"]], df["distance"], rng=0)
    >>> result.to_frame()[["rho", "pvalue", "n_units"]].round(3)
              rho  pvalue  n_units
    metric
    FA      0.943   0.017        6
    """
    data = as_table(
        table,
        oracle,
        metrics=metrics,
        directions=directions,
        block=block,
        item=item,
        replicate=replicate,
    )
    check_options(
        estimate=estimate, correction=correction, n_resamples=n_resamples, confidence=confidence
    )
    if test not in TESTS:
        raise unknown_name("test", test, TESTS)
    if alternative not in ALTERNATIVES:
        raise unknown_name("alternative", alternative, ALTERNATIVES)
    if test == "t" and (estimate != "pooled" or alternative != "two-sided"):
        raise ArgumentError(
            "test='t' is the two-sided t approximation of a pooled correlation: "
            "pass estimate='pooled' and alternative='two-sided', or test='permutation'."
        )
    chosen = get_statistic(statistic)
    if test == "t" and statistic not in T_STATISTICS:
        raise ArgumentError(
            "test='t' is the t approximation of 'spearman' and 'pearson'; statistic="
            f"{statistic!r} has none: pass test='permutation'."
        )
    generator = resolve_rng(rng)
    if check_protocol(
        protocol,
        statistic=statistic != "spearman",
        estimate=estimate != "stratified",
        unit=unit != "cell",
        test=test != "permutation",
        alternative=alternative != "two-sided",
        correction=correction != "holm",
    ):
        from metareval.questions.published import published_reliability

        return published_reliability(data)
    design = build_design(data, oracle=True, unit=unit)
    cells = design.cells(estimate, replicates=False)
    columns = with_oracle(design, chosen)
    k = columns.shape[1]
    value = association(columns, cells, chosen, estimate)[0, :-1, -1]
    repeats = complete_repeats(data.closeness_repeats[design.order])
    draws = pair_draws(
        np.column_stack([columns, finite_columns(repeats, chosen)]),
        design.layout,
        cells,
        chosen,
        estimate,
        [*_with_last(k), *repeat_pairs(repeats.shape[1], k)],
        n_resamples,
        generator,
    )
    interval = percentile_interval(draws[:, : k - 1], confidence=confidence, bounds=chosen.bounds)
    ceiling = oracle_ceiling(
        repeats, cells, chosen, estimate, draws=draws[:, k - 1 :], confidence=confidence
    )
    records = []
    exact = True
    for a in range(len(data.metrics)):
        keep = ~(np.isnan(columns[:, a]) | np.isnan(columns[:, -1]))
        assert design.y is not None
        record: dict[str, Any] = {
            "rho": value[a],
            "n_rows": int(keep.sum()),
            "n_units": len(np.unique(design.layout.unit[keep])),
            "reason": undefined_reason(design.x[:, a], design.y, cells, finite=chosen.needs_finite),
            "n_blocks": int(
                defined_cells(columns[:, [a, -1]], design.cells("mean", replicates=False))[0, 1]
            ),
        }
        if not math.isnan(value[a]):
            record |= {
                "low": interval.low[a],
                "high": interval.high[a],
                "undefined_draws": interval.undefined[a],
            }
            if test == "t":
                record["pvalue"] = correlation_pvalue(value[a], record["n_rows"])
                exact = False
            else:
                record["pvalue"], listed = _permutation_pvalue(
                    columns,
                    a,
                    keep,
                    design,
                    cells,
                    chosen,
                    estimate,
                    alternative,
                    n_resamples,
                    generator,
                    value[a],
                )
                exact = exact and listed
                record["note"] = "no_exchange" if math.isnan(record["pvalue"]) else ""
        records.append(record)
    frame = reliability_frame(data.metrics, records)
    frame["adjusted"] = adjust(frame["pvalue"].to_numpy(), correction)
    frame["of_ceiling"] = ceiling.share(value)
    return ReliabilityResult(
        frame=frame,
        statistic=statistic,
        estimator=estimate,
        unit=unit,
        test=test,
        correction=correction,
        confidence=confidence,
        n_resamples=n_resamples,
        exact=exact,
        oracle=str(data.oracle),
        oracle_repeats=data.oracle_repeats,
        oracle_agreement=ceiling.agreement,
        oracle_agreement_interval=ceiling.agreement_interval,
        ceiling=ceiling.value,
        ceiling_interval=ceiling.interval,
        ceiling_reason=ceiling.reason,
    )


def with_oracle(design: Design, statistic: Statistic) -> FloatArray:
    """Return metrics and, last, closeness to the oracle, shape (n, k + 1).

    A column with infinities becomes missing for a statistic that needs finite values.
    """
    assert design.y is not None
    return finite_columns(np.column_stack([design.x, design.y]), statistic)


def last_column_draws(
    columns: FloatArray,
    layout: Layout,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    n_resamples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the correlation of each column with the last in every bootstrap draw, (b, k)."""
    pairs = _with_last(columns.shape[1])
    return pair_draws(columns, layout, cells, statistic, estimate, pairs, n_resamples, rng)


def _with_last(k: int) -> list[tuple[int, int]]:
    return [(a, k - 1) for a in range(k - 1)]


def pair_draws(
    columns: FloatArray,
    layout: Layout,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    pairs: Pairs,
    n_resamples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the association of some pairs of columns in every bootstrap draw, (b, n_pairs)."""
    first, second = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    weights = bootstrap_weights(layout, n_resamples, rng, per_draw=8 * columns.shape[1] ** 2)
    return np.concatenate(
        [
            association(columns, cells, statistic, estimate, part, pairs)[:, first, second]
            for part in track(weights, total=n_resamples, label="bootstrap")
        ]
    )


def _permutation_pvalue(
    columns: FloatArray,
    a: int,
    keep: NDArray[np.bool_],
    design: Design,
    cells: Sequence[IntArray],
    statistic: Statistic,
    estimate: str,
    alternative: str,
    n_resamples: int,
    rng: np.random.Generator,
    observed: float,
) -> tuple[float, bool]:
    rows = np.flatnonzero(keep)
    perms = Permutations(design.layout.take(rows), n_resamples, rng)
    if perms.count < 2:
        return math.nan, perms.exact
    draws = permuted_association(
        columns[rows][:, [a]],
        columns[rows, -1],
        perms,
        local_cells(cells, keep),
        statistic,
        estimate,
    )
    p = resampling_pvalue(observed, draws[:, 0], exact=perms.exact, alternative=alternative)
    return p, perms.exact
