"""How much is read of a file at most."""

from __future__ import annotations

from pathlib import Path

from metareval.errors import LoadError
from metareval.reading.files import shown
from metareval.saved import MOST_BYTES, MOST_CELLS

MAX_BYTES = MOST_BYTES
# Small files can stand for huge tables (compressed columns, records without a common key).
MAX_CELLS = MOST_CELLS
# More columns are a table that lies on its side, and pandas is slow with them.
MAX_COLUMNS = 100_000
# An object of JSON takes up to 50 times the memory of its text.
MAX_JSON_VALUES = 40_000_000
# What Parquet columns may take once they are unpacked.
MAX_UNPACKED = 4 * MAX_BYTES


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


def check_lines(text: str, path: Path) -> None:
    """Refuse a text of more lines than the largest table has cells."""
    lines = text.count("\n") + text.count("\r")
    if lines > 2 * MAX_CELLS:
        raise LoadError(
            f"{shown(path)} has {lines} lines; at most {2 * MAX_CELLS} are read. Keep only the "
            "rows that the analysis needs."
        )
