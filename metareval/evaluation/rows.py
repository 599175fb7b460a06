"""From rows to a table with roles, and what would keep them from being one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from metareval.errors import ArgumentError, unknown_name
from metareval.evaluation.listing import CHECKPOINT
from metareval.evaluation.measures import Measures
from metareval.evaluation.result import BELOW_FLOOR, Row
from metareval.evaluation.specs import CheckpointSpec
from metareval.table import MetricTable
from metareval.validation import Role, name_list

DISTANCES = ("function", "weights")


@dataclass(frozen=True)
class Layout:
    """What the columns of the table are.

    Parameters
    ----------
    labels : tuple of str
    columns : mapping of str to tuple of str
        For each kind of distance, one column for each oracle. The first kind is the table's.
    roles : mapping of str to (str, sequence of str or None)
        Block, item and replicate.
    name : str
        Name of the table.
    """

    labels: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, Role | None]
    name: str

    def table(self, rows: Sequence[Row], measures: Measures) -> MetricTable:
        """Return the table of the rows.

        Raises
        ------
        TableError, ArgumentError
            The roles do not fit the labels.
        """
        data: dict[str, list[object]] = {CHECKPOINT: [row.checkpoint for row in rows]}
        data |= {label: [row.labels[label] for row in rows] for label in self.labels}
        frame = pd.DataFrame(data, dtype=object)
        for name in measures.names:
            frame[name] = [float(row.values[name]) for row in rows]
        for name in self.distances:
            frame[name] = [float(row.distances[name]) for row in rows]
        oracle = next(iter(self.columns.values()))
        return MetricTable.from_frame(
            frame,
            metrics=list(measures.names),
            directions={metric.name: metric.direction for metric in measures.metrics},
            oracle=oracle[0] if len(oracle) == 1 else list(oracle),
            name=self.name,
            oracle_shared=[metric.name for metric in measures.metrics if metric.needs_oracle],
            **self.roles,
        )

    @property
    def distances(self) -> tuple[str, ...]:
        """Columns of distances."""
        return tuple(name for names in self.columns.values() for name in names)

    def check(self, specs: Sequence[CheckpointSpec], measures: Measures) -> None:
        """Refuse labels and roles that will not make a table, before anything is observed.

        Raises
        ------
        ArgumentError, TableError
        """
        taken = {**dict.fromkeys(measures.names, "a metric")}
        taken |= dict.fromkeys(self.distances, "a distance")
        taken[BELOW_FLOOR] = "a mark"
        for name in (CHECKPOINT, *self.labels):
            if name in taken:
                raise ArgumentError(
                    f"The label {name!r} has the name of {taken[name]} of this evaluation. Rename "
                    "the label."
                )
        for name in measures.names:
            if name in (*self.distances, CHECKPOINT):
                raise ArgumentError(f"A metric cannot be named {name!r}, which another column is.")
        known = (CHECKPOINT, *self.labels)
        for role, value in self.roles.items():
            columns = [value] if isinstance(value, str) else name_list(value or (), role)
            for column in columns:
                if column not in known:
                    raise unknown_name(f"label for {role}=", column, known)
        zeros = [
            Row(
                spec.checkpoint,
                spec.labels,
                dict.fromkeys(measures.names, 0.0),
                dict.fromkeys(self.distances, 0.0),
            )
            for spec in specs
        ]
        self.table(zeros, measures)


def distance_columns(given: str | Iterable[str], n_oracles: int) -> dict[str, tuple[str, ...]]:
    """Return the columns for each kind of distance.

    Raises
    ------
    ArgumentError
        There is no such kind, or none is given.

    Examples
    --------
    >>> distance_columns("function", 2)
    {'function': ('distance_1', 'distance_2')}
    >>> distance_columns(["weights", "function"], 1)
    {'weights': ('distance_weights',), 'function': ('distance_function',)}
    """
    kinds = [given] if isinstance(given, str) else name_list(given, "distance")
    for kind in kinds:
        if kind not in DISTANCES:
            raise unknown_name("distance", kind, DISTANCES)
    if not kinds:
        raise ArgumentError(f"distance=[] names none; expected {' or '.join(DISTANCES)}, or both.")
    out = {}
    for kind in dict.fromkeys(kinds):
        stem = "distance" if len(set(kinds)) == 1 else f"distance_{kind}"
        numbers = [""] if n_oracles == 1 else [f"_{i}" for i in range(1, n_oracles + 1)]
        out[kind] = tuple(stem + number for number in numbers)
    return out
