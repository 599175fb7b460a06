"""Read a file that lists checkpoints, each with its labels."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metareval.errors import LoadError
from metareval.reading.files import read_text, shown
from metareval.reading.json_text import parse_json, record_problem
from metareval.results import shorten

CHECKPOINT = "checkpoint"

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_OBJECTS = (".json", ".jsonl", ".ndjson")
_MOST_BYTES = 16 * 2**20

# Where a record stands, for messages, and its values.
_Record = tuple[str, Mapping[str, Any]]


def is_listing(path: str | os.PathLike[str]) -> bool:
    """Say whether a path has a suffix that a list of checkpoints may have."""
    return Path(path).suffix.lower() in (*_SEPARATORS, *_OBJECTS)


def read_listing(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Return the checkpoints that a file lists, with the labels of each.

    Parameters
    ----------
    path : Path
        CSV or TSV with a header, a JSON list of objects, or JSON lines. The column
        ``checkpoint`` names the checkpoints; every other column is a label.

    Raises
    ------
    LoadError
        The file cannot be read, has no column ``checkpoint``, or a value is missing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "runs.csv")
    ...     _ = path.write_text("checkpoint,method\\nruns/ga,GA\\n")
    ...     read_listing(path)
    [('runs/ga', {'method': 'GA'})]
    """
    text = read_text(path, limit=_MOST_BYTES)
    separator = _SEPARATORS.get(path.suffix.lower())
    records = _objects(text, path) if separator is None else _lines(text, separator, path)
    out = []
    for where, record in records:
        if CHECKPOINT not in record:
            raise LoadError(
                f"{shown(path)}: {where} has no {CHECKPOINT!r}; found "
                f"{', '.join(map(_brief, record)) or 'nothing'}. Name the folder or hub id of each "
                f"model under {CHECKPOINT!r}; every other column is a label."
            )
        values = {key: _value(value, key, where, path) for key, value in record.items()}
        out.append((values.pop(CHECKPOINT), values))
    if not out:
        raise LoadError(f"{shown(path)} lists no checkpoint; expected one in each row.")
    return out


def _lines(text: str, separator: str, path: Path) -> Iterator[_Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    try:
        for fields in reader:
            where = f"line {reader.line_num}"
            if not fields:
                continue
            if header is None:
                header = [name.strip() for name in fields]
                if "" in header or len(set(header)) < len(header):
                    raise LoadError(
                        f"{shown(path)}: the header has a column without a name, or a name twice: "
                        f"{', '.join(map(_brief, header))}. Give each column a name of its own."
                    )
            elif len(fields) != len(header):
                raise LoadError(
                    f"{shown(path)}: {where} has {len(fields)} fields, but the header has "
                    f"{len(header)}. Put texts that hold {separator!r} in double quotes."
                )
            else:
                yield where, dict(zip(header, fields, strict=True))
    except csv.Error as exc:
        raise LoadError(
            f"{shown(path)}: line {reader.line_num} cannot be read: {exc}. Check its double quotes."
        ) from exc


def _objects(text: str, path: Path) -> Iterator[_Record]:
    if path.suffix.lower() == ".json":
        whole = _parsed(text, "", path)
        if not isinstance(whole, list):
            raise LoadError(
                f"{shown(path)}: the JSON is a {type(whole).__name__}; expected a list of objects, "
                "one for each checkpoint."
            )
        found = [(f"record {i}", record) for i, record in enumerate(whole, start=1)]
    else:
        found = [
            (f"line {i}", _parsed(line, f"line {i}: ", path))
            # Not splitlines: JSON texts may hold the other characters that it splits at.
            for i, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
    for where, record in found:
        if not isinstance(record, dict):
            raise LoadError(
                f"{shown(path)}: {where} is a {type(record).__name__}; expected an object such as "
                '{"checkpoint": "runs/ga-1", "method": "GA"}.'
            )
        if problem := record_problem(record):
            raise LoadError(f"{shown(path)}: {where}: {problem}.")
        yield where, record


def _parsed(text: str, where: str, path: Path) -> Any:
    try:
        return parse_json(text)
    except ValueError as exc:
        raise LoadError(f"{shown(path)}: {where}{exc}.") from exc


def _value(value: Any, key: str, where: str, path: Path) -> str:
    text = "" if value is None else str(value).strip()
    if not text or not key.strip():
        raise LoadError(
            f"{shown(path)}: {where} has no value under {_brief(key)}. Every row needs one in each "
            "column, and every column a name."
        )
    return text


def _brief(value: object) -> str:
    return shorten(repr(value), 60)
