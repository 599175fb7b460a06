"""Read a folder that holds one JSON file for each evaluated run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from metareval.catalogue import KNOWN_METRICS
from metareval.errors import ArgumentError, LoadError, TableError
from metareval.reading.files import as_path, read_text, shown
from metareval.reading.json_text import parse_json, record_problem
from metareval.reading.limits import check_size
from metareval.results import Result, frame_text, plain, shorten
from metareval.table import MetricTable
from metareval.validation import Role, name_list

MAX_RUN_BYTES = 16 * 1024**2
_REASONS_SHOWN = 5
_SKIPPED_SHOWN = 20


@dataclass(frozen=True, eq=False, repr=False)
class ImportedRuns(Result):
    """The table read from a folder of runs, and what became of every file.

    Parameters
    ----------
    table : MetricTable
        One row for each file that was used, in the order of ``used``.
    used : tuple of str
        Names of the files that gave a row, relative to the folder.
    skipped : DataFrame
        Columns ``file`` and ``reason``: the files that gave none.
    """

    table: MetricTable
    used: tuple[str, ...]
    skipped: pd.DataFrame

    def headline(self) -> str:
        """Return one line with the counts of files used and skipped."""
        return (
            f"ImportedRuns {self.table.name!r}: {len(self.used)} files used, "
            f"{len(self.skipped)} skipped"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each file: whether it was used, and why not."""
        rows = [(f, True, "") for f in self.used]
        rows += [(f, False, r) for f, r in self.skipped.itertuples(index=False)]
        frame = pd.DataFrame(sorted(rows), columns=["file", "used", "reason"])
        return frame.set_index("file")

    def to_dict(self) -> dict[str, Any]:
        """Return the table's description, the files used, and the files skipped with reasons."""
        return {
            "table": self.table.to_dict(),
            "used": list(self.used),
            "skipped": [plain(r) for r in self.skipped.to_dict(orient="records")],
        }

    def __repr__(self) -> str:
        lines = [self.headline(), repr(self.table)]
        if len(self.skipped):
            first = self.skipped.head(_SKIPPED_SHOWN).set_index("file")
            lines += ["Skipped:", frame_text(first)]
        if len(self.skipped) > _SKIPPED_SHOWN:
            lines.append(f"... {len(self.skipped) - _SKIPPED_SHOWN} more in .skipped")
        return "\n".join(lines)


