"""Read CSV and TSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from metareval.errors import LoadError
from metareval.reading import limits
from metareval.reading.content import Content, refuse_repeats
from metareval.reading.files import read_text, shown
from metareval.reading.limits import check_lines, check_size
from metareval.results import plural

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def read_csv(path: Path, delimiter: str = ",") -> Content:
    """Read comma-separated values under one header line."""
    text = read_text(path, limit=limits.MAX_BYTES)
    check_lines(text, path)
    lines = _Lines(text, delimiter, path)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    records: list[list[str]] = []
    rows: list[str] = []
    blank: int | None = None
    while True:
        line = reader.line_num + 1
        lines.delimiters = 0
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as exc:
            raise LoadError(
                f"{shown(path)}: the record that begins in line {line} cannot be read: "
                f"{_csv_problem(exc)}."
            ) from exc
        if not record:
            blank = line
        elif header is None:
            header = record
            blank = None
            _check_header(header, path, line)
        elif len(record) != len(header):
            raise LoadError(
                f"{shown(path)}: line {line} has {plural(len(record), 'field')}, but the header "
                f"has {len(header)}. Put texts that hold {delimiter!r} in double quotes, and give "
                f"every row a field for each column.{_separator_hint(header, delimiter)}"
            )
        elif blank is not None and len(header) == 1:
            raise LoadError(
                f"{shown(path)}: line {blank} is empty; in a file of one column that may be a "
                "missing value or nothing. Write NaN for a missing value, or delete the line."
            )
        else:
            records.append(record)
            rows.append(f"line {line}")
            check_size(len(records), len(header), path)
    if header is None or not records:
        raise LoadError(f"{shown(path)}: the file has a header, but no rows below it.")
    columns = {n: list(v) for n, v in zip(header, zip(*records, strict=True), strict=True)}
    hint = _separator_hint(header, delimiter)
    return Content(columns, rows, hint, empty_is_missing=True)


def read_tsv(path: Path) -> Content:
    """Read tab-separated values under one header line."""
    return read_csv(path, delimiter="\t")


def _separator_hint(header: list[str], delimiter: str) -> str:
    """Say what else may separate the columns of a file that seems to have one."""
    others = [d for d in (";", "\t", ",") if d != delimiter and d in header[0]]
    if len(header) > 1 or not others:
        return ""
    return (
        f" The header is one name that holds {others[0]!r}: if that separates the columns, "
        "write the file with commas" + (' or pass format="tsv".' if others[0] == "\t" else ".")
    )


class _Lines:
    """The lines of a text, one at a time; refuses a record with far too many fields."""

    def __init__(self, text: str, delimiter: str, path: Path) -> None:
        self._found = _LINE.finditer(text)
        self._delimiter = delimiter
        self._path = path
        self.delimiters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._found).group()
        if not line:
            raise StopIteration
        self.delimiters += line.count(self._delimiter)
        # Quoted texts may hold delimiters, so that only what no table has is refused here.
        if self.delimiters > limits.MAX_CELLS:
            check_size(1, self.delimiters + 1, self._path)
        return line


def _csv_problem(exc: csv.Error) -> str:
    text = str(exc)
    if "unexpected end of data" in text:
        return "a double quote that opens a text is never closed"
    if "field limit" in text:
        return (
            f"a field is longer than {csv.field_size_limit()} characters; perhaps a double quote "
            "is not closed"
        )
    return f"{text} (double quotes inside a quoted text are written twice)"


def _check_header(header: Sequence[str], path: Path, line: int) -> None:
    for position, name in enumerate(header, start=1):
        if not name.strip():
            raise LoadError(
                f"{shown(path)}: column {position} has no name in the header (line {line}). Name "
                "it, or remove it; DataFrame.to_csv writes such a column for the index unless "
                "index=False is passed."
            )
    refuse_repeats(header, path)
