"""Checks of a frame before it becomes a table: columns, roles, directions, repeats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from metareval.catalogue import DIRECTIONS, KNOWN_METRICS
from metareval.columns import FloatArray, label_column, looks_numeric, row_label
from metareval.errors import MOST_NAMES, ArgumentError, TableError, unknown_name

Role = str | Sequence[str]

# Column with the mean of the distances to several oracles.
ORACLE_MEAN = "oracle distance"


def resolve_directions(
    metrics: Sequence[str],
    directions: Mapping[str, str],
    *,
    frame: pd.DataFrame,
) -> dict[str, str]:
    """Return the direction of every metric, given or known by name; never guess one."""
    columns = set(frame.columns)
    for metric, direction in directions.items():
        if metric not in columns:
            raise unknown_name("column in directions", metric, columns)
        if direction not in DIRECTIONS:
            raise TableError(
                f"The direction of {metric!r} is {direction!r}; it must be 'higher' or 'lower' "
                "(which values are better)."
            )
    out = {}
    unknown = []
    for metric in metrics:
        if metric in directions:
            out[metric] = directions[metric]
        elif metric in KNOWN_METRICS:
            out[metric] = KNOWN_METRICS[metric].direction
        else:
            unknown.append(metric)
    if unknown:
        shown = ", ".join(repr(m) for m in unknown[:8]) + (" ..." if len(unknown) > 8 else "")
        example = ", ".join(f"{m!r}: ..." for m in unknown[:2])
        raise TableError(
            f"No direction is known for {shown}. Say which values are better with "
            f"directions={{{example}}}, where ... is 'higher' or 'lower'. If a column is not a "
            "metric, give it a role (block, item, replicate, oracle) or name the metrics with "
            f"metrics=[...].{_long_hint(frame)}"
        )
    return out


def _long_hint(frame: pd.DataFrame) -> str:
    """Say which column of a table in long form names metrics."""
    for column in frame.columns:
        if not looks_numeric(frame[column]):
            values = set(map(str, frame[column]))
            found = [m for m in KNOWN_METRICS if m in values]
            if len(found) > 1:
                return (
                    f" Column {column!r} holds names of metrics ({', '.join(map(repr, found))}): "
                    "a table has a column for each metric, so turn it first, as DataFrame.pivot "
                    "does."
                )
    return ""


def name_list(value: Any, argument: str) -> list[Any]:
    """Return an argument that is a list of names; a single text is not one."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ArgumentError(
            f"{argument}={value!r}: give a list of names, for example {argument}=[{str(value)!r}]."
        )
    return list(value)


def column_names(frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns as texts; repeated names are an error."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise TableError(
            "The table has several header rows; flatten them to one name for each column."
        )
    try:
        names = [str(c) for c in frame.columns]
    except ValueError as exc:  # an integer of thousands of digits
        raise TableError(f"A column has a name that cannot be written as text ({exc}).") from exc
    seen: set[str] = set()
    for name in names:
        if any("\ud800" <= c <= "\udfff" for c in name):
            raise TableError(
                f"Column {name!r} has half of a character (an unpaired surrogate) in its name; "
                "rename it."
            )
        if name in seen:
            raise TableError(
                f"Column {name!r} occurs {names.count(name)} times; rename or drop the others."
            )
        seen.add(name)
    return names


def require_column(frame: pd.DataFrame, column: object, role: str) -> None:
    """Refuse a column that the frame does not have."""
    if not isinstance(column, str) or column not in frame.columns:
        raise unknown_name(f"{role} column", column, frame.columns)


def role_columns_of(frame: pd.DataFrame, role: Role | None, kind: str) -> list[str]:
    """Return the columns that make up a role."""
    columns = [] if role is None else [role] if isinstance(role, str) else name_list(role, kind)
    for column in columns:
        require_column(frame, column, kind)
    return columns


def oracle_columns_of(frame: pd.DataFrame, oracle: Role | None) -> list[str]:
    """Return the columns with distances to the oracle: none, one, or one for each repeat."""
    if oracle is None:
        return []
    columns = [oracle] if isinstance(oracle, str) else name_list(oracle, "oracle")
    if not columns:
        raise ArgumentError("oracle=[] names no column; name at least one, or leave oracle out.")
    for position, column in enumerate(columns):
        require_column(frame, column, "oracle")
        if column in columns[:position]:
            raise ArgumentError(
                f"oracle= names the column {column!r} twice; every repeat of the oracle is a "
                "column of its own, and a copy would make the oracle look more reliable than it is."
            )
    return columns


def add_oracle_mean(data: pd.DataFrame, repeats: Sequence[str], taken: set[str]) -> str:
    """Add the mean of the repeats as a column, in place, and return its name.

    A column of that name that holds this mean already, as in the frame of a table, is the same.
    """
    mean = repeat_mean(data[list(repeats)].to_numpy(dtype=np.float64))
    name = ORACLE_MEAN
    while name in data.columns and (name in taken or not _holds(data[name], mean)):
        name = f"{name}_"
    data[name] = mean
    return name