def import_runs(
    folder: str | os.PathLike[str],
    *,
    pattern: str = "*.json",
    metrics: Sequence[str] | None = None,
    directions: Mapping[str, str] | None = None,
    oracle: str | None = "retrained_distance",
    block: Role | None = "dataset",
    item: Role | None = "method",
    replicate: Role | None = "seed",
    fill: Mapping[str, str] | None = None,
    name: str | None = None,
) -> ImportedRuns:
    """Read a folder of result files, one JSON object for each run.

    Every file that gives no row is named with the reason; nothing is left out silently. A metric
    that a file lacks, or holds as ``null`` or ``NaN``, is a missing value. Keys with text are
    kept as columns.

    Parameters
    ----------
    folder : path
        The folder; files are visited in sorted order.
    pattern : str
        Which files to look at, relative to the folder.
    metrics : sequence of str, optional
        Keys of the metrics. By default every key that holds a number and has no other role.
    directions : mapping, optional
        ``"higher"`` or ``"lower"`` (is better) for each metric that is not known by name.
    oracle : str or None
        Key of the distance to the oracle; None for a table without one.
    block, item, replicate : str, sequence of str or None
        Keys of the role columns; several are joined into one. A file must hold all of them.
    fill : mapping, optional
        Labels for role keys that a file lacks, for example ``{"model": "llava"}``.
    name : str, optional
        Name for titles and messages; by default the folder's name.

    Returns
    -------
    ImportedRuns

    Raises
    ------
    LoadError
        The folder cannot be read, no file is a run, two files give the same run with different
        values, or no file holds the oracle.
    ArgumentError
        A pattern that leaves the folder, or a ``fill`` for a key that is not a role.
    TableError
        The runs together are not a table that can be analysed.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> import metareval as mr
    >>> run = {"dataset": "d", "method": "a", "seed": 1, "FA": 0.1, "retrained_distance": 0.2}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "eval_a.json").write_text(json.dumps(run))
    ...     _ = Path(folder, "summary.json").write_text("[]")
    ...     runs = mr.import_runs(folder)
    >>> runs.used, list(runs.skipped["reason"])
    (('eval_a.json',), ['not an object (a run) but a list'])
    """
    root = as_path(folder)
    layout = _Layout(
        roles={
            "block": _keys(block, "block"),
            "item": _keys(item, "item"),
            "replicate": _keys(replicate, "replicate"),
        },
        metrics=None if metrics is None else tuple(name_list(metrics, "metrics")),
        directions=tuple(directions or ()),
        oracle=oracle,
        fill=_labels(fill),
    )
    for key in layout.fill:
        if key not in layout.labels:
            raise ArgumentError(
                f"fill= names {key!r}, which is not a role key ({_list(layout.labels) or 'none'}): "
                "only labels can be filled in, never values."
            )
    records: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    keys: set[str] = set()
    for file, path in _files(root, pattern):
        try:
            records[file] = _run(path, root, layout)
        except _Unusable as exc:
            skipped[file] = str(exc)
        else:
            keys.update(records[file])
            check_size(len(records), len(keys), root)
    _skip_mixed(records, skipped, layout)
    _skip_duplicates(records, skipped, layout, root)
    if not records:
        raise LoadError(_no_runs(root, pattern, skipped))
    if oracle is not None and not any(oracle in r for r in records.values()):
        raise LoadError(
            f"{shown(root)}: none of the {len(records)} runs holds the oracle's key {oracle!r}. "
            "Name the key of the distances with oracle=, or pass oracle=None for a table without."
        )
    try:
        table = _table(
            records,
            layout,
            directions=directions,
            roles={"block": block, "item": item, "replicate": replicate},
            name=(root.resolve().name or "runs") if name is None else name,
        )
    except (TableError, ArgumentError) as exc:
        raise type(exc)(f"{shown(root)}: {exc}") from exc
    return ImportedRuns(
        table=table,
        used=tuple(records),
        skipped=pd.DataFrame(
            sorted(skipped.items()), columns=["file", "reason"], dtype=object
        ).reset_index(drop=True),
    )


class _Unusable(Exception):
    """Why one file gives no row."""


def _files(root: Path, pattern: str) -> list[tuple[str, Path]]:
    if not isinstance(pattern, str):
        raise ArgumentError(f"pattern={pattern!r}: expected a text such as '*.json'.")
    if (
        not PurePath(pattern).parts
        or PurePath(pattern).is_absolute()
        or ".." in PurePath(pattern).parts
    ):
        raise ArgumentError(
            f"pattern={pattern!r} does not stay in the folder; give one such as '*.json'."
        )
    try:
        if not root.is_dir():
            what = "is a file, not a folder" if root.exists() else "there is no such folder"
            raise LoadError(f"{shown(root)}: {what}. metareval.read_table reads a single file.")
        found = [p for p in root.glob(pattern) if p.is_symlink() or not p.is_dir()]
    except (NotImplementedError, OSError, ValueError) as exc:
        if isinstance(exc, LoadError):
            raise
        raise LoadError(f"{shown(root)}: the folder cannot be read: {exc}.") from exc
    return sorted((p.relative_to(root).as_posix(), p) for p in found)


