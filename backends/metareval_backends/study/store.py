"""The folder of a study: cells that appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from metareval.errors import ArgumentError, LoadError, ObservationError, OutputError
from metareval.files import safe_child, write_atomic
from metareval.observations import SPLITS, Observations
from metareval.reading.files import read_text
from metareval.reading.json_text import parse_json
from metareval.results import printable, shorten
from metareval_backends.study.plan import Block, Cell, difference

CELLS, OBSERVATIONS, CHECKPOINT = "cells", "observations", "checkpoint"
CELL_FILE, ERROR_SUFFIX = "cell.json", ".error.json"
# What a file system says where a folder is already there.
_THERE = (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES, errno.EPERM)
_MOST_BYTES = 16 * 2**20

Record = dict[str, Any]


class Store:
    """Cells on disk.

    A cell is made under a temporary name, and renamed when all of it is there, ``cell.json`` last.

    Parameters
    ----------
    out : path
        Folder of the study.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(out)

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell, whether or not it is there."""
        return safe_child(self.out, f"{CELLS}/{cell.path}")

    def checkpoint(self, cell: Cell) -> Path:
        """Return the folder of the weights of a cell."""
        return self.folder(cell) / CHECKPOINT

    def is_done(self, cell: Cell) -> bool:
        """Whether the cell is there."""
        return (self.folder(cell) / CELL_FILE).is_file()

    def record(self, cell: Cell) -> Record:
        """Return what ``cell.json`` holds, for a cell that is there and made as the file says.

        Raises
        ------
        LoadError
            The file is damaged.
        ArgumentError
            The cell was made with other settings.
        """
        path = self.folder(cell) / CELL_FILE
        found = self._json(path)
        stored = found.get("settings")
        if not isinstance(stored, Mapping) or not isinstance(found.get("hash"), str):
            raise LoadError(f"{_shown(path)} is no record of a cell. {_again(path)}")
        if found["hash"] != cell.hash:
            what = difference(stored, cell.settings) or "the record was changed by hand"
            raise ArgumentError(
                f"The cell {cell.path} in {_shown(self.out)} was made with other settings: {what}. "
                "Choose another folder with --out, or set the file back."
            )
        for key in ("seconds", "weight_distances"):
            if not _numeric(found.get(key, 0.0)):
                raise LoadError(
                    f"{_shown(path)}: {key!r} is {shorten(printable(repr(found[key])), 60)}; "
                    f"expected finite numbers of at least 0. {_again(path)}"
                )
        return found

    def weight_distance(self, cell: Cell, record: Record, *names: str) -> float:
        """Return a distance that the record of a cell holds, by the names that lead to it.

        Raises
        ------
        LoadError
            There is none.
        """
        found: Any = record.get("weight_distances")
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None or isinstance(found, Mapping):
            path = self.folder(cell) / CELL_FILE
            raise LoadError(
                f"{_shown(path)} holds no distance of weights to {names[-1]}. {_again(path)}"
            )
        return float(found)

    def observations(self, cell: Cell, splits: Iterable[str] | None = None) -> dict[str, Any]:
        """Return what the model of a cell did.

        Parameters
        ----------
        cell : Cell
        splits : iterable of str, optional
            All that there are where None.

        Raises
        ------
        ObservationError
            A file is missing or damaged.
        """
        folder = self.folder(cell) / OBSERVATIONS
        wanted = self.splits(cell) if splits is None else [s for s in SPLITS if s in set(splits)]
        found = {}
        for split in wanted:
            path = folder / f"{split}.safetensors"
            try:
                found[split] = Observations.load(path, max_bytes=None)
            except ObservationError as error:
                raise ObservationError(f"{error} {_again(path.parent)}") from error
        return found

    def splits(self, cell: Cell) -> list[str]:
        """Return the splits that the model of a cell was observed on."""
        folder = self.folder(cell) / OBSERVATIONS
        return [split for split in SPLITS if (folder / f"{split}.safetensors").is_file()]

    def make(self, cell: Cell, fill: Callable[[Path], Record]) -> Record:
        """Make a cell: fill a temporary folder, write its record, and rename it.

        Parameters
        ----------
        cell : Cell
        fill : callable
            Takes the temporary folder, puts files there, and returns what to record.

        Returns
        -------
        dict
            The record.

        Raises
        ------
        OutputError
            Something could not be written.
        """
        target = self.folder(cell)
        # The process id tells who is at work, where several are.
        token = f"{os.getpid()}-{secrets.token_hex(4)}"
        temporary = target.parent / f".{target.name}.{token}.tmp"
        try:
            temporary.mkdir(parents=True)
            made = fill(temporary)
            record = {"hash": cell.hash, "settings": cell.settings, **made}
            write_atomic(temporary / CELL_FILE, _text(record))
            try:
                temporary.rename(target)
            except OSError as error:
                if error.errno not in _THERE or not self.is_done(cell):
                    raise
                # Somebody else was faster; theirs was made in the same way.
                return self.record(cell)
            _sync(target.parent)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            reason = error.strerror or str(error)
            raise OutputError(f"{_shown(target)} could not be written: {reason}.") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self.error_file(cell).unlink(missing_ok=True)
        return record

    def clean(self, blocks: Iterable[Block]) -> None:
        """Remove what interrupted runs left; nobody else may be working in the folder."""
        for block in blocks:
            folder = safe_child(self.out, f"{CELLS}/{block.path}")
            for rest in folder.glob(".*.tmp"):
                if rest.is_dir() and not rest.is_symlink():
                    shutil.rmtree(rest, ignore_errors=True)
                else:
                    rest.unlink(missing_ok=True)

    def check(self, blocks: Iterable[Block]) -> None:
        """Refuse a folder in which a cell was made with other settings.

        Raises
        ------
        ArgumentError, LoadError
        """
        for block in blocks:
            for cell in block.cells:
                if self.is_done(cell):
                    self.record(cell)

    def error_file(self, cell: Cell) -> Path:
        """Return the file that says why a cell failed."""
        folder = self.folder(cell)
        return folder.parent / f"{folder.name}{ERROR_SUFFIX}"

    def save_error(self, cell: Cell, error: Record) -> None:
        """Record why a cell failed."""
        path = self.error_file(cell)
        self.prepare(path.parent)
        write_atomic(path, _text({"cell": cell.path, "settings": cell.settings, **error}))

    def error(self, cell: Cell) -> str:
        """Return why a cell failed in the last run that tried it; empty where it did not."""
        path = self.error_file(cell)
        if self.is_done(cell) or not path.is_file():
            return ""
        try:
            return str(self._json(path).get("error", "unknown"))
        except LoadError:
            return "unknown"

    def prepare(self, folder: Path | None = None) -> None:
        """Make the folder of the study, or one inside it.

        Raises
        ------
        OutputError
        """
        folder = self.out if folder is None else folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise OutputError(
                f"The folder {_shown(folder)} could not be made: {reason}."
            ) from error

    def _json(self, path: Path) -> Record:
        try:
            found = parse_json(read_text(path, limit=_MOST_BYTES))
        except ValueError as error:
            if isinstance(error, LoadError):
                raise
            raise LoadError(f"{_shown(path)}: {error}. {_again(path)}") from error
        if not isinstance(found, dict):
            raise LoadError(f"{_shown(path)} holds no object. {_again(path)}")
        return found


def _numeric(value: object) -> bool:
    """Whether a value is a finite number of at least 0, or holds such by name."""
    if isinstance(value, Mapping):
        return all(map(_numeric, value.values()))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value <= sys.float_info.max


def _text(record: Record) -> str:
    return json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _sync(folder: Path) -> None:
    """Let the new name of a folder reach the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _again(path: Path) -> str:
    return (
        f"Remove the folder {_shown(path.parent)} and run the study again: the cell is then made "
        "anew."
    )


def _shown(path: Path) -> str:
    return shorten(printable(str(path)), 200)
