"""The Unified Quality Score: metrics weighted by how well they track the oracle."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.coerce import as_table
from metareval.design import build_design
from metareval.errors import ArgumentError, TableError, unknown_name
from metareval.questions.options import check_options, check_protocol
from metareval.questions.published import UQS_FLOOR, published_item_means, published_reliability
from metareval.questions.reliability import with_oracle
from metareval.questions.transforms import apply_transforms, choose_transforms
from metareval.questions.validation import leave_one_block_out, no_validation
from metareval.results import Result
from metareval.stats.association import association, undefined_reason
from metareval.stats.ranks import competition_ranks
from metareval.stats.resample import Rng, resolve_rng
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable
from metareval.validation import column_names

FloatArray = NDArray[np.float64]

SOURCES = ("stratified", "pooled", "cross_fitted")
LEVELS = ("item", "unit", "row")


@dataclass(frozen=True, eq=False, repr=False)
class UQS(Result):
    """A fitted Unified Quality Score; make one with :meth:`fit`.

    Parameters
    ----------
    weights : Series, index metric
        Non-negative, summing to one. A metric without a defined reliability has weight 0.
    rho : Series
        Reliability that the weights come from.
    clipped : tuple of str
        Metrics whose reliability lies below the floor, and which the floor replaces.
    excluded : Series of str
        Metrics without a defined reliability, with the reason.
    transforms : dict
        Transform of each metric to [0, 1].
    fold_weights : DataFrame, index block
        For cross-fitted weights: those of each block, learned on the other blocks.
    validation : DataFrame
        Leave-one-block-out reliability of the score, of the single metric that was best on the
        other blocks, of equal weights and of Borda ranks: ``rho``, ``low``, ``high``, and the
        score's ``lead`` over each with ``lead_low``, ``lead_high``. Empty for a table with one
        block, or for the published protocol.
    floor : float
    source : {"stratified", "pooled", "cross_fitted"}
    statistic, protocol : str

    Examples
    --------
    >>> import metareval as mr
    >>> uqs = mr.UQS.fit(mr.load_dataset("unifiedunl"), n_resamples=200, rng=0)
    >>> uqs.clipped, uqs.beats_best_part
    (('AD',), False)
    """

    weights: pd.Series
    rho: pd.Series
    clipped: tuple[str, ...]
    excluded: pd.Series
    transforms: Mapping[str, str]
    fold_weights: pd.DataFrame
    validation: pd.DataFrame
    floor: float
    source: str
    statistic: str
    protocol: str = ""
    directions: Mapping[str, str] = dataclass_field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        table: MetricTable | pd.DataFrame,
        oracle: Any = None,
        *,
        protocol: str | None = None,
        weights: str = "stratified",
        statistic: str = "spearman",
        floor: float = UQS_FLOOR,
        transforms: Mapping[str, str] | None = None,
        confidence: float = 0.95,
        n_resamples: int = 10_000,
        rng: Rng = None,
        metrics: Sequence[str] | None = None,
        directions: Mapping[str, str] | None = None,
        block: Any = None,
        item: Any = None,
        replicate: Any = None,
    ) -> UQS:
        """Weight metrics by their reliability: ``max(rho, floor)``, normalised.

        Parameters
        ----------
        table : MetricTable or DataFrame
        oracle : str, Series or array, or several, optional
            Distance to the oracle, or the mean of those to several; by default the table's own.
        protocol : {None, "published"}
            Reproduce arXiv:2605.02206: pooled reliability over rows, transforms of plain means.
        weights : {"stratified", "pooled", "cross_fitted"}
            Which reliability gives the weights. ``cross_fitted`` scores each block with weights
            learned on the others.
        statistic : {"spearman", "kendall", "kendall_c", "pearson"}
        floor : float
            Smallest reliability a defined metric counts with.
        transforms : mapping, optional
            Name of the transform ("identity", "complement", "reciprocal", "saturation") of
            metrics outside [0, 1].
        confidence, n_resamples, rng
            For the intervals of ``validation``.
        metrics, directions, block, item, replicate
            Roles, for a DataFrame.

        Returns
        -------
        UQS

        Raises
        ------
        TableError
            Where no metric has a defined reliability, so that there is nothing to weight.

        Examples
        --------
        >>> import metareval as mr
        >>> uqs = mr.UQS.fit(mr.load_dataset("unifiedunl"), protocol="published")
        >>> uqs.weights.round(3).to_dict()
        {'FA': 0.014, 'RA': 0.656, 'MIA': 0.304, 'AD': 0.014, 'JS': 0.014}
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
        published = check_protocol(
            protocol,
            weights=weights != "stratified",
            statistic=statistic != "spearman",
            floor=floor != UQS_FLOOR,
        )
        check_options(n_resamples=n_resamples, confidence=confidence)
        if get_statistic(statistic).bounds != (-1.0, 1.0):
            raise ArgumentError(
                f"statistic={statistic!r} is not a correlation, and weights need one, which is 0 "
                "by chance: pass 'spearman', 'kendall', 'kendall_c' or 'pearson'."
            )
        if weights not in SOURCES:
            raise unknown_name("weights", weights, SOURCES)
        if isinstance(floor, bool) or not isinstance(floor, numbers.Real) or not 0 <= floor < 1:
            raise ArgumentError(f"floor is {floor!r}; it must lie in [0, 1).")
        chosen = choose_transforms(data, transforms)
        folds = pd.DataFrame(columns=list(data.metrics), dtype=float)
        if published:
            found = published_reliability(data).frame
            rho = found["rho"].to_numpy(dtype=np.float64)
            reasons = found["reason"].to_numpy(dtype=object)
            source = "pooled"
        else:
            source = weights
            rho, reasons = _reliabilities(data, statistic, source)
            if source == "cross_fitted":
                folds = _fold_weights(data, statistic, floor)
        if np.isnan(rho).all():
            raise TableError(
                "No metric has a defined reliability, so no weights exist: "
                + "; ".join(f"{m}: {r}" for m, r in zip(data.metrics, reasons, strict=True))
                + ". Check metareval.audit(table) for constant or missing columns."
            )
        index = pd.Index(data.metrics, name="metric")
        weight = floor_weights(rho, floor)
        if np.isnan(weight).all():
            raise TableError(
                "No metric has a reliability above 0 and floor is 0, so every weight would be 0. "
                "Give a floor above 0, or do not score models with these metrics."
            )
        if len(folds):
            # A fold without weights leaves its block without scores, and the mean without it.
            weight = folds.mean(axis=0, skipna=True).to_numpy(dtype=np.float64)
        undefined = np.isnan(rho)
        validation = (
            no_validation()
            if published
            else leave_one_block_out(
                data,
                apply_transforms(data.values, data.metrics, chosen, data.row_name),
                lambda part: floor_weights(_reliabilities(part, statistic, "stratified")[0], floor),
                lambda part: _reliabilities(part, statistic, "stratified")[0],
                statistic=statistic,
                confidence=confidence,
                n_resamples=n_resamples,
                rng=resolve_rng(rng),
            )
        )
        return cls(
            weights=pd.Series(weight, index=index, name="weight"),
            rho=pd.Series(rho, index=index, name="rho"),
            clipped=tuple(m for m, r in zip(data.metrics, rho, strict=True) if r < floor),
            excluded=pd.Series(reasons[undefined], index=index[undefined], dtype=object),
            transforms=chosen,
            fold_weights=folds,
            validation=validation,
            floor=floor,
            source=source,
            statistic=statistic,
            protocol=protocol or "",
            directions=dict(data.directions),
        )

    @property
    def beats_best_part(self) -> bool | None:
        """Whether the score's lead over the best single metric has an interval above zero.

        None where it could not be tested (one block, or the published protocol).
        """
        if "best metric" not in self.validation.index:
            return None
        low = float(self.validation["lead_low"].loc["best metric"])
        return None if math.isnan(low) else low > 0

    def values(
        self,
        table: MetricTable | pd.DataFrame,
        *,
        by: str = "item",
        block: Any = None,
        item: Any = None,
        replicate: Any = None,
    ) -> pd.DataFrame:
        """Return the transformed metrics that the score weighs, one row for each ranked thing.

        Parameters
        ----------
        table : MetricTable or DataFrame
        by : {"item", "unit", "row"}
            Items: the mean over blocks of the mean over replicates. An item that is missing from
            a block is undefined, since it would be judged on other blocks than the rest.

        Returns
        -------
        DataFrame, shape (n, k)

        Examples
        --------
        >>> import metareval as mr
        >>> table = mr.load_dataset("unifiedunl")
        >>> mr.UQS.fit(table).values(table).shape
        (4, 5)
        """
        if by not in LEVELS:
            raise unknown_name("level", by, LEVELS)
        table = self.table_of(table, block=block, item=item, replicate=replicate)
        missing = [m for m in self.weights.index if m not in table.metrics]
        if missing:
            raise TableError(
                f"The score weighs {', '.join(map(repr, missing))}, which the table "
                f"{table.name!r} does not have (metrics: {', '.join(table.metrics)})."
            )
        data = table.select(metrics=list(self.weights.index))
        for metric, direction in self.directions.items():
            if data.directions[metric] != direction:
                raise TableError(
                    f"The score was fitted with {direction} {metric!r} better, but in the table "
                    f"{table.name!r} {data.directions[metric]} is better."
                )
        names = list(data.metrics)
        if self.protocol:
            if by != "item":
                raise ArgumentError("protocol='published' scores items only: leave by='item'.")
            items, means = published_item_means(data)
            out = pd.DataFrame(
                apply_transforms(means, data.metrics, self.transforms, items.__getitem__),
                index=items,
                columns=names,
            )
            return out.rename_axis("item")
        rows = pd.DataFrame(
            apply_transforms(data.values, data.metrics, self.transforms, data.row_name),
            columns=names,
        )
        return _average(rows, data, by)

    def score(
        self,
        table: MetricTable | pd.DataFrame,
        *,
        by: str = "item",
        block: Any = None,
        item: Any = None,
        replicate: Any = None,
    ) -> pd.Series:
        """Return the score of each item, unit or row, in [0, 1], higher is better.

        Parameters
        ----------
        table : MetricTable or DataFrame
        by : {"item", "unit", "row"}
        block, item, replicate
            Roles, for a DataFrame.

        Returns
        -------
        Series
            NaN where a metric that has weight is missing, or an item is missing from a block. A
            cross-fitted score takes the mean of its weights in a block that it does not know.

        Examples
        --------
        >>> import metareval as mr
        >>> table = mr.load_dataset("unifiedunl")
        >>> mr.UQS.fit(table, protocol="published").score(table).round(4)
        item
        gradient_ascent    0.6448
        random_labels      0.6306
        finetune_retain    0.5957
        salun              0.6173
        Name: UQS, dtype: float64
        """
        table = self.table_of(table, block=block, item=item, replicate=replicate)
        if len(self.fold_weights) == 0:
            values = self.values(table, by=by)
            return self._weigh(values, self.weights)
        rows = self.values(table, by="row").reset_index(drop=True)
        scores = self._weigh(rows, self.weights)
        block = np.array(table.labels("block"), dtype=object)
        for name, fold in self.fold_weights.iterrows():
            scores[block == name] = self._weigh(rows[block == name], fold)
        return _average(scores.to_frame(), table, by)["UQS"]

    @staticmethod
    def _weigh(values: pd.DataFrame, weights: pd.Series) -> pd.Series:
        weight = weights.to_numpy(dtype=np.float64)
        if np.isnan(weight).any():
            return pd.Series(np.nan, index=values.index, name="UQS")
        used = weight > 0
        numbers = values.to_numpy(dtype=np.float64)[:, used]
        # A sum column by column gives equal rows equal scores; a matrix product may not.
        total = np.zeros(len(numbers))
        for a, w in enumerate(weight[used]):
            total += w * numbers[:, a]
        return pd.Series(total, index=values.index, name="UQS")

    def table_of(self, table: MetricTable | pd.DataFrame, **roles: Any) -> MetricTable:
        """Return a table as it is, or a DataFrame with the directions the score was fitted with."""
        if isinstance(table, MetricTable):
            return as_table(table, **roles)
        known = column_names(table) if isinstance(table, pd.DataFrame) else list(self.weights.index)
        present = [m for m in self.weights.index if m in known]
        if not present:
            raise TableError(
                f"The score weighs {', '.join(map(repr, self.weights.index))}, and the DataFrame "
                "has none of them: name its columns as in the table that the score was fitted to."
            )
        return as_table(
            table,
            metrics=present,
            directions={m: self.directions[m] for m in present},
            **roles,
        )

    def rank(
        self,
        table: MetricTable | pd.DataFrame,
        *,
        by: str = "item",
        block: Any = None,
        item: Any = None,
        replicate: Any = None,
    ) -> pd.Series:
        """Return the rank of each item, unit or row, 1 for the highest score; ties share a rank.

        An undefined score has no rank (NaN). Parameters are those of :meth:`score`.

        Examples
        --------
        >>> import metareval as mr
        >>> table = mr.load_dataset("unifiedunl")
        >>> mr.UQS.fit(table, protocol="published").rank(table).loc["salun"]
        np.float64(3.0)
        """
        scores = self.score(table, by=by, block=block, item=item, replicate=replicate)
        ranks = competition_ranks(scores.to_numpy(dtype=np.float64))
        return pd.Series(ranks, index=scores.index, name="rank")

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each metric: weight, rho, transform, and what happened to it."""
        note = [
            "undefined" if m in self.excluded.index else "clipped" if m in self.clipped else ""
            for m in self.weights.index
        ]
        return pd.DataFrame(
            {
                "weight": self.weights,
                "rho": self.rho,
                "transform": [self.transforms[m] for m in self.weights.index],
                "note": note,
            }
        )

    def headline(self) -> str:
        """Return one line that says where the weights come from and what they are worth."""
        how = "published protocol" if self.protocol else f"{self.source} reliability"
        verdict = {
            None: "not tested against its best part",
            True: "beats its best part",
            False: "does not beat its best part",
        }[self.beats_best_part]
        clipped = (
            f"; {len(self.clipped)} of {len(self.rho)} metrics clipped" if self.clipped else ""
        )
        return f"UQS (weights from {how}, floor {self.floor:g}{clipped}): {verdict}"


def floor_weights(rho: FloatArray, floor: float) -> FloatArray:
    """Return max(rho, floor) over its sum; undefined metrics get 0.

    All are NaN where nothing is left to weight.
    """
    raised = np.where(np.isnan(rho), 0.0, np.maximum(rho, floor))
    total = raised.sum()
    return raised / total if total > 0 else np.full(len(rho), np.nan)


def _average(rows: pd.DataFrame, table: MetricTable, by: str) -> pd.DataFrame:
    """Average rows over replicates (units), then over blocks (items); gaps stay gaps."""
    if by == "row":
        return rows.set_axis(
            pd.Index([table.row_name(i) for i in range(len(table))], name="row"), axis=0
        )
    keys = [
        pd.Series(table.labels("block"), name="block"),
        pd.Series(table.labels("item"), name="item"),
    ]
    units = rows.groupby(keys, sort=False)
    by_unit = units.mean().where(units.count().eq(units.size(), axis=0))
    if by == "unit":
        return by_unit
    items = by_unit.groupby("item", sort=False)
    complete = items.count().eq(len(table.levels("block")))
    return items.mean().where(complete).loc[table.levels("item")]


def _reliabilities(
    table: MetricTable, statistic: str, source: str
) -> tuple[FloatArray, NDArray[np.object_]]:
    """Return each metric's reliability, and the reason where it is undefined."""
    estimate = "pooled" if source == "pooled" else "stratified"
    chosen = get_statistic(statistic)
    design = build_design(table, oracle=True)
    assert design.y is not None
    cells = design.cells(estimate, replicates=False)
    rho = association(with_oracle(design, chosen), cells, chosen, estimate)[0, :-1, -1]
    reasons = [
        undefined_reason(design.x[:, a], design.y, cells, finite=chosen.needs_finite)
        for a in range(len(table.metrics))
    ]
    return rho, np.array(reasons, dtype=object)


def _fold_weights(table: MetricTable, statistic: str, floor: float) -> pd.DataFrame:
    blocks = table.levels("block")
    if len(blocks) < 2:
        raise TableError(
            "weights='cross_fitted' learns each block's weights on the others, but the table "
            f"{table.name!r} has one block. Name the block column, or use weights='stratified'."
        )
    rows = []
    for held_out in blocks:
        rest = table.select(blocks=[b for b in blocks if b != held_out])
        rows.append(floor_weights(_reliabilities(rest, statistic, "stratified")[0], floor))
    return pd.DataFrame(rows, index=pd.Index(blocks, name="block"), columns=list(table.metrics))
