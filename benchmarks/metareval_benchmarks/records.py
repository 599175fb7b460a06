"""Rows of JSON, JSON lines and Parquet files, read one after another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metareval.errors import LoadError, MissingDependencyError
from metareval.reading.files import read_text, shown
from metareval.reading.json_text import RepeatedKey, parse_json

SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
MOST_BYTES = 2 * 2**30
# Rows of a Parquet file in memory at once: each may hold images.
ROWS_AT_ONCE = 16
MOST_SHOWN = 30


@dataclass(frozen=True)
class Record:
    """One row of a file.

    Parameters
    ----------
    where : str
        File and row, for messages.
    values : mapping
        The values by column.
    """

    where: str
    values: Mapping[str, Any]

    def text(self, column: str) -> str:
        """Return a text, or a whole number as text; anything else is an error."""
        return as_text(self.values[column], f"{self.where}: the column {column!r}")


def as_text(value: Any, what: str) -> str:
    """Return a text that is not empty, or a whole number as text.

    Raises
    ------
    LoadError
        It is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        shown_value = repr(value)
        found = shown_value if len(shown_value) <= 60 else f"{shown_value[:57]}..."
        raise LoadError(f"{what} holds {found}; expected a text that is not empty.")
    return value


def read_records(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = (), advice: str = ""
) -> Iterator[Record]:
    """Read the rows of a file, one after another, with the columns asked for.

    Parameters
    ----------
    path : Path
        JSON lines, JSON (a list of objects) or Parquet, by its suffix.
    columns : sequence of str
        Columns that must be there.
    optional : sequence of str
        Columns that may be there; None where they are not.
    advice : str
        What to do where a column is missing: a sentence for the message.

    Yields
    ------
    Record

    Raises
    ------
    LoadError
        The file is missing, damaged, empty, or lacks a column.
    MissingDependencyError
        A Parquet file without pyarrow.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise LoadError(f"{shown(path)}: expected a file that ends in {', '.join(SUFFIXES)}.")
    rows = _parquet_rows if suffix == ".parquet" else _json_rows
    empty = True
    for record in rows(path, columns, optional, advice):
        empty = False
        yield record
    if empty:
        raise LoadError(f"{shown(path)}: no rows. {advice}".rstrip())


def columns_error(
    where: str, found: Iterable[object], expected: Sequence[str], advice: str
) -> LoadError:
    """Build the error for a file whose columns are not those expected.

    Examples
    --------
    >>> print(columns_error("a.jsonl, line 1", ["q"], ["question"], "Rename it."))
    a.jsonl, line 1: no column 'question'. Found columns: q. Expected: question. Rename it.
    """
    names = [str(name)[:60] for name in found]
    missing = ", ".join(repr(name) for name in expected if name not in names)
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    listed = ", ".join(names[:MOST_SHOWN]) or "none"
    return LoadError(
        f"{where}: no column {missing}. Found columns: {listed}{more}. "
        f"Expected: {', '.join(expected)}. {advice}".rstrip()
    )


def _json_rows(
    path: Path, columns: Sequence[str], optional: Sequence[str], advice: str
) -> Iterator[Record]:
    text = read_text(path, limit=MOST_BYTES)
    if path.suffix.lower() == ".json":
        values = _parsed(text, shown(path))
        if not isinstance(values, list):
            raise LoadError(
                f"{shown(path)}: the JSON is {_kind(values)}; expected a list of objects, one for "
                "each row."
            )
        rows = ((f"record {i}", value) for i, value in enumerate(values, start=1))
    else:
        # Not splitlines: JSON texts may hold the other characters that it splits at.
        lines = enumerate(text.split("\n"), start=1)
        rows = (
            (f"line {i}", _parsed(line, f"{shown(path)}, line {i}"))
            for i, line in lines
            if line.strip()
        )
    for row, value in rows:
        where = f"{shown(path)}, {row}"
        if not isinstance(value, dict):
            raise LoadError(f"{where}: {_kind(value)}; expected an object with one key a column.")
        if isinstance(value, RepeatedKey):
            raise LoadError(f"{where}: the key {value.key!r} stands twice.")
        if any(c not in value for c in columns):
            raise columns_error(where, value, columns, advice)
        yield Record(where, {c: value.get(c) for c in (*columns, *optional)})


def _parsed(text: str, where: str) -> Any:
    try:
        value = parse_json(text)
        # Half of a character can be written as an escape, but neither stored nor hashed.
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise LoadError(f"{where}: a text holds half of a character.") from error
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{where}: {error}.") from error
    return value


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "a single value"


def _parquet_rows(
    path: Path, columns: Sequence[str], optional: Sequence[str], advice: str
) -> Iterator[Record]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet files need pyarrow, which is not installed: pip install 'metareval[parquet]'"
        ) from error
    problems = (pyarrow.ArrowException, OSError, ValueError)
    if not path.is_file():
        raise LoadError(f"{shown(path)} is not a file, or does not exist.")
    try:
        with parquet.ParquetFile(path) as source:
            found = source.schema_arrow.names
            if any(c not in found for c in columns):
                raise columns_error(shown(path), found, columns, advice)
            wanted = [c for c in (*columns, *optional) if c in found]
            row = 0
            for batch in source.iter_batches(batch_size=ROWS_AT_ONCE, columns=wanted):
                for values in batch.to_pylist():
                    row += 1
                    lacking = dict.fromkeys(optional)
                    yield Record(f"{shown(path)}, row {row}", {**lacking, **values})
    except LoadError:
        raise
    except problems as error:
        raise LoadError(
            f"{shown(path)}: not a Parquet file that can be read, or damaged "
            f"({' '.join(str(error).split())[:200]}). Download it again."
        ) from error
