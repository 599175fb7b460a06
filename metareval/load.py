"""Read tables from files: CSV, TSV, Parquet, JSON and JSON lines."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metareval.catalogue import KNOWN_METRICS
from metareval.coerce import as_table
from metareval.columns import looks_numeric, parse_text_column
from metareval.errors import (
    ArgumentError,
    LoadError,
    MissingDependencyError,
    TableError,
    unknown_name,
)
from metareval.results import plural, printable, shorten
from metareval.saved import (
    MOST_BYTES,
    MOST_CELLS,
    DamagedError,
    SavedTable,
    is_saved,
    parse_saved,
    saved_size,
)
from metareval.table import MetricTable
from metareval.validation import Role

MAX_BYTES = MOST_BYTES
# Small files can stand for huge tables (compressed columns, records without a common key).
MAX_CELLS = MOST_CELLS
# More columns are a table that lies on its side, and pandas is slow with them.
MAX_COLUMNS = 100_000
# An object of JSON takes up to 50 times the memory of its text.
MAX_JSON_VALUES = 40_000_000
# What Parquet columns may take once they are unpacked.
MAX_UNPACKED = 4 * MAX_BYTES
# The longest name of a key, as the csv module has it for a field.
_LONGEST_KEY = 131_072

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")

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


def as_path(path: object) -> Path:
    """Return a path argument as a Path, or say what it should be."""
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(
            f"Expected the path of a file, got {type(path).__name__}. "
            "For a DataFrame use metareval.MetricTable.from_frame."
        )
    plain = os.fspath(path)
    if not isinstance(plain, str) or not plain:
        raise ArgumentError(f"Expected the path of a file as text, got {plain!r}.")
    return Path(plain)


def exists(name: str) -> bool:
    """Say whether a file or folder of this name is there; False where it cannot be looked up."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or behind a folder that may not be entered
        return False


def shown(path: Path) -> str:
    """Write a path for a message on one line."""
    return printable(str(path))


def read_text(path: Path, *, limit: int) -> str:
    """Return the text of a regular file of at most ``limit`` bytes, or raise LoadError."""
    return _decode(_read_bytes(path, limit), path)


def check_size(rows: int, columns: int, path: Path) -> None:
    """Refuse a table of more rows and columns than are read."""
    if columns > MAX_COLUMNS:
        raise LoadError(
            f"{shown(path)}: the table would have {columns} columns; at most {MAX_COLUMNS} are "
            "read. A table has a row for each model and a column for each metric; turn it round if "
            "it lies on its side."
        )
    if rows * columns > MAX_CELLS:
        raise LoadError(
            f"{shown(path)}: the table would have {rows} rows and {columns} columns, more than "
            f"{MAX_CELLS} cells. Keep only the rows and columns that the analysis needs."
        )


def parse_json(text: str) -> Any:
    """Parse JSON; raise ValueError with a message for the user.

    Objects that hold a key twice come back as :class:`RepeatedKey`, so that the caller can say
    which record it is. A number that a float cannot hold is refused, where the json module makes
    it infinite.
    """
    if _count_values(text) > MAX_JSON_VALUES:
        raise ValueError(f"the JSON holds more than {MAX_JSON_VALUES} values")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_float)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno} column {exc.colno}"
        if exc.pos >= len(text.rstrip()) or exc.msg.startswith("Unterminated string"):
            raise ValueError(f"the JSON is cut off: it ends at {where} ({exc.msg})") from exc
        raise ValueError(f"not valid JSON at {where}: {exc.msg}") from exc
    except RecursionError as exc:
        raise ValueError("the JSON is nested too deeply to be read") from exc
    except _TooLargeError as exc:
        line = text.count("\n", 0, text.find(exc.text)) + 1
        raise ValueError(
            f"line {line} of the JSON holds {shorten(exc.text, 40)}, which is too large for a "
            "floating-point number. Rescale it, or write Infinity"
        ) from exc
    except ValueError as exc:  # an integer of thousands of digits
        raise ValueError(f"the JSON holds a number that cannot be read ({exc})") from exc


class RepeatedKey(dict[str, Any]):
    """A JSON object in which a key stands twice."""

    key: str


def record_problem(record: Mapping[str, Any], *, only: Iterable[str] | None = None) -> str | None:
    """Say why a JSON object cannot be one row of a table; None where it can.

    ``only`` restricts the look at values to some keys.
    """
    if isinstance(record, RepeatedKey):
        return f"key {record.key!r} stands twice"
    keep = None if only is None else set(only)
    for key, value in record.items():
        if len(key) > _LONGEST_KEY:
            return f"a key has {len(key)} characters; at most {_LONGEST_KEY} are read"
        if not _encodable(key):
            return f"key {key!r} holds half of a character (an unpaired surrogate)"
        if keep is not None and key not in keep:
            continue
        if isinstance(value, (list, dict)):
            what = "a list" if isinstance(value, list) else "an object"
            return f"key {key!r} holds {what} where one value is expected"
        if isinstance(value, str) and not _encodable(value):
            return f"key {key!r} holds half of a character (an unpaired surrogate)"
    return None


