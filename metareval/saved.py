"""The file of a saved table: every column, and what each is, as strict JSON."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from metareval.errors import TableError
from metareval.results import printable, shorten

FORMAT = "metareval table"
VERSION = 1

# The largest table that is read from a file, and so the largest that is saved.
MOST_BYTES = 512 * 1024**2
MOST_CELLS = 20_000_000

_TOO_MANY = "more than {} would not be read back. Keep only the rows and columns that are needed."

# JSON has no infinities; a missing number is null.
_INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf}


class DamagedError(ValueError):
    """A document that is not a saved table: the message says what was found and expected."""


@dataclass(frozen=True)
class SavedRoles:
    """What the columns of a saved table are; see :class:`metareval.MetricTable`."""

    metrics: tuple[str, ...]
    directions: Mapping[str, str]
    oracle: str | None
    block: str | None
    item: str | None
    replicate: str | None
    oracle_shared: tuple[str, ...]
    oracle_repeats: tuple[str, ...]


@dataclass(frozen=True)
class SavedTable:
    """A saved table: its columns, their roles, and its name."""

    frame: pd.DataFrame
    roles: SavedRoles
    name: str


def saved_text(frame: pd.DataFrame, roles: SavedRoles, *, name: str) -> str:
    """Return the text of a saved table, a line for each column.

    Raises
    ------
    TableError
        A column holds something other than numbers, texts and truth values, or the table is too
        large to be read back.
    """
    if frame.size > MOST_CELLS:
        raise TableError(f"The table has {frame.size} cells; {_TOO_MANY.format(MOST_CELLS)}")
    head = {"format": FORMAT, "version": VERSION, "name": name, "roles": asdict(roles)}
    columns = [_column(str(c), frame.iloc[:, i]) for i, c in enumerate(frame.columns)]
    lines = [f"{_dump(key)}: {_dump(value)}" for key, value in head.items()]
    body = ",\n".join(f"  {_dump(column)}" for column in columns)
    text = "{\n" + ",\n".join([*lines, f'"columns": [\n{body}\n]']) + "\n}\n"
    # No character takes more than four bytes; where that is enough, nothing is encoded to count.
    if 4 * len(text) > MOST_BYTES < len(text.encode("utf-8", "surrogatepass")):
        raise TableError(f"The table takes {len(text)} characters; {_TOO_MANY.format(MOST_BYTES)}")
    return text


def is_saved(document: object) -> bool:
    """Say whether a JSON document calls itself a saved table."""
    return isinstance(document, dict) and document.get("format") == FORMAT


def saved_size(document: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many rows and columns a document would have; nothing else is looked at."""
    columns = document.get("columns")
    if not isinstance(columns, list):
        return 0, 0
    values = [c.get("values") for c in columns if isinstance(c, dict)]
    return max((len(v) for v in values if isinstance(v, list)), default=0), len(columns)


def parse_saved(document: Mapping[str, Any]) -> SavedTable:
    """Turn a JSON document into a saved table.

    Raises
    ------
    DamagedError
        The document is of a later version, or its parts do not fit together.
    """
    version = document.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise DamagedError(f"its version is {_shown(version)}, but a number from 1 is expected")
    if version > VERSION:
        raise DamagedError(
            f"it is of version {_shown(version)}, and this metareval reads up to version "
            f"{VERSION}; install a newer metareval"
        )
    name = _text(document.get("name"), "the name")
    columns = _listed(document.get("columns"), "columns")
    frame: dict[str, pd.Series] = {}
    for number, column in enumerate(columns, start=1):
        what = f"column {number}"
        if not isinstance(column, Mapping):
            raise DamagedError(f"{what} is {_shown(column)}, but an object is expected")
        label = _text(column.get("name"), f"the name of {what}")
        if label in frame:
            raise DamagedError(f"two columns are named {_shown(label)}")
        frame[label] = _series(column, label)
    lengths = {len(series) for series in frame.values()}
    if len(lengths) > 1:
        raise DamagedError(
            f"its columns have between {min(lengths)} and {max(lengths)} values, but a value for "
            "each row is expected"
        )
    roles = _roles(document.get("roles"), set(frame))
    return SavedTable(pd.DataFrame(frame), roles, name)


