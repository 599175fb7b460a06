"""What is ranked: items over all blocks, items within each block, or single runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.auditing.wording import names
from metareval.questions.uqs import UQS
from metareval.table import MetricTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

ROLES = ("block", "item", "replicate")


@dataclass(frozen=True)
class Level:
    """Rows that are ranked, and the metrics of each.

    Parameters
    ----------
    name : {"item", "unit", "row"}
    labels : mapping of str to list of str
        Those of the roles "block", "item" and "replicate" that tell the rows apart.
    group : ndarray of int, shape (n,)
        Rows of one group are ranked against each other, and no others.
    groups : tuple of str
        Names of the groups.
    raw : ndarray, shape (n, k)
        Metrics as measured, averaged.
    values : ndarray, shape (n, k)
        The same mapped to [0, 1], higher is better: what the score weighs.
    gaps : mapping of (row, metric) to str
        Why a value is missing.
    flat : frozenset of (group, metric)
        Where a metric does not vary, and so ranks nothing.
    """

    name: str
    labels: Mapping[str, list[str]]
    group: IntArray
    groups: tuple[str, ...]
    raw: FloatArray
    values: FloatArray
    gaps: Mapping[tuple[int, int], str]
    flat: frozenset[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.values)


def build_levels(uqs: UQS, table: MetricTable) -> tuple[Level, ...]:
    """Return the levels that a table has, the widest first.

    Parameters
    ----------
    uqs : UQS
        Gives transforms and, for the published protocol, the way of averaging; that protocol
        knows items only.
    table : MetricTable
    """
    if uqs.protocol:
        return (_published(uqs, table),)
    levels = []
    several = len(table.levels("block")) > 1
    if table.item is not None or not several:
        levels.append(_items(uqs, table))
    if several:
        levels.append(_units(uqs, table))
    if table.item is not None and len(table) > table.n_units:
        levels.append(_rows(uqs, table))
    return tuple(levels)


def _published(uqs: UQS, table: MetricTable) -> Level:
    items = table.levels("item")
    rows = pd.DataFrame(table.values).groupby(np.array(table.labels("item"), dtype=object))
    complete = rows.count().eq(rows.size(), axis=0)
    raw = _numbers(rows.mean().where(complete).loc[items])
    return _one_group("item", items, raw, _numbers(uqs.values(table)), _Missing(table))


def _items(uqs: UQS, table: MetricTable) -> Level:
    units = table.aggregate()
    items = table.levels("item")
    code = {item: i for i, item in enumerate(items)}
    at = np.array([code[label] for label in units.labels("item")])
    blocks = len(table.levels("block"))
    raw = np.zeros((len(items), len(table.metrics)))
    with np.errstate(invalid="ignore"):  # the mean of inf and -inf is NaN
        np.add.at(raw, at, units.values / blocks)
    raw[np.bincount(at, minlength=len(items)) < blocks] = np.nan
    return _one_group("item", items, raw, _numbers(uqs.values(table)), _Missing(table))


def _one_group(
    name: str, items: list[str], raw: FloatArray, values: FloatArray, missing: _Missing
) -> Level:
    gaps = {(r, m): missing.item(items[r], m) for r, m in _where_nan(values)}
    group = np.zeros(len(items), dtype=np.intp)
    return Level(name, {"item": items}, group, ("all",), raw, values, gaps, _flat(values, group))


def _units(uqs: UQS, table: MetricTable) -> Level:
    units = table.aggregate()
    block, item = units.labels("block"), units.labels("item")
    values = _numbers(uqs.values(table, by="unit"))
    blocks = table.levels("block")
    code = {label: g for g, label in enumerate(blocks)}
    group = np.array([code[b] for b in block], dtype=np.intp)
    missing = _Missing(table)
    gaps = {(r, m): missing.unit(block[r], item[r], m) for r, m in _where_nan(values)}
    labels = {"block": block, "item": item}
    return Level(
        "unit", labels, group, tuple(blocks), units.values, values, gaps, _flat(values, group)
    )


def _rows(uqs: UQS, table: MetricTable) -> Level:
    values = _numbers(uqs.values(table, by="row"))
    labels = {role: table.labels(role) for role in ROLES if getattr(table, role) is not None}
    cells = list(zip(table.labels("block"), table.labels("replicate"), strict=True))
    known = {cell: g for g, cell in enumerate(dict.fromkeys(cells))}
    group = np.array([known[cell] for cell in cells], dtype=np.intp)
    names_ = tuple(" / ".join(p for p in cell if p) for cell in known)
    gaps = dict.fromkeys(_where_nan(values), "not measured in this run")
    return Level("row", labels, group, names_, table.values, values, gaps, _flat(values, group))


class _Missing:
    """Where values are missing, by item and block."""

    def __init__(self, table: MetricTable) -> None:
        self.blocks = table.levels("block")
        self.one_block = len(self.blocks) == 1
        self.replicate = table.replicate
        gaps = np.isnan(table.values)
        self.cells: dict[tuple[str, str], list[tuple[str, NDArray[np.bool_]]]] = {}
        labels = zip(
            table.labels("item"), table.labels("block"), table.labels("replicate"), strict=True
        )
        for (item, block, replicate), row in zip(labels, gaps, strict=True):
            self.cells.setdefault((item, block), []).append((replicate, row))

    def item(self, item: str, metric: int) -> str:
        absent = [b for b in self.blocks if (item, b) not in self.cells]
        if absent:
            return f"this item has no rows in {names(absent)}"
        holes = [b for b in self.blocks if any(g[metric] for _, g in self.cells[item, b])]
        if self.one_block or not holes:
            return self.unit(self.blocks[0], item, metric)
        return f"not measured in {names(holes)}"

    def unit(self, block: str, item: str, metric: int) -> str:
        found = self.cells.get((item, block), [])
        holes = [r for r, g in found if g[metric]]
        if not self.replicate or not holes or len(holes) == len(found):
            return "not measured"
        return f"not measured for {names([self.replicate])} {names(holes)}"


def _missing_items(table: MetricTable) -> _Missing:
    return _Missing(table)


def _numbers(frame: pd.DataFrame) -> FloatArray:
    return frame.to_numpy(dtype=np.float64)


def _where_nan(values: FloatArray) -> Sequence[tuple[int, int]]:
    return [(int(r), int(m)) for r, m in np.argwhere(np.isnan(values))]


def _flat(values: FloatArray, group: IntArray) -> frozenset[tuple[int, int]]:
    """Find metrics without variation in a group of at least two rows."""
    out = set()
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(group[order]) != 0))
    filled = values[order]
    low = np.fmin.reduceat(filled, starts, axis=0)
    high = np.fmax.reduceat(filled, starts, axis=0)
    sizes = np.diff(np.append(starts, len(group)))
    for g, m in np.argwhere((low == high) & (sizes[:, None] > 1)):
        out.add((int(group[order][starts[g]]), int(m)))
    return frozenset(out)