@dataclass(frozen=True)
class _Content:
    """Columns of a file (lists of values, or Series), how to name its rows, a hint for errors."""

    columns: dict[str, Any]
    rows: list[str] | None
    hint: str = ""
    empty_is_missing: bool = False


def _format(path: Path, given: str | None) -> str:
    if given is not None:
        if given not in _READERS:
            raise unknown_name("format", given, _READERS)
        return given
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        _read_bytes(path, MAX_BYTES, head=True)  # a file that is not there is the plainer message
        what = (
            f"the suffix {suffix!r} names no" if suffix else "the name has no suffix that names a"
        )
        raise LoadError(
            f"{shown(path)}: {what} format that can be read. Known: {', '.join(SUFFIXES)}. "
            f"Convert the file, or say what it is with format=, one of {', '.join(_READERS)}."
        )
    return SUFFIXES[suffix]


def _read_bytes(path: Path, limit: int, *, head: bool = False) -> bytes:
    try:
        # Looked at before it is opened, since opening a pipe waits for a writer.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise LoadError(
                f"{shown(path)} is a folder, not a file. metareval.import_runs reads a folder of "
                "result files, one for each run."
            )
        if not stat.S_ISREG(mode):
            raise LoadError(f"{shown(path)} is not a regular file; save the data to a file first.")
        with path.open("rb") as stream:
            before = os.fstat(stream.fileno())
            if before.st_size > limit:
                raise LoadError(
                    f"{shown(path)} has {before.st_size} bytes; files over {limit} bytes are not "
                    "read. Keep only the rows and columns that the analysis needs."
                )
            if head:
                return b""
            data = stream.read(before.st_size + 1)
            after = os.fstat(stream.fileno())
    except FileNotFoundError as exc:
        raise LoadError(f"{shown(path)}: there is no such file. Check the path.") from exc
    except (OSError, ValueError) as exc:
        if isinstance(exc, LoadError):
            raise
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise LoadError(f"{shown(path)}: the file cannot be read: {reason}.") from exc
    # A part of a table can look like a whole one.
    if (len(data), after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise LoadError(
            f"{shown(path)} changed while it was read: it had {before.st_size} bytes, and "
            f"{len(data)} were read. Read it again when it is complete."
        )
    return data


def _decode(data: bytes, path: Path) -> str:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise LoadError(f"{shown(path)}: the text is UTF-32. Save it as UTF-8.")
    encoding = "utf-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode(encoding, errors="replace")
        found = f"byte 0x{data[exc.start]:02X}" if exc.start < len(data) else "an odd length"
        raise LoadError(
            f"{shown(path)}: line {before.count(chr(10)) + 1} is not {encoding.upper()} text "
            f"({found}). Save the file as UTF-8."
        ) from exc
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise LoadError(
            f"{shown(path)}: line {line} holds a NUL character, so this is not a text file, or it "
            "is damaged or UTF-16 without a byte order mark. Save it as UTF-8."
        )
    if not text.strip():
        raise LoadError(f"{shown(path)}: the file is empty; a table with rows is expected.")
    return text


def _read_csv(path: Path, delimiter: str = ",") -> _Content:
    text = read_text(path, limit=MAX_BYTES)
    _check_lines(text, path)
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
    return _Content(columns, rows, hint, empty_is_missing=True)


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
        if self.delimiters > MAX_CELLS:
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
    _refuse_repeats(header, path)


def _refuse_repeats(names: Sequence[str], path: Path) -> None:
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name in seen:
            raise LoadError(
                f"{shown(path)}: columns {seen[name]} and {position} are both named {name!r}; "
                "rename or remove one of them."
            )
        seen[name] = position


def _read_tsv(path: Path) -> _Content:
    return _read_csv(path, delimiter="\t")


def _read_json(path: Path) -> _Content | SavedTable:
    text = read_text(path, limit=MAX_BYTES)
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


def _read_jsonl(path: Path) -> _Content:
    records, rows = [], []
    text = read_text(path, limit=MAX_BYTES)
    _check_lines(text, path)
    if _count_values(text) > MAX_JSON_VALUES:
        raise LoadError(f"{shown(path)}: the JSON holds more than {MAX_JSON_VALUES} values.")
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


def _records(records: Sequence[Any], rows: list[str], path: Path) -> _Content:
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
    return _Content({c: [r.get(c) for r in records] for c in columns}, rows)


def _read_parquet(path: Path) -> _Content:
    data = _read_bytes(path, MAX_BYTES)
    if not data:
        raise LoadError(f"{shown(path)}: the file is empty; a table with rows is expected.")
    pyarrow, parquet = _import_pyarrow()
    try:
        return _Content(_parquet_columns(data, path, pyarrow.types, parquet), None)
    except LoadError:
        raise
    # A damaged file comes out as errors of many kinds, of pyarrow, pandas and Python.
    except Exception as exc:
        raise LoadError(
            f"{shown(path)}: not a Parquet file that can be read, or damaged ({exc})."
        ) from exc


def _parquet_columns(data: bytes, path: Path, types: Any, parquet: Any) -> dict[str, Any]:
    source = parquet.ParquetFile(io.BytesIO(data))
    described = source.metadata
    check_size(described.num_rows, described.num_columns, path)
    groups = [described.row_group(i) for i in range(described.num_row_groups)]
    unpacked = sum(
        g.column(i).total_uncompressed_size for g in groups for i in range(g.num_columns)
    )
    if unpacked > MAX_UNPACKED:
        raise LoadError(
            f"{shown(path)}: its columns unpack to {unpacked} bytes; at most {MAX_UNPACKED} are "
            "read. Keep only the rows and columns that the analysis needs."
        )
    schema = source.schema_arrow
    names = [str(n) for n in schema.names]
    _refuse_repeats(names, path)
    texts = []
    for name, kind in zip(names, schema.types, strict=True):
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
            raise LoadError(
                f"{shown(path)}: column {name!r} holds {kind}; numbers or text are expected. "
                "Convert the column or leave it out of the file."
            )
        if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
            texts.append(name)
    if described.num_rows == 0:
        raise LoadError(f"{shown(path)}: the file has columns, but no rows.")
    # A text that stands in many rows is stored once, and is kept once in memory too.
    source = parquet.ParquetFile(io.BytesIO(data), read_dictionary=texts)
    table = source.read()
    columns: dict[str, Any] = {}
    for position, name in enumerate(names):
        # pandas stores an unnamed row index under such a name; it is not data.
        if name.startswith("__index_level_") and name.endswith("__"):
            continue
        column = table.column(position)
        columns[name] = _texts(column, types) if name in texts else column.to_pandas()
    return columns


def _texts(column: Any, types: Any) -> list[str | None]:
    """Return a column of texts as a list in which equal texts are one object."""
    out: list[str | None] = []
    for chunk in column.chunks:
        if not types.is_dictionary(chunk.type):
            chunk = chunk.dictionary_encode()
        texts = chunk.dictionary.to_pylist()
        out += [None if i is None else texts[i] for i in chunk.indices.to_pylist()]
    return out


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as exc:
        if (exc.name or "").split(".")[0] != "pyarrow":
            raise MissingDependencyError(f"pyarrow is installed but does not work: {exc}.") from exc
        raise MissingDependencyError(
            "Parquet files need pyarrow, which is not installed: pip install 'metareval[parquet]'"
        ) from exc
    except ImportError as exc:
        raise MissingDependencyError(
            f"pyarrow is installed but does not work ({exc}). Install it again: "
            "pip install --force-reinstall 'metareval[parquet]'"
        ) from exc
    return pyarrow, pyarrow.parquet


def _frame(
    content: _Content, *, labels: set[str], wanted: set[str], all_metrics: bool
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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) == len(pairs):
        return record
    seen: set[str] = set()
    marked = RepeatedKey(record)
    marked.key = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
    return marked


class _TooLargeError(ValueError):
    """A number of JSON that a float cannot hold."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _count_values(text: str) -> int:
    """Return a bound on the values that a JSON text holds, an object as three, without parsing."""
    return text.count(",") + 3 * text.count("{") + text.count("[")


def _check_lines(text: str, path: Path) -> None:
    lines = text.count("\n") + text.count("\r")
    if lines > 2 * MAX_CELLS:
        raise LoadError(
            f"{shown(path)} has {lines} lines; at most {2 * MAX_CELLS} are read. Keep only the "
            "rows that the analysis needs."
        )


def _float(text: str) -> float:
    value = float(text)
    if np.isinf(value):
        raise _TooLargeError(text)
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_READERS: dict[str, Callable[[Path], _Content | SavedTable]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "parquet": _read_parquet,
    "json": _read_json,
    "jsonl": _read_jsonl,
}
