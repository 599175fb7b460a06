"""Read JSON and JSON lines: records, or a table that was saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metareval.errors import LoadError
from metareval.reading import limits
from metareval.reading.content import Content
from metareval.reading.files import read_text, shown
from metareval.reading.json_text import RepeatedKey, count_values, parse_json, record_problem
from metareval.reading.limits import check_lines, check_size
from metareval.saved import DamagedError, SavedTable, is_saved, parse_saved, saved_size


def read_json(path: Path) -> Content | SavedTable:
    """Read a list of objects, or a table that was saved."""
    text = read_text(path, limit=limits.MAX_BYTES)
    try:
        records = parse_json(text)
    except ValueError as exc:
        more = ""
        if "Extra data" in str(exc):
            more = ' If every line is a record of its own, pass format="jsonl".'
        raise LoadError(f"{shown(path)}: {exc}.{more}") from exc
    if is_saved(records):
        check_size(*saved_size(records), path)
        if key := _repeated_key(records):
            raise LoadError(
                f"{shown(path)}: the saved table cannot be read: the key {key!r} stands twice."
            )
        try:
            return parse_saved(records)
        except DamagedError as exc:
            raise LoadError(f"{shown(path)}: the saved table cannot be read: {exc}.") from exc
    if not isinstance(records, list):
        what = "an object" if isinstance(records, dict) else "a single value"
        raise LoadError(
            f"{shown(path)}: the JSON is {what}, but a list of objects (one for each row) is "
            'expected, as DataFrame.to_json(orient="records") writes it, or a table that '
            "MetricTable.save wrote."
        )
    if not records:
        raise LoadError(f"{shown(path)}: the list is empty; a table with rows is expected.")
    return _records(records, [f"record {i}" for i in range(1, len(records) + 1)], path)


def read_jsonl(path: Path) -> Content:
    """Read an object from every line."""
    records, rows = [], []
    text = read_text(path, limit=limits.MAX_BYTES)
    check_lines(text, path)
    if count_values(text) > limits.MAX_JSON_VALUES:
        raise LoadError(f"{shown(path)}: the JSON holds more than {limits.MAX_JSON_VALUES} values.")
    # Not splitlines: JSON texts may hold the other characters that it splits at.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append(parse_json(line))
        except ValueError as exc:
            raise LoadError(
                f"{shown(path)}: in line {number} of the file: {exc}. JSON lines hold one whole "
                "object in each line."
            ) from exc
        rows.append(f"line {number}")
    return _records(records, rows, path)


def _repeated_key(document: Any) -> str:
    """Return a key that stands twice in a saved table; empty where there is none."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, RepeatedKey):
            return value.key
        inside = value.values() if isinstance(value, dict) else value
        left += [v for v in inside if isinstance(v, (dict, list))]
    return ""


def _records(records: Sequence[Any], rows: list[str], path: Path) -> Content:
    columns: dict[str, None] = {}
    for record, row in zip(records, rows, strict=True):
        if not isinstance(record, dict):
            raise LoadError(
                f"{shown(path)}: {row} is a {type(record).__name__}, but an object with one value "
                "for each column is expected."
            )
        if problem := record_problem(record):
            raise LoadError(f"{shown(path)}: {row}: {problem}. Write one value for each column.")
        columns.update(dict.fromkeys(record))
    check_size(len(records), len(columns), path)
    if unnamed := [c for c in columns if not c.strip()]:
        raise LoadError(f"{shown(path)}: a key is {unnamed[0]!r}; every column needs a name.")
    return Content({c: [r.get(c) for r in records] for c in columns}, rows)