@dataclass(frozen=True)
class _Layout:
    """Which keys of a run hold what."""

    roles: Mapping[str, tuple[str, ...]]
    metrics: tuple[str, ...] | None
    directions: tuple[str, ...]
    oracle: str | None
    fill: Mapping[str, str]

    @property
    def labels(self) -> list[str]:
        return [key for keys in self.roles.values() for key in keys]

    @property
    def numbers(self) -> set[str]:
        """Keys that must hold numbers wherever they stand."""
        known = KNOWN_METRICS if self.metrics is None else self.metrics
        return {*known, *self.directions, *([self.oracle] if self.oracle else [])} - {*self.labels}

    def is_metric(self, key: str, value: Any) -> bool:
        if key in self.labels or key == self.oracle:
            return False
        if self.metrics is not None:
            return key in self.metrics
        return key in self.numbers or isinstance(value, float)


def _run(path: Path, root: Path, layout: _Layout) -> dict[str, Any]:
    """Return one run, labels as text and numbers as floats, or raise _Unusable."""
    try:
        inside = path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError) as exc:
        gone = "a link that leads nowhere" if path.is_symlink() else "gone since it was listed"
        raise _Unusable(gone) from exc
    if not inside:
        raise _Unusable("a link that leaves the folder")
    try:
        record = parse_json(read_text(path, limit=MAX_RUN_BYTES))
    except LoadError as exc:
        raise _Unusable(str(exc).removeprefix(shown(path)).lstrip(": ").rstrip(".")) from exc
    except ValueError as exc:
        raise _Unusable(str(exc)) from exc
    if not isinstance(record, dict):
        what = "a list" if isinstance(record, list) else "a single value"
        raise _Unusable(f"not an object (a run) but {what}")
    labels, numbers = layout.labels, layout.numbers
    if missing := [k for k in labels if k not in record and k not in layout.fill]:
        raise _Unusable(f"not a run: it has no key {_list(missing)}")
    # With the metrics named, whatever else a file holds does not matter.
    only = None if layout.metrics is None else {*labels, *numbers}
    if problem := record_problem(record, only=only):
        more = "; name the metrics to leave it aside" if "one value is expected" in problem else ""
        raise _Unusable(problem + more)
    run: dict[str, Any] = {k: v for k, v in layout.fill.items() if k not in record}
    for key, value in record.items():
        if key in labels:
            run[key] = _label(key, value)
        elif isinstance(value, str) and key in numbers:
            raise _Unusable(f"key {key!r} holds the text {_short(value)} where a number is needed")
        elif isinstance(value, (int, float)):
            try:
                run[key] = float(value)
            except OverflowError as exc:
                raise _Unusable(f"key {key!r} holds a number too large for a float") from exc
        elif not isinstance(value, (list, dict)):
            run[key] = math.nan if value is None and key in numbers else value
    if not any(layout.is_metric(k, v) for k, v in run.items()):
        named = "no number beside its roles" if only is None else f"no {_list(layout.metrics)}"
        raise _Unusable(f"not a run: it holds no metric ({named})")
    return run


def _label(key: str, value: Any) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _Unusable(f"key {key!r} is empty; a run needs a label there")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Unusable(f"key {key!r} holds {value}; a run needs a label there")
        if value.is_integer():
            value = int(value)
    return str(value)


def _skip_mixed(
    records: dict[str, dict[str, Any]], skipped: dict[str, str], layout: _Layout
) -> None:
    """Skip runs with a text under a key that holds numbers in other runs."""
    if layout.metrics is not None:
        return
    numeric = {k for r in records.values() for k, v in r.items() if isinstance(v, float)}
    for file, run in list(records.items()):
        for key in numeric.difference(layout.labels):
            if isinstance(run.get(key), str):
                del records[file]
                skipped[file] = (
                    f"key {key!r} holds the text {_short(run[key])}, but a number in other files"
                )
                break


