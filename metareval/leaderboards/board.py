"""Everything that a leaderboard says about one table, under each protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.auditing import AuditResult, audit
from metareval.auditing.wording import names
from metareval.design import build_design
from metareval.errors import MetarevalError, TableError
from metareval.leaderboards.levels import Level, build_levels
from metareval.leaderboards.ranking import (
    DECIMALS,
    Stability,
    averaged,
    first_place,
    n_draws,
    rank_range,
    rank_rows,
    redrawn_mean,
    redrawn_units,
    stability,
)
from metareval.progress import stage
from metareval.questions.published import UQS_FLOOR, perturbation_weights
from metareval.questions.reliability import last_column_draws, with_oracle
from metareval.questions.transforms import choose_transforms
from metareval.questions.uqs import UQS
from metareval.stats.intervals import percentile_interval
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

PROTOCOLS = ("honest", "published")
CONFIDENCE = 0.95

NO_UNCERTAINTY = "the published protocol reports no uncertainty"
ONE_RUN = "a single run has nothing to redraw"
ONLY_ITEMS = "ranges are given for items, not for single runs"


@dataclass(frozen=True)
class Standing:
    """The ranking of one level, and how far it can be trusted.

    Arrays have a number for each row of the level; NaN is undefined, for the reason that
    ``reasons`` or ``why`` gives.

    Parameters
    ----------
    level : Level
    score, rank : ndarray
    tied : ndarray of bool
        Whether another row has the rank as well.
    reasons : mapping of int to str
        Why a row has no score.
    low, high, data_best, data_worst : ndarray
        Interval of the score and range of the rank when the data are drawn anew.
    data_first : ndarray
        Probability of the first place at these weights when replicates are drawn anew.
    data_first_exact : bool
        Enumerated rather than sampled.
    weight_best, weight_worst, weight_first : ndarray
        The same under all weights.
    weight_first_exact : bool
    stability : mapping of int to (Stability, rows)
        What other weights would do, for each group.
    why : mapping of str to str
        Why a whole column is undefined: "data", "data_first" or "weights".
    """

    level: Level
    score: FloatArray
    rank: FloatArray
    tied: NDArray[np.bool_]
    reasons: Mapping[int, str]
    low: FloatArray
    high: FloatArray
    data_best: FloatArray
    data_worst: FloatArray
    data_first: FloatArray
    data_first_exact: bool
    weight_best: FloatArray
    weight_worst: FloatArray
    weight_first: FloatArray
    weight_first_exact: bool
    stability: Mapping[int, tuple[Stability, IntArray]]
    why: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each ranked thing, best rank first."""
        frame = pd.DataFrame(
            {
                **self.level.labels,
                "score": self.score,
                "low": self.low,
                "high": self.high,
                "rank": pd.Series(self.rank).astype("Int64"),
                "tied": self.tied,
                "data_best": pd.Series(self.data_best).astype("Int64"),
                "data_worst": pd.Series(self.data_worst).astype("Int64"),
                "weight_best": pd.Series(self.weight_best).astype("Int64"),
                "weight_worst": pd.Series(self.weight_worst).astype("Int64"),
                "weight_first": self.weight_first,
                "data_first": self.data_first,
                "undefined": [self.reasons.get(i, "") for i in range(len(self.level))],
            }
        )
        at = np.lexsort([self.rank, self.level.group])
        return frame.iloc[at].reset_index(drop=True)


@dataclass(frozen=True)
class View:
    """One protocol applied to a table.

    Parameters
    ----------
    uqs : UQS
    equal : str
        Why the metrics have equal weights; empty where the weights were fitted.
    standings : mapping of str to Standing
        By the name of the level.
    draws : mapping of str to int
        How many times data and weights were drawn.
    """

    uqs: UQS
    equal: str
    standings: Mapping[str, Standing]
    draws: Mapping[str, int]


@dataclass(frozen=True)
class Board:
    """A table on the leaderboard.

    Parameters
    ----------
    table : MetricTable
        Entries included.
    entrants : mapping of str to dict
        What each entry says about itself, by its item.
    audit : AuditResult
        Of the table without entries.
    views : mapping of str to View
        By protocol.
    problems : mapping of str to str
        Why a protocol has no view.
    """

    table: MetricTable
    entrants: Mapping[str, Mapping[str, str]]
    audit: AuditResult
    views: Mapping[str, View]
    problems: Mapping[str, str]


