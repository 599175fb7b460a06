"""Read Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from metareval.errors import LoadError, MissingDependencyError
from metareval.reading import limits
from metareval.reading.content import Content, refuse_repeats
from metareval.reading.files import read_bytes, shown
from metareval.reading.limits import check_size


def read_parquet(path: Path) -> Content:
    """Read flat columns of numbers and texts; needs pyarrow."""
    data = read_bytes(path, limits.MAX_BYTES)
    if not data:
        raise LoadError(f"{shown(path)}: the file is empty; a table with rows is expected.")
    pyarrow, parquet = _import_pyarrow()
    try:
        return Content(_parquet_columns(data, path, pyarrow.types, parquet), None)
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
    if unpacked > limits.MAX_UNPACKED:
        raise LoadError(
            f"{shown(path)}: its columns unpack to {unpacked} bytes; at most "
            f"{limits.MAX_UNPACKED} are read. Keep only the rows and columns that the analysis "
            "needs."
        )
    schema = source.schema_arrow
    names = [str(n) for n in schema.names]
    refuse_repeats(names, path)
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
