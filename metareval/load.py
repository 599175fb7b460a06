"""Read tables from files: CSV, TSV, Parquet, JSON and JSON lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metareval.catalogue import KNOWN_METRICS
from metareval.coerce import as_table
from metareval.columns import looks_numeric, parse_text_column
from metareval.errors import ArgumentError, LoadError, TableError, unknown_name
from metareval.reading import limits
from metareval.reading.content import Content
from metareval.reading.delimited import read_csv, read_tsv
from metareval.reading.files import as_path, read_bytes, shown
from metareval.reading.parquet import read_parquet
from metareval.reading.records import read_json, read_jsonl
from metareval.saved import SavedTable
from metareval.table import MetricTable
from metareval.validation import Role

SUFFIXES: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


# The roles of the columns of the released runs: suggested in messages, never assumed.
RELEASED_ROLES: Mapping[str, str] = {
    "block": "dataset",
    "item": "method",
    "replicate": "seed",
    "oracle": "retrained_distance",
}


def read_table(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    oracle: Role | None = None,
    block: Role | None = None,
    item: Role | None = None,
    replicate: Role | None = None,
    name: str | None = None,
) -> MetricTable:
    """Read a table from a file and give its columns their roles.

    CSV and TSV (UTF-8, or UTF-16 with a byte order mark) have one header line. JSON is a list of
    objects, JSON lines one object a line; a key that an object lacks is a missing value, and
    ``NaN`` and ``Infinity`` are read as such. A column of texts becomes numbers where every text
    is a number or marks a missing value; role columns keep their texts as they are in the file.
    No role is guessed from a column's name.

    A file that :meth:`MetricTable.save` wrote brings its roles, directions and name; what is given
    here takes their place.

    Parameters
    ----------
    path : path
        The file. Its suffix gives the format.
    format : {"csv", "tsv", "parquet", "json", "jsonl"}, optional
        The format, where the suffix does not say it.
    metrics : sequence of str, optional
        Metric columns. By default every numeric column without another role.
    directions : mapping, optional
        ``"higher"`` or ``"lower"`` (is better) for each metric that is not known by name.
    oracle : str or sequence of str, optional
        Column with the distance to the oracle (smaller is closer), or one for each repeat of it.
    block, item, replicate : str or sequence of str, optional
        Role columns; several columns are joined into one.
    name : str, optional
        Name for titles and messages; by default the file's name without its suffix.

    Returns
    -------
    MetricTable

    Raises
    ------
    LoadError
        The file is missing, too large, damaged, of another format or of a later version.
    TableError
        Its content is not a table that can be analysed.
    ArgumentError
        An unknown format, column or metric.
    MissingDependencyError
        A Parquet file without pyarrow.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import metareval as mr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "runs.csv")
    ...     _ = path.write_text("method,seed,FA,distance\\na,1,0.1,0.02\\nb,1,0.3,0.05\\n")
    ...     table = mr.read_table(path, item="method", replicate="seed", oracle="distance")
    >>> table.metrics, table.levels("item")
    (('FA',), ['a', 'b'])
    """
    return read_with_roles(
        path,
        format=format,
        metrics=metrics,
        directions=directions,
        roles={"oracle": oracle, "block": block, "item": item, "replicate": replicate},
        name=name,
        spell=lambda given: ", ".join(f'{role}="{column}"' for role, column in given.items()),
    )


def read_with_roles(
    path: str | os.PathLike[str],
    *,
    format: str | None,
    metrics: Sequence[str] | None,
    directions: Mapping[str, str] | None,
    roles: Mapping[str, Any],
    name: str | None,
    spell: Callable[[Mapping[str, str]], str],
) -> MetricTable:
    """Read a table; ``spell`` writes roles and their columns the way the user would give them."""
    path = as_path(path)
    content = _READERS[_format(path, format)](path)
    if isinstance(content, SavedTable):
        try:
            table = as_table(
                _restored(content, path), metrics=metrics, directions=directions, **roles
            )
        except (TableError, ArgumentError) as exc:
            raise type(exc)(f"{shown(path)}: {exc}") from exc
        return table if name is None else replace(table, name=name)
    labels = {c for role in ("block", "item", "replicate") for c in _listed(roles[role])}
    wanted = {*_listed(metrics), *_listed(directions), *_listed(roles["oracle"])}
    hint = content.hint
    try:
        frame = _frame(content, labels=labels, wanted=wanted, all_metrics=metrics is None)
        if metrics is None:
            hint += _role_hint(frame, known={*labels, *wanted}, roles=roles, spell=spell)
        table = MetricTable.from_frame(
            frame,
            metrics=metrics,
            directions=directions,
            name=path.stem if name is None else name,
            **roles,
        )
    except (TableError, ArgumentError) as exc:
        raise type(exc)(f"{shown(path)}: {exc}{hint}") from exc
    # The index named the lines of the file for messages; it is not part of the table.
    return replace(table, frame=table.frame.reset_index(drop=True))


def _restored(saved: SavedTable, path: Path) -> MetricTable:
    """Validate a saved table like any other; its file is damaged where that fails."""
    roles, frame = saved.roles, saved.frame
    stored = None
    if roles.oracle_repeats:
        stored = frame[roles.oracle]
        frame = frame.drop(columns=[roles.oracle])
    try:
        table = MetricTable.from_frame(
            frame,
            metrics=roles.metrics,
            directions=roles.directions,
            oracle=list(roles.oracle_repeats) or roles.oracle,
            block=roles.block,
            item=roles.item,
            replicate=roles.replicate,
            name=saved.name,
            oracle_shared=roles.oracle_shared,
        )
    except (TableError, ArgumentError) as exc:
        raise LoadError(f"{shown(path)}: the saved table cannot be read: {exc}") from exc
    if stored is None:
        return table
    with np.errstate(over="ignore"):  # a difference beyond all numbers is not close
        close = pd.api.types.is_float_dtype(stored.dtype) and np.allclose(
            stored, table.frame[table.oracle], rtol=1e-9, atol=0.0, equal_nan=True
        )
    if not close:
        raise LoadError(
            f"{shown(path)}: the saved table cannot be read: its oracle column {roles.oracle!r} is "
            f"not the mean of {', '.join(map(repr, roles.oracle_repeats))}."
        )
    whole = table.frame.rename(columns={table.oracle: roles.oracle})
    return replace(table, frame=whole[list(saved.frame.columns)], oracle=roles.oracle)


def _format(path: Path, given: str | None) -> str:
    if given is not None:
        if given not in _READERS:
            raise unknown_name("format", given, _READERS)
        return given
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        # That a file is not there is the plainer message.
        read_bytes(path, limits.MAX_BYTES, head=True)
        what = (
            f"the suffix {suffix!r} names no" if suffix else "the name has no suffix that names a"
        )
        raise LoadError(
            f"{shown(path)}: {what} format that can be read. Known: {', '.join(SUFFIXES)}. "
            f"Convert the file, or say what it is with format=, one of {', '.join(_READERS)}."
        )
    return SUFFIXES[suffix]


def _frame(
    content: Content, *, labels: set[str], wanted: set[str], all_metrics: bool
) -> pd.DataFrame:
    """Build the frame that is validated: labels as they are, columns of number texts as numbers."""
    columns: dict[str, Any] = {}
    count = len(next(iter(content.columns.values()), ()))
    rows = content.rows
    index = pd.RangeIndex(count) if rows is None else pd.Index(rows, dtype=object)
    where = [f"row {i}" for i in range(count)] if rows is None else rows
    for name, values in content.columns.items():
        if isinstance(values, pd.Series):
            columns[name] = values.set_axis(index)
            continue
        parsed = values
        if name in labels:
            if content.empty_is_missing:
                parsed = [v if v.strip() else None for v in values]
        elif all(v is None or isinstance(v, str) for v in values):
            texts = ["" if v is None else v for v in values]
            try:
                parsed = parse_text_column(texts, name=name, where=where)
            except TableError as exc:
                if name in wanted or name in KNOWN_METRICS:
                    raise
                if all_metrics:
                    raise TableError(
                        f"{exc} If the column is not a metric, give it a role or name the metrics."
                    ) from exc
        if isinstance(parsed, list):
            parsed = pd.Series(parsed, index=index, dtype=object)
        columns[name] = parsed
    return pd.DataFrame(columns, index=index)


def _role_hint(
    frame: pd.DataFrame,
    *,
    known: set[str],
    roles: Mapping[str, Any],
    spell: Callable[[Mapping[str, str]], str],
) -> str:
    """Suggest roles where a column of the released layout is left without role or direction."""
    free = {r: c for r, c in RELEASED_ROLES.items() if roles[r] is None and c in frame.columns}
    unclear = [c for c in free.values() if c not in known and looks_numeric(frame[c])]
    if not unclear:
        return ""
    return f" For the layout of the released runs give the roles: {spell(free)}."


def _listed(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Iterable):
        return [v for v in value if isinstance(v, str)]
    return []


_READERS: dict[str, Callable[[Path], Content | SavedTable]] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": read_parquet,
    "json": read_json,
    "jsonl": read_jsonl,
}