def build_board(
    table: MetricTable,
    merged: MetricTable,
    entrants: Mapping[str, Mapping[str, str]],
    *,
    transforms: Mapping[str, str] | None,
    n_resamples: int,
    seed: int,
) -> Board:
    """Compute everything that the page shows of one table.

    Parameters
    ----------
    table : MetricTable
        What weights are learned from, and what is audited.
    merged : MetricTable
        The same with the rows of entries.
    entrants, transforms, n_resamples
    seed : int
        Each table and protocol starts from it, so that no other table changes a number.
    """
    chosen = choose_transforms(table, transforms)
    stage("  audit")
    found = audit(table)
    views: dict[str, View] = {}
    problems: dict[str, str] = {}
    for protocol in PROTOCOLS:
        if protocol == "published" and table.oracle is None:
            problems[protocol] = "it weighs metrics by an oracle, and the table has none."
            continue
        stage(f"  {protocol} protocol")
        try:
            uqs, equal = _fit(table, protocol, chosen, n_resamples, seed)
            views[protocol] = _view(uqs, equal, table, merged, n_resamples, seed)
        except MetarevalError as error:
            if protocol == "honest":
                raise
            problems[protocol] = str(error)
    return Board(merged, entrants, found, views, problems)


def _fit(
    table: MetricTable, protocol: str, transforms: Mapping[str, str], n_resamples: int, seed: int
) -> tuple[UQS, str]:
    """Fit the score; without an oracle, or a metric that it can be held to, weights are equal."""
    if protocol == "published":
        fitted = UQS.fit(table, protocol="published", transforms=transforms)
        return fitted, ""
    if table.oracle is None:
        return _equal(table, transforms), "the table has no oracle to learn weights from"
    try:
        fitted = UQS.fit(table, transforms=transforms, n_resamples=n_resamples, rng=seed)
    except TableError as error:
        return _equal(table, transforms), str(error)
    return fitted, ""


def _equal(table: MetricTable, transforms: Mapping[str, str]) -> UQS:
    index = pd.Index(table.metrics, name="metric")
    k = len(index)
    return UQS(
        weights=pd.Series(1 / k, index=index, name="weight"),
        rho=pd.Series(math.nan, index=index, name="rho"),
        clipped=(),
        excluded=pd.Series([], index=index[:0], dtype=object),
        transforms=dict(transforms),
        fold_weights=pd.DataFrame(columns=list(index), dtype=float),
        validation=pd.DataFrame(),
        floor=UQS_FLOOR,
        source="equal",
        statistic="spearman",
        directions=dict(table.directions),
    )


def _view(
    uqs: UQS, equal: str, table: MetricTable, merged: MetricTable, n_resamples: int, seed: int
) -> View:
    usable = np.array([m not in uqs.excluded.index for m in uqs.weights.index])
    weights = uqs.weights.to_numpy(dtype=np.float64)
    data = _Data(uqs, table, merged, weights, usable, n_resamples, seed)
    standings = {}
    drawn = {"data": data.draws}
    for level in build_levels(uqs, merged):
        stage(f"    {len(level)} rows ({level.name})")
        standing = _standing(uqs, level, weights, usable, data, n_resamples, seed)
        standings[level.name] = standing
        counts = [s.draws for s, _ in standing.stability.values()]
        drawn["weights"] = max([drawn.get("weights", 0), *counts])
    return View(uqs, equal, standings, drawn)


