"""What the rules look at: the table, its cells, and what was claimed about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from metareval.auditing.claims import Claims, Figure, compared_figures
from metareval.stats.association import association, cell_rows
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Group:
    """Rows that belong together, and their label."""

    label: str
    rows: IntArray


@dataclass(frozen=True)
class Context:
    """One audit: the table, its arrays, and the claims about it, if any.

    Parameters
    ----------
    table : MetricTable
    claims : Claims or None
    """

    table: MetricTable
    claims: Claims | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return self.table.metrics

    @cached_property
    def x(self) -> FloatArray:
        """Metric values as given, shape (n, k)."""
        return self.table.values

    @cached_property
    def oriented(self) -> FloatArray:
        """Metric values turned so that higher is better."""
        return self.table.oriented

    @cached_property
    def closeness(self) -> FloatArray | None:
        """Minus the distance to the oracle, or None."""
        return self.table.closeness if self.table.oracle is not None else None

    @cached_property
    def distances(self) -> dict[str, FloatArray]:
        """Columns with measured distances to the oracle, or to each of several, by name."""
        names = self.table.oracle_repeats or self.table.oracle_columns
        return {c: self.table.frame[c].to_numpy(dtype=np.float64) for c in names}

    @cached_property
    def columns(self) -> dict[str, FloatArray]:
        """Oriented metrics and, where there is an oracle, closeness to it, by name."""
        out = {m: self.oriented[:, a] for a, m in enumerate(self.metrics)}
        if self.closeness is not None:
            out[str(self.table.oracle)] = self.closeness
        return out

    @cached_property
    def blocks(self) -> list[Group]:
        """Blocks, in the order of their labels."""
        return self._groups("block", self.table.codes("block"))

    @cached_property
    def units(self) -> list[Group]:
        """Independent units, (block, item) cells, labelled by item."""
        return self._groups("item", self.table.unit_codes)

    @cached_property
    def unit_block(self) -> IntArray:
        """Block of each unit, as an integer."""
        block = self.table.codes("block")
        return np.array([block[u.rows[0]] for u in self.units], dtype=np.intp)

    @cached_property
    def cells(self) -> list[IntArray]:
        """Rows of each (block, replicate) cell; of each block where there are no replicates."""
        block = self.table.codes("block")
        if self.table.replicate is None:
            return cell_rows(block)
        replicate = self.table.codes("replicate")
        return cell_rows(block * (replicate.max() + 1) + replicate)

    @cached_property
    def block_rows(self) -> list[IntArray]:
        """Rows of each block."""
        return [b.rows for b in self.blocks]

    @property
    def everything(self) -> list[IntArray]:
        """All rows as one cell."""
        return [np.arange(len(self.table), dtype=np.intp)]

    @cached_property
    def has_replicates(self) -> bool:
        """Whether some unit has several rows."""
        return self.table.n_units < len(self.table)

    @cached_property
    def cell_name(self) -> str:
        """What the cells of :attr:`cells` are, for messages."""
        return "(block, replicate) cell" if self.table.replicate is not None else "block"

    @cached_property
    def tau(self) -> FloatArray:
        """Stratified tau-b of every pair of metrics within cells, as ``metareval.agreement``."""
        return self.associate(self.oriented, self.cells, "kendall", "stratified")

    @cached_property
    def tau_mean(self) -> FloatArray:
        """Mean of the cells' tau-b over the cells in which both metrics vary."""
        return self.associate(self.oriented, self.cells, "kendall", "mean")

    @cached_property
    def figures(self) -> list[Figure]:
        """Claimed figures beside what the rows give."""
        return [] if self.claims is None else compared_figures(self.table, self.claims)

    def associate(
        self, columns: FloatArray, cells: Sequence[IntArray], statistic: str, estimate: str
    ) -> FloatArray:
        """Return the association of every pair of columns, shape (k, k)."""
        matrix: FloatArray = association(columns, cells, get_statistic(statistic), estimate)[0]
        return matrix

    def unit_means(self, column: FloatArray) -> FloatArray:
        """Return the mean of each unit; NaN where a replicate is missing."""
        return np.array([column[u.rows].mean() for u in self.units])

    def rows_named(self, rows: Sequence[int] | IntArray) -> list[str]:
        """Name rows, in an order that does not depend on theirs."""
        return sorted(self.table.row_name(int(r)) for r in rows)

    def _groups(self, role: str, codes: IntArray) -> list[Group]:
        labels = self.table.labels(role)
        return [Group(labels[int(rows[0])], rows) for rows in cell_rows(codes)]


def finite(values: FloatArray) -> FloatArray:
    """Return the finite values."""
    return values[np.isfinite(values)]


def present(values: FloatArray) -> FloatArray:
    """Return the values that are not missing."""
    return values[~np.isnan(values)]