def _skip_duplicates(
    records: dict[str, dict[str, Any]], skipped: dict[str, str], layout: _Layout, root: Path
) -> None:
    """Skip files that repeat a run exactly; refuse two versions of one run."""
    if not layout.roles["item"] or not layout.roles["replicate"]:
        return
    first: dict[tuple[str, ...], str] = {}
    for file, run in list(records.items()):
        cell = tuple(run[k] for k in layout.labels)
        other = first.setdefault(cell, file)
        if other == file:
            continue
        if _same(run, records[other]):
            del records[file]
            skipped[file] = f"duplicate of {other}"
            continue
        raise LoadError(
            f"{shown(root)}: {other!r} and {file!r} both hold the run ({' / '.join(cell)}) of "
            f"({', '.join(layout.labels)}), with different values. Remove one, narrow pattern=, "
            f"or add the key that tells them apart to a role.{_tells_apart(records[other], run)}"
        )


def _same(run: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return json.dumps(run, sort_keys=True) == json.dumps(other, sort_keys=True)


def _tells_apart(run: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Say how to use a text key that only one of two runs holds, or in which they differ."""
    for key in {**run, **other}:
        values = [r.get(key) for r in (run, other)]
        if values[0] == values[1] or not all(v is None or isinstance(v, str) for v in values):
            continue
        if None not in values:
            return f" They differ in {key!r}."
        return (
            f" Only one of them has the key {key!r}: add it to block= and label the others with "
            f"fill={{{key!r}: ...}}."
        )
    return ""


def _table(
    records: Mapping[str, Mapping[str, Any]],
    layout: _Layout,
    *,
    directions: Mapping[str, str] | None,
    roles: Mapping[str, Role | None],
    name: str,
) -> MetricTable:
    keys = dict.fromkeys(k for r in records.values() for k in r)
    numeric = {
        k for r in records.values() for k, v in r.items() if isinstance(v, float)
    } | layout.numbers
    columns = {
        k: [r.get(k, math.nan if k in numeric else None) for r in records.values()] for k in keys
    }
    # The index names the files in messages; it is not part of the table.
    frame = pd.DataFrame(columns, index=pd.Index(list(records), dtype=object), dtype=object)
    metrics = layout.metrics
    if metrics is None:
        metrics = tuple(
            k for k in keys if any(k in r and layout.is_metric(k, r[k]) for r in records.values())
        )
    table = MetricTable.from_frame(
        frame, metrics=metrics, directions=directions, oracle=layout.oracle, name=name, **roles
    )
    return replace(table, frame=table.frame.reset_index(drop=True))


def _no_runs(root: Path, pattern: str, skipped: Mapping[str, str]) -> str:
    if not skipped:
        return f"{shown(root)}: no file matches {pattern!r}. Check the folder or pass pattern=."
    files: dict[str, list[str]] = {}
    for file, reason in skipped.items():
        files.setdefault(reason, []).append(file)
    lines = [
        f"{names[0]!r}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") + f": {reason}"
        for reason, names in list(files.items())[:_REASONS_SHOWN]
    ]
    more = f"; and {len(files) - _REASONS_SHOWN} other reasons" * (len(files) > _REASONS_SHOWN)
    return (
        f"{shown(root)}: none of the {len(skipped)} files is a run that can be used. "
        f"{'; '.join(lines)}{more}."
    )


def _labels(fill: Any) -> dict[str, str]:
    if fill is not None and not isinstance(fill, Mapping):
        raise ArgumentError(f"fill={fill!r}: give labels by key, as in {{'model': 'llava'}}.")
    for key, value in (fill or {}).items():
        if not isinstance(value, str) or not value.strip():
            raise ArgumentError(f"fill= gives {key!r} the label {value!r}; a text is expected.")
    return dict(fill or {})


def _keys(role: Role | None, name: str) -> tuple[str, ...]:
    if role is None:
        return ()
    return (role,) if isinstance(role, str) else tuple(name_list(role, name))


def _list(keys: Iterable[str] | None) -> str:
    return ", ".join(map(repr, keys or ()))


def _short(text: str) -> str:
    return repr(shorten(text, 40))