def _standing(
    uqs: UQS,
    level: Level,
    weights: FloatArray,
    usable: NDArray[np.bool_],
    data: _Data,
    n_resamples: int,
    seed: int,
) -> Standing:
    n = len(level)
    score = weigh(level.values, weights)
    rank = np.full(n, math.nan)
    tied = np.zeros(n, dtype=bool)
    complete = np.asarray(~np.isnan(level.values[:, usable]).any(axis=1), dtype=bool)
    columns = {key: np.full(n, math.nan) for key in _COLUMNS}
    why = _why(uqs, level, data)
    rng = np.random.default_rng(seed)
    drawn = perturbation_weights(int(usable.sum())) if uqs.protocol else None
    found: dict[int, tuple[Stability, IntArray]] = {}
    exact = {"data_first": True, "weight_first": True}
    for g, members in _groups(level.group):
        ranked = members[~np.isnan(score[members])]
        if len(ranked):
            rank[ranked] = rank_rows(score[ranked])
            _, at, many = np.unique(score[ranked], return_inverse=True, return_counts=True)
            tied[ranked] = many[at.reshape(-1)] > 1
        rows = members[complete[members]]
        if "weights" in why or len(rows) == 0:
            continue
        result = stability(
            level.values[np.ix_(rows, usable)],
            weights[usable],
            score[rows],
            confidence=CONFIDENCE,
            n_resamples=n_resamples,
            rng=rng,
            drawn=drawn,
        )
        found[g] = (result, rows)
        exact["weight_first"] &= result.exact
        fresh = {
            "weight_best": result.best,
            "weight_worst": result.worst,
            "weight_first": result.first,
        }
        if "data" not in why:
            fresh |= data.spread(level, rows)
        if "data_first" not in why:
            fresh["data_first"], listed = data.first(level, rows)
            exact["data_first"] &= listed
        for key, values in fresh.items():
            columns[key][rows] = values
    return Standing(
        level=level,
        score=score,
        rank=rank,
        tied=tied,
        reasons=_reasons(list(uqs.weights.index), level, score, weights),
        stability=found,
        why=why,
        data_first_exact=exact["data_first"],
        weight_first_exact=exact["weight_first"],
        **columns,
    )


def _why(uqs: UQS, level: Level, data: _Data) -> dict[str, str]:
    """Say which columns a level does not have, and why."""
    if level.name == "row":
        return {"data": ONE_RUN, "data_first": ONE_RUN, "weights": ONLY_ITEMS}
    if uqs.protocol:
        return dict.fromkeys(("data", "data_first"), NO_UNCERTAINTY)
    return dict(data.why)


def _reasons(
    metrics: list[str], level: Level, score: FloatArray, weights: FloatArray
) -> dict[int, str]:
    """Say why rows have no score."""
    out = {}
    for row in np.flatnonzero(np.isnan(score)):
        holes = [m for m in np.flatnonzero(weights > 0) if np.isnan(level.values[row, m])]
        whys = dict.fromkeys(level.gaps[int(row), int(m)] for m in holes)
        shown = names([metrics[m] for m in holes])
        out[int(row)] = f"{shown}: {'; '.join(whys)}"
    return out


_COLUMNS = (
    "low",
    "high",
    "data_best",
    "data_worst",
    "data_first",
    "weight_best",
    "weight_worst",
    "weight_first",
)


