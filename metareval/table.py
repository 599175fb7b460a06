"""The table that every analysis starts from: values, directions, roles and the oracle."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metareval.catalogue import KNOWN_METRICS
from metareval.columns import (
    FloatArray,
    number_column,
    row_label,
)
from metareval.errors import ArgumentError, TableError, unknown_name
from metareval.files import write_atomic
from metareval.results import frame_html, frame_text, plural, printable
from metareval.saved import SavedRoles, saved_text
from metareval.validation import (
    Role,
    add_oracle_mean,
    column_names,
    join_role,
    metric_names_of,
    name_list,
    oracle_columns_of,
    refuse_duplicates,
    refuse_shared_roles,
    repeat_mean,
    replace_columns,
    resolve_directions,
    role_columns_of,
)


@dataclass(frozen=True, eq=False, repr=False)
class MetricTable:
    """A validated table of evaluated models (rows) by metrics (columns).

    Build one with :meth:`from_frame`, :func:`metareval.read_table` or
    :func:`metareval.load_dataset`; the constructor itself does not validate.

    Parameters
    ----------
    frame : DataFrame
        All columns, metrics as float64; missing values are NaN, infinities are kept and ordered.
    metrics : tuple of str
        Names of the metric columns.
    directions : mapping of str to {"higher", "lower"}
        Which values of each metric are better.
    oracle : str or None
        Column with each model's distance to the oracle; smaller is closer. With several oracles,
        the mean of ``oracle_repeats``.
    block : str or None
        Column naming what must not be mixed (dataset, architecture).
    item : str or None
        Column naming what is ranked (the unlearning method).
    replicate : str or None
        Column naming repeats of the same item (seed).
    name : str
        Where the table comes from, for titles and messages.
    oracle_shared : tuple of str
        Metrics that are computed from the oracle model, as far as is known.
    oracle_repeats : tuple of str
        Columns with the distance to each of several oracles; empty with one.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    directions: Mapping[str, str]
    oracle: str | None = None
    block: str | None = None
    item: str | None = None
    replicate: str | None = None
    name: str = "table"
    oracle_shared: tuple[str, ...] = field(default=())
    oracle_repeats: tuple[str, ...] = field(default=())

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        metrics: Sequence[str] | None = None,
        directions: Mapping[str, str] | None = None,
        oracle: Role | None = None,
        block: Role | None = None,
        item: Role | None = None,
        replicate: Role | None = None,
        name: str = "table",
        oracle_shared: Iterable[str] | None = None,
    ) -> MetricTable:
        """Validate a DataFrame and give its columns their roles.

        Parameters
        ----------
        frame : DataFrame, shape (n_models, n_columns)
            One row for each evaluated model. It is copied.
        metrics : sequence of str, optional
            Metric columns. By default every numeric column without another role.
        directions : mapping, optional
            ``"higher"`` or ``"lower"`` (is better) for each metric. FA, RA, MIA, AD and JS are
            known by name; any other metric must be named here.
        oracle : str or sequence of str, optional
            Column with the distance to the oracle (smaller is closer). Several columns are
            distances to repeats of the oracle, as models retrained with other seeds: their mean is
            the distance, and a row that lacks one has none.
        block, item, replicate : str or sequence of str, optional
            Role columns; several columns are joined into one.
        name : str
            Name for titles and messages.
        oracle_shared : iterable of str, optional
            Metrics computed from the oracle model itself, for the audit. By default those known
            by name (AD, JS).

        Returns
        -------
        MetricTable

        Raises
        ------
        TableError
            No rows or metrics, duplicate columns, non-numeric metrics, unknown directions,
            missing role labels, or the same (block, item, replicate) twice.

        Examples
        --------
        >>> import pandas as pd
        >>> import metareval as mr
        >>> df = pd.DataFrame({"method": ["a", "b", "c"], "FA": [0.1, 0.2, 0.3]})
        >>> mr.MetricTable.from_frame(df, item="method").metrics
        ('FA',)
        """
        if not isinstance(frame, pd.DataFrame):
            raise TableError(
                f"Expected a pandas DataFrame, got {type(frame).__name__}. "
                "Use metareval.read_table for a file."
            )
        data = frame.copy()
        data.columns = column_names(frame)
        if directions is not None and not isinstance(directions, Mapping):
            raise ArgumentError(
                f"directions={directions!r}: give a direction for each metric, for example "
                "directions={'accuracy': 'higher'}."
            )
        directions = dict(directions or {})
        used = {
            role: role_columns_of(data, columns, role)
            for role, columns in (("block", block), ("item", item), ("replicate", replicate))
        }
        distances = oracle_columns_of(data, oracle)
        refuse_shared_roles(used, distances)
        taken = {*(c for columns in used.values() for c in columns), *distances}
        for column in distances:
            data[column] = number_column(data[column], name=column)
        repeats = tuple(distances) if len(distances) > 1 else ()
        distance = distances[0] if len(distances) == 1 else None
        if repeats:
            named = [] if metrics is None else name_list(metrics, "metrics")
            texts = {name for name in (*named, *directions) if isinstance(name, str)}
            distance = add_oracle_mean(data, repeats, taken | texts)
            taken.add(distance)
        names = metric_names_of(data, metrics, directions, taken)
        if len(data) == 0:
            raise TableError(
                f"The table {name!r} has no rows; an analysis needs one row for each model."
            )
        resolved = resolve_directions(names, directions, frame=data)
        numbers = {c: number_column(data[c], name=c) for c in names if data[c].dtype != np.float64}
        data = replace_columns(data, numbers)
        roles: dict[str, str | None] = {}
        for role, columns in used.items():
            roles[role] = join_role(data, columns, role)
        refuse_duplicates(data, roles)
        shared = (
            [m for m in names if m in KNOWN_METRICS and KNOWN_METRICS[m].from_oracle]
            if oracle_shared is None
            else name_list(oracle_shared, "oracle_shared")
        )
        for metric in shared:
            if metric not in names:
                raise unknown_name("metric in oracle_shared", metric, names)
        return cls(
            frame=data,
            metrics=tuple(names),
            directions=MappingProxyType(resolved),
            oracle=distance,
            name=name,
            oracle_shared=tuple(m for m in names if m in shared),
            oracle_repeats=repeats,
            **roles,
        )

    def __getstate__(self) -> dict[str, Any]:
        # A read-only view cannot be pickled, what it shows can.
        return {**self.__dict__, "directions": dict(self.directions)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "directions": MappingProxyType(state["directions"])})

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def values(self) -> FloatArray:
        """Metric values as given, shape (n_rows, n_metrics)."""
        return self.frame[list(self.metrics)].to_numpy(dtype=np.float64)

    @property
    def oriented(self) -> FloatArray:
        """Metric values with every metric turned so that higher is better."""
        sign = [1.0 if self.directions[m] == "higher" else -1.0 for m in self.metrics]
        out: FloatArray = self.values * np.array(sign)
        return out

    @property
    def closeness(self) -> FloatArray:
        """Minus the distance to the oracle, shape (n_rows,): higher is closer.

        Raises
        ------
        TableError
            Where the table has no oracle column.
        """
        if self.oracle is None:
            raise TableError(
                f"The table {self.name!r} has no oracle: name the column of distances with "
                "oracle=..., or pass the distances as the second argument."
            )
        return -self.frame[self.oracle].to_numpy(dtype=np.float64)

    @property
    def closeness_repeats(self) -> FloatArray:
        """Minus the distance to each of several oracles, shape (n_rows, n_repeats).

        No columns where the table has one oracle or none.
        """
        out: FloatArray = -self.frame[list(self.oracle_repeats)].to_numpy(dtype=np.float64)
        return out

    @property
    def oracle_columns(self) -> tuple[str, ...]:
        """Columns with distances: of the oracle, and of its repeats."""
        return (*((self.oracle,) if self.oracle is not None else ()), *self.oracle_repeats)

    def labels(self, role: str) -> list[str]:
        """Return the labels of a role ("block", "item" or "replicate"), one for each row.

        A table without blocks is one block; without items, every row is its own item.

        Examples
        --------
        >>> import metareval as mr
        >>> mr.load_dataset("unifiedunl-blip2").labels("item")
        ['gradient_ascent', 'finetune_retain']
        """
        if role not in ("block", "item", "replicate"):
            raise unknown_name("role", role, ("block", "item", "replicate"))
        column = getattr(self, role)
        if column is not None:
            return [str(v) for v in self.frame[column]]
        if role == "item":
            return [f"row {i}" for i in range(len(self))]
        return ["all"] * len(self) if role == "block" else [""] * len(self)

    def levels(self, role: str) -> list[str]:
        """Return the distinct labels of a role in order of first appearance.

        Examples
        --------
        >>> import metareval as mr
        >>> mr.load_dataset("unifiedunl").levels("block")
        ['mllmu_bench', 'unlok_vqa', 'mmubench']
        """
        return list(dict.fromkeys(self.labels(role)))

    def codes(self, role: str) -> NDArray[np.intp]:
        """Return each row's label of a role as an integer; labels are numbered in sorted order."""
        if role == "item" and self.item is None:
            return np.arange(len(self), dtype=np.intp)
        return np.unique(np.array(self.labels(role), dtype=object), return_inverse=True)[1]

    @property
    def unit_codes(self) -> NDArray[np.intp]:
        """Return each row's independent unit, the (block, item) cell, as an integer."""
        item = self.codes("item")
        return np.unique(self.codes("block") * (item.max() + 1) + item, return_inverse=True)[1]

    @property
    def n_units(self) -> int:
        """Number of independent units: (block, item) cells."""
        return int(self.unit_codes.max()) + 1

    def row_name(self, position: int) -> str:
        """Name a row by its block, item and replicate.

        Examples
        --------
        >>> import metareval as mr
        >>> mr.load_dataset("unifiedunl").row_name(0)
        'mllmu_bench / gradient_ascent / 42'
        """
        parts = [str(self.frame[c].iloc[position]) for c in self.role_columns]
        return " / ".join(parts) if parts else f"row {row_label(self.frame, position)}"

    @property
    def role_columns(self) -> tuple[str, ...]:
        """Names of the block, item and replicate columns that the table has."""
        return tuple(c for c in (self.block, self.item, self.replicate) if c is not None)

    def select(
        self,
        *,
        metrics: Sequence[str] | None = None,
        blocks: Sequence[str] | None = None,
    ) -> MetricTable:
        """Return the table with some metrics or blocks only.

        Examples
        --------
        >>> import metareval as mr
        >>> table = mr.load_dataset("unifiedunl")
        >>> len(table.select(metrics=["MIA", "AD"], blocks=["mmubench"]))
        12
        """
        table = self
        if metrics is not None:
            for metric in name_list(metrics, "metrics"):
                if metric not in self.metrics:
                    raise unknown_name("metric", metric, self.metrics)
            keep = tuple(dict.fromkeys(metrics))
            if not keep:
                raise ArgumentError("metrics=[] leaves no metric; name at least one.")
            table = replace(
                table,
                metrics=keep,
                directions=MappingProxyType({m: self.directions[m] for m in keep}),
                oracle_shared=tuple(m for m in self.oracle_shared if m in keep),
            )
        if blocks is not None:
            labels = table.labels("block")
            for block in name_list(blocks, "blocks"):
                if block not in labels:
                    raise unknown_name("block", block, set(labels))
            wanted = set(blocks)
            if not wanted:
                raise ArgumentError("blocks=[] leaves no row; name at least one.")
            keep_rows = [label in wanted for label in labels]
            table = replace(table, frame=table.frame.loc[keep_rows])
        return table

    def aggregate(self) -> MetricTable:
        """Return one row for each independent unit: the mean over its replicates.

        A missing value in any replicate makes the unit's mean missing, so that no unit rests on
        fewer replicates than it seems to.

        Examples
        --------
        >>> import metareval as mr
        >>> len(mr.load_dataset("unifiedunl").aggregate())
        12
        """
        if self.item is None:
            return replace(self, replicate=None)
        keys = [c for c in (self.block, self.item) if c is not None]
        numbers = [*self.metrics, *self.oracle_columns]
        grouped = self.frame.groupby(keys, sort=False)[numbers]
        complete = grouped.count().eq(grouped.size(), axis=0)
        with np.errstate(invalid="ignore"):  # the mean of inf and -inf is NaN
            data = grouped.mean().where(complete).reset_index()
        if self.oracle_repeats:
            data[self.oracle] = repeat_mean(data[list(self.oracle_repeats)].to_numpy(dtype=float))
        return replace(self, frame=data, replicate=None)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the role, metric and oracle columns."""
        columns = [*self.role_columns, *self.metrics, *self.oracle_columns]
        return self.frame[columns].copy()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table to a JSON file that :func:`metareval.read_table` reads back as it is.

        Every column is kept, with roles, directions and name; the index of the frame is not part
        of the table. The file appears whole or not at all.

        Parameters
        ----------
        path : path
            A name that ends in ``.json``; its folder must exist.

        Returns
        -------
        Path

        Raises
        ------
        ArgumentError
            The name does not end in ``.json``.
        TableError
            A column without a role holds something other than numbers, texts and truth values,
            or the table is too large to be read back.
        OutputError
            The file could not be written.

        Examples
        --------
        >>> import tempfile
        >>> import metareval as mr
        >>> table = mr.load_dataset("unifiedunl")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = table.save(f"{folder}/table.json")
        ...     again = mr.read_table(path)
        >>> again.oracle, again.item, again.frame.equals(table.frame)
        ('retrained_distance', 'method', True)
        """
        if not isinstance(path, (str, os.PathLike)) or not str(path).lower().endswith(".json"):
            raise ArgumentError(
                f"A table is saved to a file whose name ends in .json, not to {str(path)!r}."
            )
        return write_atomic(path, self.saved_text())

    def saved_text(self) -> str:
        """Return the text of the file that :meth:`save` writes.

        Raises
        ------
        TableError
            A column holds something other than numbers, texts and truth values, or the table is
            too large to be read back.
        """
        return saved_text(self.frame, self._roles(), name=self.name)

    def _roles(self) -> SavedRoles:
        return SavedRoles(
            metrics=self.metrics,
            directions=dict(self.directions),
            oracle=self.oracle,
            block=self.block,
            item=self.item,
            replicate=self.replicate,
            oracle_shared=self.oracle_shared,
            oracle_repeats=self.oracle_repeats,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return roles, directions and counts as plain values."""
        return {
            "name": self.name,
            "n_rows": len(self),
            "n_units": self.n_units,
            "metrics": list(self.metrics),
            "directions": dict(self.directions),
            "oracle": self.oracle,
            "oracle_repeats": list(self.oracle_repeats),
            "block": self.block,
            "item": self.item,
            "replicate": self.replicate,
        }

    def headline(self) -> str:
        """Return one line that says what the table holds."""
        parts = [plural(len(self), "row"), plural(self.n_units, "independent unit")]
        for role in ("block", "item", "replicate"):
            if getattr(self, role) is not None:
                parts.append(plural(len(self.levels(role)), role))
        arrows = ", ".join(
            f"{m} {'up' if self.directions[m] == 'higher' else 'down'}" for m in self.metrics
        )
        oracle = f"; oracle distance: {self.oracle}" if self.oracle else "; no oracle"
        if self.oracle_repeats:
            oracle = f"; oracle distance: mean of {', '.join(self.oracle_repeats)}"
        return printable(f"MetricTable {self.name!r}: {', '.join(parts)}; {arrows}{oracle}")

    def __repr__(self) -> str:
        shown = self.to_frame().head(10)
        more = f"\n... {len(self) - 10} more rows" if len(self) > 10 else ""
        return f"{self.headline()}\n{frame_text(shown)}{more}"

    def _repr_html_(self) -> str:
        import html

        return f"<p>{html.escape(self.headline())}</p>{frame_html(self.to_frame())}"
