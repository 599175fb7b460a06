"""Entries: rows that others hand in as a JSON file, checked and added to a table."""

from __future__ import annotations

import math
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metareval.auditing.wording import names
from metareval.errors import ArgumentError, LoadError, MetarevalError, TableError
from metareval.questions.transforms import apply_transforms, choose_transforms
from metareval.reading.files import as_path, read_text, shown
from metareval.reading.json_text import RepeatedKey, parse_json, record_problem
from metareval.results import TEXT_WIDTH, Result, printable, shorten
from metareval.table import MetricTable

FORMAT = "metareval entry"
VERSION = 1
MOST_BYTES = 1_000_000
MOST_ROWS = 10_000
LONGEST_TEXT = 2000

_REQUIRED = ("format", "version", "table", "item", "rows")
# What an entry may say about itself, with the longest text of each.
ABOUT = {"submitter": 200, "url": 500, "note": LONGEST_TEXT}
_URL = re.compile(r"https://[^\s\"'<>\\^`{|}]+")


@dataclass(frozen=True)
class Entry:
    """One submission: an item with its metrics.

    Parameters
    ----------
    path : Path
    table : str
        Name of the table that it joins.
    item : str
    rows : tuple of (block, replicate, values)
        Empty texts where the entry names no block or replicate.
    about : dict of str
        ``submitter``, ``url`` and ``note``, where given.
    """

    path: Path
    table: str
    item: str
    rows: tuple[tuple[str, str, Mapping[str, float]], ...]
    about: Mapping[str, str]