def weigh(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Add up weighted metrics, column by column; one without weight may be missing.

    The page adds up in this order too, so that both come to the same bits.
    """
    total = np.zeros(len(values))
    if not (weights > 0).any():
        return np.full(len(values), math.nan)
    for m in np.flatnonzero(weights > 0):
        total += weights[m] * values[:, m]
    return total


def _groups(group: IntArray) -> Iterator[tuple[int, IntArray]]:
    order = np.argsort(group, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        yield int(group[part[0]]), part


class _Data:
    """The data drawn anew: weights learned from other units, replicates of each unit redrawn.

    Parameters
    ----------
    uqs : UQS
    table : MetricTable
        What weights are learned from.
    merged : MetricTable
        What is scored.
    weights, usable
    n_resamples, seed : int
    """

    def __init__(
        self,
        uqs: UQS,
        table: MetricTable,
        merged: MetricTable,
        weights: FloatArray,
        usable: NDArray[np.bool_],
        n_resamples: int,
        seed: int,
    ) -> None:
        self._uqs, self._table, self._weights, self._usable = uqs, table, weights, usable
        self._seed = seed
        self.draws = 0 if uqs.protocol else n_draws(n_resamples, len(merged))
        self.why: dict[str, str] = {}
        if uqs.protocol:
            return
        repeated = merged.item is not None and len(merged) > merged.n_units
        learned = uqs.source != "equal"
        if not repeated:
            self.why["data_first"] = "no item has replicates to redraw"
            if not learned:
                self.why["data"] = "there are neither replicates nor an oracle to redraw"
        if "data" in self.why:
            return
        # In an order of their own, so that the order of the table's rows changes no draw.
        order = build_design(merged, oracle=False).order
        order = order[np.argsort(merged.unit_codes[order], kind="stable")]
        rows = uqs.values(merged, by="row").to_numpy(dtype=np.float64)[order]
        self._rows = rows[:, usable]
        self._unit = merged.unit_codes[order]
        starts = np.flatnonzero(np.append(True, self._unit[1:] != self._unit[:-1]))
        block, item = merged.labels("block"), merged.labels("item")
        self._units = {(block[r], item[r]): u for u, r in enumerate(order[starts])}
        self._blocks = merged.levels("block")
        rng = np.random.default_rng(seed)
        drawn = self._drawn_weights(rng)
        self._units_drawn = np.concatenate(list(redrawn_units(self._rows, self._unit, drawn, rng)))
        self._fixed: FloatArray | None = None

    def _drawn_weights(self, rng: np.random.Generator) -> FloatArray:
        used = self._weights[self._usable]
        if self._uqs.source == "equal":
            return np.tile(used, (self.draws, 1))
        chosen = get_statistic(self._uqs.statistic)
        design = build_design(self._table, oracle=True)
        rho = last_column_draws(
            with_oracle(design, chosen),
            design.layout,
            design.cells("stratified", replicates=False),
            chosen,
            "stratified",
            self.draws,
            rng,
        )[:, self._usable]
        raised = np.where(np.isnan(rho), 0.0, np.maximum(rho, self._uqs.floor))
        total = raised.sum(axis=1, keepdims=True)
        # Where no metric has a defined reliability there are no weights.
        out = np.full(raised.shape, np.nan)
        np.divide(raised, total, out=out, where=total > 0)
        return out

    def _members(self, level: Level, rows: IntArray) -> IntArray:
        """Return the units of each row, shape (n_rows, n_blocks), one block within a block."""
        item = level.labels["item"]
        blocks = self._blocks if "block" not in level.labels else None
        return np.array(
            [
                [
                    self._units[b, item[r]]
                    for b in (blocks if blocks is not None else [level.labels["block"][r]])
                ]
                for r in rows
            ],
            dtype=np.intp,
        )

    def _scores(self, drawn: FloatArray, units: IntArray) -> FloatArray:
        total = np.zeros((len(drawn), len(units)))
        for column in units.T:
            total += drawn[:, column]
        total /= units.shape[1]
        return np.round(total, DECIMALS)

    def spread(self, level: Level, rows: IntArray) -> dict[str, FloatArray]:
        """Return the interval of the score and the range of the rank of some rows of a group."""
        scores = self._scores(self._units_drawn, self._members(level, rows))
        interval = percentile_interval(scores, confidence=CONFIDENCE, bounds=(0.0, 1.0))
        known = scores[~np.isnan(scores).any(axis=1)]
        if len(known):
            unknown = len(scores) - len(known)
            best, worst = rank_range(rank_rows(known), CONFIDENCE, unknown=unknown)
        else:
            best, worst = np.ones(len(rows)), np.full(len(rows), float(len(rows)))
        return {
            "low": interval.low,
            "high": interval.high,
            "data_best": best,
            "data_worst": worst,
        }

    def first(self, level: Level, rows: IntArray) -> tuple[FloatArray, bool]:
        """Return the probability of the first place at the weights in use, and if it is exact."""
        units = self._members(level, rows)
        own = weigh(self._rows, self._weights[self._usable])
        of_unit = np.split(own, np.flatnonzero(np.diff(self._unit)) + 1)
        parts = {int(u): redrawn_mean(of_unit[u]) for u in np.unique(units)}
        listed: list[Any] = []
        for row in units:
            found = [parts[int(u)] for u in row]
            listed.append(None if any(f is None for f in found) else averaged(found))  # type: ignore[arg-type]
            if listed[-1] is None:
                break
        exact = first_place(listed)
        if exact is not None:
            return exact, True
        if self._fixed is None:
            same = np.tile(self._weights[self._usable], (self.draws, 1))
            rng = np.random.default_rng(self._seed)
            self._fixed = np.concatenate(list(redrawn_units(self._rows, self._unit, same, rng)))
        return (rank_rows(self._scores(self._fixed, units)) == 1).mean(axis=0), False
