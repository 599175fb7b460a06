"""From a MetricTable to the arrays that statistics work on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metareval.errors import unknown_name
from metareval.stats.association import cell_rows
from metareval.stats.resample import Layout, position_in_unit
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

UNITS = ("cell", "row")


@dataclass(frozen=True)
class Design:
    """Arrays of one analysis, rows in an order that does not depend on the table's row order.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Oriented metrics.
    y : ndarray, shape (n,), or None
        Closeness to the oracle.
    layout : Layout
        Blocks, units and slots of the rows.
    by_block : list of ndarray
        Rows of each block.
    by_replicate : list of ndarray
        Rows of each (block, replicate) cell; of each block where there are no replicates.
    order : ndarray of int
        Row of the table from which each row comes.
    """

    x: FloatArray
    y: FloatArray | None
    layout: Layout
    by_block: list[IntArray]
    by_replicate: list[IntArray]
    order: IntArray

    def cells(self, estimate: str, *, replicates: bool) -> list[IntArray]:
        """Return the cells within which an estimate compares rows."""
        if estimate == "pooled":
            return [np.arange(len(self.x), dtype=np.intp)]
        return self.by_replicate if replicates else self.by_block


def build_design(table: MetricTable, *, oracle: bool, unit: str = "cell") -> Design:
    """Return the arrays of a table.

    Parameters
    ----------
    table : MetricTable
    oracle : bool
        Whether the analysis needs the oracle.
    unit : {"cell", "row"}
        What counts as independent: (block, item) cells, or every row.
    """
    if unit not in UNITS:
        raise unknown_name("unit", unit, UNITS)
    x = table.oriented
    y = table.closeness if oracle else None
    block, item, replicate = (table.codes(r) for r in ("block", "item", "replicate"))
    by_name = np.argsort(np.array(table.metrics, dtype=object))
    keys = [*(x[:, m] for m in reversed(by_name)), *([] if y is None else [y])]
    if oracle:
        # Rows that only the repeats of the oracle tell apart.
        keys = [*(table.frame[c].to_numpy() for c in sorted(table.oracle_repeats)), *keys]
    if table.item is None:
        order = np.lexsort([*keys, replicate, block])
        unit_codes = np.arange(len(x), dtype=np.intp)
    else:
        order = np.lexsort([*keys, replicate, item, block])
        unit_codes = table.unit_codes[order]
    x, block, replicate = x[order], block[order], replicate[order]
    y = None if y is None else y[order]
    if unit == "row":
        unit_codes = np.arange(len(x), dtype=np.intp)
    if table.replicate is None:
        slot, by_replicate = position_in_unit(unit_codes), block
    else:
        slot, by_replicate = replicate, block * (replicate.max() + 1) + replicate
    return Design(
        x=x,
        y=y,
        layout=Layout(block, unit_codes, slot, labelled=table.replicate is not None),
        order=order,
        by_block=cell_rows(block),
        by_replicate=cell_rows(by_replicate),
    )