@dataclass(frozen=True, eq=False, repr=False)
class EntryCheck(Result):
    """What was found about some entries; see :func:`check_entries`.

    Parameters
    ----------
    frame : DataFrame
        One row for each file: ``item``, ``table``, ``rows``, ``problem`` (empty for a sound entry)
        and ``note``.
    """

    frame: pd.DataFrame

    @property
    def sound(self) -> bool:
        """Whether every entry can be merged."""
        return bool((self.frame["problem"] == "").all())

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each file."""
        return self.frame.copy()

    def text(self) -> str:
        """Return what was found about each file, problems in full."""
        lines = [self.headline()]
        for file, row in self.frame.iterrows():
            state = "cannot be merged" if row["problem"] else "sound"
            lines.append(f"\n{file}: {state}")
            for text in filter(None, (row["problem"], row["note"])):
                lines += textwrap.wrap(
                    printable(str(text)),
                    TEXT_WIDTH,
                    initial_indent="  ",
                    subsequent_indent="  ",
                    break_on_hyphens=False,
                )
        return "\n".join(lines)

    def headline(self) -> str:
        """Return one line that counts the sound entries."""
        good = int((self.frame["problem"] == "").sum())
        return f"{good} of {len(self.frame)} entries can be merged"


def read_entry(path: str | os.PathLike[str]) -> Entry:
    """Read an entry from a JSON file.

    Parameters
    ----------
    path : path

    Returns
    -------
    Entry

    Raises
    ------
    LoadError
        The file is missing, too large, or not an entry; the message names the key.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> text = {
    ...     "format": "metareval entry", "version": 1, "table": "scores", "item": "mine",
    ...     "rows": [{"block": "faces", "replicate": "1", "values": {"FA": 0.2}}],
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.json")
    ...     _ = path.write_text(json.dumps(text))
    ...     read_entry(path).item
    'mine'
    """
    path = as_path(path)
    try:
        document = parse_json(read_text(path, limit=MOST_BYTES))
        return _entry(document, path)
    except LoadError:
        raise
    except ValueError as exc:
        raise LoadError(f"{shown(path)}: {exc}") from exc


def read_entries(folder: str | os.PathLike[str]) -> list[Entry]:
    """Read every ``*.json`` file of a folder, in the order of their names.

    Raises
    ------
    LoadError
        There is no such folder, it holds no entry, or a file is not one.
    """
    place = as_path(folder)
    if not place.is_dir():
        raise LoadError(f"{shown(place)} is not a folder; name the folder that holds the entries.")
    files = sorted(p for p in place.iterdir() if p.suffix.lower() == ".json")
    if not files:
        raise LoadError(f"{shown(place)} holds no .json file; an entry is one.")
    return [read_entry(path) for path in files]


def check_entries(
    paths: Sequence[str | os.PathLike[str]],
    tables: Sequence[MetricTable] = (),
    *,
    transforms: Mapping[str, str] | None = None,
) -> EntryCheck:
    """Check entries, alone or against the tables that they would join.

    Parameters
    ----------
    paths : sequence of path
    tables : sequence of MetricTable
        Without any, only the form of the files is checked.
    transforms : mapping, optional
        Of metrics outside [0, 1].

    Returns
    -------
    EntryCheck
    """
    if not paths:
        raise ArgumentError("Name at least one entry to check.")
    records = []
    taken: dict[tuple[str, str], Path] = {}
    for path in paths:
        record = {"item": "", "table": "", "rows": 0, "problem": "", "note": ""}
        try:
            entry = read_entry(path)
            record |= {"item": entry.item, "table": entry.table, "rows": len(entry.rows)}
            _refuse_second(entry, taken)
            if tables:
                table = _home(entry, tables)
                _joined(table, entry, transforms)
                record["note"] = _note(table, entry)
        except MetarevalError as error:
            record["problem"] = str(error)
        records.append(record)
    index = pd.Index([printable(str(p)) for p in paths], name="file")
    return EntryCheck(pd.DataFrame(records, index=index))


def merge_entries(
    tables: Sequence[MetricTable],
    entries: Sequence[Entry],
    *,
    transforms: Mapping[str, str] | None = None,
) -> list[tuple[MetricTable, dict[str, Mapping[str, str]]]]:
    """Add entries to the tables that they name.

    Returns
    -------
    list of (MetricTable, dict)
        Each table with its entries, and what each entry says about itself by its item.

    Raises
    ------
    LoadError
        An entry that fits no table; the message names its file.
    """
    taken: dict[tuple[str, str], Path] = {}
    joined: dict[str, list[pd.DataFrame]] = {t.name: [] for t in tables}
    about: dict[str, dict[str, Mapping[str, str]]] = {t.name: {} for t in tables}
    for entry in entries:
        _refuse_second(entry, taken)
        table = _home(entry, tables)
        joined[table.name].append(_joined(table, entry, transforms))
        about[table.name][entry.item] = entry.about
    out = []
    for table in tables:
        parts = joined[table.name]
        frame = pd.concat([table.frame, *parts], ignore_index=True) if parts else table.frame
        out.append((replace(table, frame=frame), about[table.name]))
    return out


def _entry(document: Any, path: Path) -> Entry:
    if not isinstance(document, dict):
        raise ValueError(f"an object is expected, but the JSON is {_kind(document)}")
    if isinstance(document, RepeatedKey):
        raise ValueError(f"the key {document.key!r} stands twice")
    if document.get("format") != FORMAT:
        raise ValueError(
            f"'format' is {_brief(document.get('format'))}, but {FORMAT!r} is expected"
        )
    version = document.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise ValueError(
            f"'version' is {_brief(version)}, but this metareval reads version {VERSION}"
        )
    _keys(document, _REQUIRED, tuple(ABOUT), "the entry")
    about = {}
    for key, longest in ABOUT.items():
        if key in document:
            about[key] = _text(document[key], key, longest)
    if "url" in about and not _URL.fullmatch(about["url"]):
        raise ValueError(f"'url' is {_brief(about['url'])}, but an https address is expected")
    rows = document["rows"]
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"'rows' is {_kind(rows)}, but a list of at least one row is expected")
    if len(rows) > MOST_ROWS:
        raise ValueError(f"'rows' holds {len(rows)} rows; at most {MOST_ROWS} are taken")
    return Entry(
        path=path,
        table=_text(document["table"], "table", LONGEST_TEXT),
        item=_text(document["item"], "item", LONGEST_TEXT),
        rows=tuple(_row(row, number) for number, row in enumerate(rows, start=1)),
        about=about,
    )


def _row(row: Any, number: int) -> tuple[str, str, Mapping[str, float]]:
    what = f"row {number}"
    if not isinstance(row, dict):
        raise ValueError(f"{what} is {_kind(row)}, but an object is expected")
    if isinstance(row, RepeatedKey):
        raise ValueError(f"{what}: the key {row.key!r} stands twice")
    _keys(row, ("values",), ("block", "replicate"), what)
    labels = {}
    for key in ("block", "replicate"):
        value = row.get(key, "")
        # Seeds are often written as numbers.
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        labels[key] = _text(value, f"{key} of {what}", LONGEST_TEXT) if key in row else ""
    values = row["values"]
    if not isinstance(values, dict) or not values:
        raise ValueError(f"'values' of {what} is {_kind(values)}, but metrics are expected")
    if problem := record_problem(values):
        raise ValueError(f"{what}: {problem}")
    numbers = {}
    for metric, value in values.items():
        if value is None:
            numbers[metric] = math.nan
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(
                f"{metric!r} of {what} is {_brief(value)}, but a number is expected, or null for "
                "a missing value"
            )
        try:
            numbers[metric] = float(value)
        except OverflowError:
            numbers[metric] = math.inf
        if not math.isfinite(numbers[metric]):
            raise ValueError(f"{metric!r} of {what} is not finite; write null for a missing value")
    return labels["block"], labels["replicate"], numbers


def _keys(
    found: Mapping[str, Any], needed: Sequence[str], allowed: Sequence[str], what: str
) -> None:
    lacking = [k for k in needed if k not in found]
    if lacking:
        raise ValueError(f"{what} lacks {names(lacking)}; it needs {names(needed)}")
    unknown = [k for k in found if k not in needed and k not in allowed]
    if unknown:
        raise ValueError(
            f"{what} has the unknown key {_brief(unknown[0])}; "
            f"known are {names([*needed, *allowed], limit=20)}"
        )


def _text(value: Any, key: str, longest: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key!r} is {_brief(value)}, but a text is expected")
    if len(value) > longest:
        raise ValueError(f"{key!r} has {len(value)} characters; at most {longest} are taken")
    if problem := record_problem({key: value}):
        raise ValueError(problem)
    return value


def _refuse_second(entry: Entry, taken: dict[tuple[str, str], Path]) -> None:
    key = (entry.table, entry.item)
    if key in taken:
        raise LoadError(
            f"{shown(entry.path)}: the item {_brief(entry.item)} is entered by "
            f"{shown(taken[key])} too. Give each entry an item of its own."
        )
    taken[key] = entry.path


def _home(entry: Entry, tables: Sequence[MetricTable]) -> MetricTable:
    for table in tables:
        if table.name == entry.table:
            return table
    raise LoadError(
        f"{shown(entry.path)}: the entry is for the table {_brief(entry.table)}, which is not on "
        f"the leaderboard. Its tables are {names([t.name for t in tables], limit=20)}."
    )


def _joined(table: MetricTable, entry: Entry, transforms: Mapping[str, str] | None) -> pd.DataFrame:
    """Return the rows of an entry as rows of the table's frame."""
    where = shown(entry.path)
    if table.item is None:
        raise LoadError(
            f"{where}: the table {_brief(table.name)} names no items, so nothing can be entered. "
            "Give the table an item column."
        )
    if entry.item in table.levels("item"):
        raise LoadError(
            f"{where}: the item {_brief(entry.item)} is in the table already. An entry adds an "
            "item; choose another name, or change the table."
        )
    blocks = set(table.levels("block"))
    seen = set()
    records = []
    for number, (block, replicate, values) in enumerate(entry.rows, start=1):
        what = f"{where}: row {number}"
        for role, given, column in (
            ("block", block, table.block),
            ("replicate", replicate, table.replicate),
        ):
            if column is None and given:
                raise LoadError(f"{what} has a {role}, but the table has none. Leave it out.")
            if column is not None and not given:
                raise LoadError(f"{what} has no {role}, but the table has; add {role!r}.")
        if table.block is not None and block not in blocks:
            raise LoadError(
                f"{what} has the block {_brief(block)}, which the table does not have: "
                f"{names(sorted(blocks), limit=20)}."
            )
        if (block, replicate) in seen and table.replicate is not None:
            raise LoadError(f"{what} repeats an earlier row's block and replicate.")
        seen.add((block, replicate))
        unknown = [m for m in values if m not in table.metrics]
        lacking = [m for m in table.metrics if m not in values]
        if unknown or lacking:
            problem = f"lacks {names(lacking)}" if lacking else f"has {names(unknown)}"
            raise LoadError(
                f"{what} {problem}; the table's metrics are {names(table.metrics, limit=40)}. "
                "Write null for a value that was not measured."
            )
        labels = {table.block: block, table.item: entry.item, table.replicate: replicate}
        records.append({**{c: v for c, v in labels.items() if c is not None}, **values})
    frame = pd.DataFrame(records).reindex(columns=table.frame.columns)
    numbers = frame[list(table.metrics)].astype(np.float64)
    frame[list(table.metrics)] = numbers
    try:
        own = {m: t for m, t in (transforms or {}).items() if m in table.metrics}
        apply_transforms(numbers.to_numpy(), table.metrics, choose_transforms(table, own))
    except TableError as error:
        raise LoadError(f"{where}: {error}") from error
    return frame


def _note(table: MetricTable, entry: Entry) -> str:
    parts = []
    absent = [b for b in table.levels("block") if b not in {b for b, _, _ in entry.rows}]
    if table.block is not None and absent:
        parts.append(f"no rows in {names(absent)}, so it has no score over all blocks")
    holes = [m for m in table.metrics if any(math.isnan(v[m]) for _, _, v in entry.rows)]
    if holes:
        parts.append(f"{names(holes)} missing, so scores that weigh it are undefined")
    return "; ".join(parts)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    return "missing" if value is None else _brief(value)


def _brief(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _kind(value)
    if value is None:
        return "missing"
    try:
        return shorten(printable(repr(value)), 60)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