def repeat_mean(distances: FloatArray) -> FloatArray:
    """Return the mean of each row, shape (n,), whatever the order of its columns.

    A row that lacks a value has no mean, so that none rests on fewer repeats than it seems to.
    """
    return np.array([_mean(row) for row in distances.tolist()], dtype=np.float64)


def _mean(values: list[float]) -> float:
    if any(map(math.isinf, values)):
        return sum(values)  # infinite, or NaN where both infinities meet
    try:
        # The exact sum, rounded once: the order of the repeats breaks no tie.
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(v / len(values) for v in values)


def _holds(column: pd.Series, mean: FloatArray) -> bool:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return False
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(over="ignore"):  # a difference beyond all numbers is not close
        return bool(np.allclose(values, mean, rtol=1e-12, atol=0.0, equal_nan=True))


def refuse_shared_roles(used: Mapping[str, list[str]], oracle: Sequence[str]) -> None:
    """Refuse a column that is named for two roles."""
    owner: dict[str, str] = dict.fromkeys(oracle, "oracle")
    for role, columns in used.items():
        for column in columns:
            if column in owner:
                raise ArgumentError(
                    f"Column {column!r} is named both as {owner[column]} and as {role}; "
                    "a column has one role."
                )
            owner[column] = role


def metric_names_of(
    frame: pd.DataFrame,
    metrics: Sequence[str] | None,
    directions: Mapping[str, str],
    taken: set[str],
) -> list[str]:
    """Return the metric columns: those named, or all numeric ones without another role."""
    if metrics is not None:
        named = name_list(metrics, "metrics")
        if not named:
            raise ArgumentError("metrics= is empty; name one or more columns, or leave it out.")
        for name in named:
            require_column(frame, name, "metric")
        names = list(dict.fromkeys(named))
        for name in names:
            if name in taken:
                raise ArgumentError(
                    f"Column {name!r} is named as a metric and has another role; a column has one "
                    "role. Leave it out of metrics=[...], or give the role another column."
                )
    else:
        names = [
            c
            for c in frame.columns
            if c not in taken and (c in directions or c in KNOWN_METRICS or looks_numeric(frame[c]))
        ]
    if not names:
        raise TableError(
            "The table has no metric column: no numeric column is left beside the roles "
            f"(columns: {_names(frame.columns) or 'none'})."
        )
    return names


def replace_columns(data: pd.DataFrame, columns: Mapping[str, FloatArray]) -> pd.DataFrame:
    """Return the frame with other values in some of its columns, all at once.

    pandas takes time that grows with the square of the columns where they are set one by one.
    """
    if not columns:
        return data
    new = pd.DataFrame(dict(columns), index=data.index)
    kept = data.drop(columns=list(columns))
    return pd.concat([kept, new], axis=1)[list(data.columns)]


def _names(columns: Iterable[str]) -> str:
    names = list(columns)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(map(repr, names[:MOST_NAMES])) + more


def join_role(data: pd.DataFrame, columns: list[str], role: str) -> str | None:
    """Turn the columns of a role into one column of texts, in place, and return its name."""
    if not columns:
        return None
    parts = [label_column(data[c], name=c, role=role) for c in columns]
    if len(columns) == 1:
        data[columns[0]] = pd.Series(parts[0], index=data.index, dtype=object)
        return columns[0]
    name = " / ".join(columns)
    while name in data.columns:
        name = f"{name}_"
    cells = list(zip(*parts, strict=True))
    owner: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        if owner.setdefault(" / ".join(cell), cell) != cell:
            raise TableError(
                f"The {role} columns {', '.join(map(repr, columns))} hold {cell} and "
                f"{owner[' / '.join(cell)]}, which would get the same joined label. Rename one."
            )
    data[name] = pd.Series([" / ".join(c) for c in cells], index=data.index, dtype=object)
    return name


def refuse_duplicates(data: pd.DataFrame, roles: Mapping[str, str | None]) -> None:
    """Refuse a table in which a replicate of an item stands twice in a block."""
    if roles["item"] is None or roles["replicate"] is None:
        return
    keys = [c for c in (roles["block"], roles["item"], roles["replicate"]) if c is not None]
    repeated = data.duplicated(keys, keep=False).to_numpy()
    if repeated.any():
        first = int(np.flatnonzero(repeated)[0])
        same = (data[keys] == data[keys].iloc[first]).all(axis=1).to_numpy()
        rows = ", ".join(row_label(data, int(i)) for i in np.flatnonzero(same)[:5])
        cell = " / ".join(str(data[k].iloc[first]) for k in keys)
        raise TableError(
            f"The cell ({cell}) of ({', '.join(keys)}) stands in rows {rows}; each replicate of an "
            "item may stand once in a block. Remove the repeats, or add the missing role column."
        )
