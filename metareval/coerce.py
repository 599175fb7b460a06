"""Accept what public functions accept: a MetricTable, or a DataFrame with loose roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from metareval.errors import ArgumentError, TableError
from metareval.table import MetricTable
from metareval.validation import column_names


def as_table(
    data: MetricTable | pd.DataFrame,
    oracle: Any = None,
    *,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> MetricTable:
    """Accept what public functions accept: a MetricTable, or a DataFrame with loose roles.

    ``oracle``, ``block``, ``item`` and ``replicate`` are column names, or one value for each row
    as a Series (matched by index) or another sequence (matched by position). ``oracle`` may be
    several columns: their names, a DataFrame, or an array with a column for each repeat.
    """
    roles = {"oracle": oracle, "block": block, "item": item, "replicate": replicate}
    if isinstance(data, MetricTable):
        given = [k for k, v in {**roles, "directions": directions}.items() if v is not None]
        if not given and metrics is None:
            return data
        frame, name = data.frame, data.name
        own = {**vars(data), "oracle": list(data.oracle_repeats) or data.oracle}
        if data.oracle_repeats and not _is_name(oracle, data.oracle):
            frame = frame.drop(columns=[data.oracle])  # a mean that is made anew
        roles = {k: own[k] if v is None else v for k, v in roles.items()}
        directions = {**data.directions, **(directions or {})}
        metrics = data.metrics if metrics is None else metrics
        shared: Iterable[str] | None = [m for m in data.oracle_shared if m in metrics]
    elif isinstance(data, pd.DataFrame):
        frame, name, shared = data, "table", None
    else:
        raise TableError(
            f"Expected a MetricTable or a pandas DataFrame, got {type(data).__name__}. "
            "Use metareval.read_table for a file and metareval.load_dataset for an embedded table."
        )
    frame = frame.copy()
    frame.columns = column_names(frame)
    columns: dict[str, Any] = {}
    known = () if metrics is None else tuple(metrics)
    for role, value in roles.items():
        if value is None or _names(value, frame, role):
            columns[role] = value
        elif role == "oracle" and _is_matrix(value):
            columns[role] = [
                _attach(frame, column, role, metrics=known)
                for column in _matrix_columns(value, frame)
            ]
        else:
            columns[role] = _attach(frame, value, role, metrics=known)
    return MetricTable.from_frame(
        frame, metrics=metrics, directions=directions, name=name, oracle_shared=shared, **columns
    )


def _is_name(value: Any, name: str | None) -> bool:
    return (
        value == name
        if isinstance(value, str)
        else isinstance(value, (list, tuple)) and name in value
    )


def _names(value: Any, frame: pd.DataFrame, role: str) -> bool:
    """Say whether a role is given by column name rather than by its values.

    A list of texts as long as the frame names columns only where all of them are columns; one for
    the oracle always does, since distances are no texts.
    """
    if role == "oracle" and isinstance(value, (list, tuple)):
        return all(isinstance(v, str) for v in value)
    if isinstance(value, (list, tuple)) and len(value) == len(frame):
        return all(isinstance(v, str) and v in frame.columns for v in value) and len(value) > 0
    return isinstance(value, str) or (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(v, str) for v in value)
        and len(set(value)) == len(value)
        and len(value) <= 3
    )


def _is_matrix(value: Any) -> bool:
    """Say whether distances come as several columns."""
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, (pd.Series, np.ndarray)) and np.ndim(v) for v in value):
            raise ArgumentError(
                "oracle= got a list of columns, which might as well be rows. Pass a DataFrame with "
                "a column for each repeat, for example pd.concat(columns, axis=1)."
            )
        return any(isinstance(v, (list, tuple)) for v in value)
    return isinstance(value, pd.DataFrame) or (isinstance(value, np.ndarray) and value.ndim == 2)


def _matrix_columns(value: Any, frame: pd.DataFrame) -> list[Any]:
    """Return the columns of several distances: Series to match by index, or arrays by position."""
    if isinstance(value, pd.DataFrame):
        names = column_names(value)
        if not names:
            raise ArgumentError("oracle= got a DataFrame without columns; give one or more.")
        return [value.iloc[:, i].rename(name) for i, name in enumerate(names)]
    try:
        array = np.asarray(value, dtype=object if isinstance(value, (list, tuple)) else None)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    if array.ndim != 2 or len(array) != len(frame) or array.shape[1] == 0:
        raise TableError(
            f"oracle= has shape {array.shape}, but the table has {len(frame)} rows: a row for each "
            "is needed, with a column for each repeat of the oracle."
        )
    if array.shape[1] == 1:
        return [array[:, 0]]
    labels = [f"oracle {i}" for i in range(1, array.shape[1] + 1)]
    columns = []
    for i, label in enumerate(labels):
        column = pd.Series(array[:, i], index=frame.index).infer_objects()
        columns.append(column.rename(label))
    return columns


def _attach(frame: pd.DataFrame, value: Any, role: str, *, metrics: Sequence[str]) -> str:
    """Add a role's values as a column of a free name and return that name.

    A Series that is a column of the frame already stands for that column, metrics excepted.
    """
    if isinstance(value, pd.DataFrame):
        raise ArgumentError(
            f"{role}= got a DataFrame with {value.shape[1]} columns; pass one column, "
            f"for example {role}=df[{str(value.columns[0]) if value.shape[1] else 'name'!r}]."
        )
    if isinstance(value, pd.Series):
        name = str(value.name) if value.name is not None else role
        if value.index.equals(frame.index):
            series = value
        elif (
            value.index.is_unique
            and frame.index.is_unique
            and len(value) == len(frame)
            and frame.index.isin(value.index).all()
        ):
            series = value.reindex(frame.index)
        else:
            raise TableError(
                f"The {role} Series ({len(value)} values) and the table ({len(frame)} rows) do not "
                "have the same index, so their rows cannot be matched. Give both the same index, "
                f"or pass {role}=series.to_numpy() to match by position."
            )
    else:
        name = role
        array = np.asarray(value, dtype=object if isinstance(value, (list, tuple)) else None)
        if array.ndim != 1 or len(array) != len(frame):
            raise TableError(
                f"{role}= has shape {array.shape}, but the table has {len(frame)} rows: "
                "one value for each row is needed."
            )
        series = pd.Series(array, index=frame.index).infer_objects()
    names = [str(c) for c in frame.columns]
    if isinstance(value, pd.Series) and name not in metrics and names.count(name) == 1:
        column = frame.iloc[:, names.index(name)]
        if column.equals(series):
            return name
    while name in names:
        name = f"{name}_"
    frame[name] = series
    return name