def _column(name: str, values: pd.Series) -> dict[str, Any]:
    kind, cells = "value", values.to_numpy(dtype=object)
    if pd.api.types.is_bool_dtype(values.dtype):
        kind = "boolean"
    elif pd.api.types.is_integer_dtype(values.dtype):
        kind = "integer"
    elif pd.api.types.is_float_dtype(values.dtype):
        kind = "number"
    return {"name": name, "kind": kind, "values": [_cell(v, name, kind) for v in cells]}


def _cell(value: Any, name: str, kind: str) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (str, bool)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return None
        if math.isfinite(value):
            return float(value)
        if kind == "number":
            return "Infinity" if value > 0 else "-Infinity"
    raise TableError(
        f"Column {name!r} holds {_shown(value)} ({type(value).__name__}), which cannot be saved: "
        "numbers, texts and truth values can. Convert the column, or drop it."
    )


def _series(column: Mapping[str, Any], label: str) -> pd.Series:
    values = _listed(column.get("values"), f"the values of column {label!r}")
    kind = column.get("kind")
    if kind == "number":
        return pd.Series([_number(v, label) for v in values], dtype=np.float64)
    if kind not in ("integer", "boolean", "value"):
        raise DamagedError(
            f"column {label!r} is of kind {_shown(kind)}, but number, integer, boolean or value is "
            "expected"
        )
    for value in values:
        whole = isinstance(value, int) and not isinstance(value, bool)
        fits = (
            value is None
            or (kind == "value" and isinstance(value, (str, bool, int, float)))
            or (kind == "boolean" and isinstance(value, bool))
            or (kind == "integer" and whole and -(2**63) <= value < 2**64)
        )
        if not fits:
            raise DamagedError(f"column {label!r} of kind {kind} holds {_shown(value)}")
        if isinstance(value, str):
            _text(value, f"a value of column {label!r}")
    if kind == "value":
        return pd.Series(values, dtype=object)
    missing = any(v is None for v in values)
    if kind == "boolean":
        return pd.Series(values, dtype="boolean" if missing else bool)
    large = any(v is not None and v >= 2**63 for v in values)
    if large and any(v is not None and v < 0 for v in values):
        raise DamagedError(f"column {label!r} holds integers that no one type can hold")
    width = "UInt64" if large else "Int64"
    return pd.Series(values, dtype=width if missing else width.lower())


def _number(value: Any, label: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value in _INFINITE:
        return _INFINITE[value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise DamagedError(
        f"column {label!r} of kind number holds {_shown(value)}, but a number, null, 'Infinity' or "
        "'-Infinity' is expected"
    )


def _roles(found: object, columns: set[str]) -> SavedRoles:
    if not isinstance(found, Mapping):
        raise DamagedError(f"its roles are {_shown(found)}, but an object is expected")
    many = {
        role: tuple(_text(v, role) for v in _listed(found.get(role), role))
        for role in ("metrics", "oracle_shared", "oracle_repeats")
    }
    one: dict[str, str | None] = {}
    for role in ("oracle", "block", "item", "replicate"):
        if role not in found:
            raise DamagedError(f"its roles do not say what {role} is; null is expected for none")
        one[role] = None if found[role] is None else _text(found[role], role)
    directions = found.get("directions")
    if not isinstance(directions, Mapping) or set(directions) != set(many["metrics"]):
        raise DamagedError("its directions are not those of its metrics, one for each")
    for name in (*many["metrics"], *many["oracle_repeats"], *filter(None, one.values())):
        if name not in columns:
            raise DamagedError(f"its roles name the column {_shown(name)}, which it does not have")
    repeats = many["oracle_repeats"]
    if repeats and (len(set(repeats)) < 2 or one["oracle"] is None or one["oracle"] in repeats):
        raise DamagedError(
            "its oracle_repeats are not two columns or more beside the column of their mean"
        )
    return SavedRoles(**many, **one, directions=dict(directions))  # type: ignore[arg-type]


def _listed(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise DamagedError(f"{what} is {_shown(value)}, but a list is expected")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise DamagedError(f"{what} is {_shown(value)}, but a text is expected")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise DamagedError(f"{what} holds half of a character (an unpaired surrogate)") from exc
    return value


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _shown(value: object) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    if value is None:
        return "missing"
    try:
        return shorten(printable(repr(value)), 60)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
