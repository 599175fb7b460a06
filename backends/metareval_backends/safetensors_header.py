"""Read and check the header of a safetensors file before anything else opens the file."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from metareval.errors import LoadError
from metareval.results import printable, shorten

# The limit of the safetensors package itself.
MOST_HEADER_BYTES = 100_000_000
# Configurations and indices are small; a larger file is not one.
MOST_JSON_BYTES = 64 * 2**20

# Bits of one number of each type of the format.
BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E8M0": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}


@dataclass(frozen=True)
class TensorEntry:
    """Where one tensor lies.

    Parameters
    ----------
    path : Path
        The file.
    dtype : str
        Type as the format names it, for example ``"F32"``.
    shape : tuple of int
    start, stop : int
        Its bytes, counted from the start of the file.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; refuse what is not a regular file, since a pipe would block.

    Raises
    ------
    LoadError
        The path is missing, not a regular file, or may not be read.
    """
    try:
        # Not blocking matters between the opening and the look at what was opened.
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LoadError(f"{shown(path)} could not be read: {reason}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LoadError(f"{shown(path)} is not a regular file; expected one.")
    return os.fdopen(descriptor, "rb")


def read_json(path: Path, *, what: str) -> Mapping[str, Any]:
    """Read a file that holds one JSON object.

    Parameters
    ----------
    path : Path
    what : str
        What the file is, for messages.

    Raises
    ------
    LoadError
        The file is missing, too large, damaged, or holds something else.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > MOST_JSON_BYTES:
            raise LoadError(
                f"{shown(path)} has {size:,} bytes; {what} has at most {MOST_JSON_BYTES:,}."
            )
        data = stream.read(size)
    return _object(data, f"{shown(path)} is not {what}")


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Read where the tensors of a safetensors file lie, and check that they fill the file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to TensorEntry
        In the order of the file's bytes.

    Raises
    ------
    LoadError
        The file is missing, empty, truncated, or its header is damaged.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        first = stream.read(8)
        length = int.from_bytes(first, "little")
        if len(first) < 8:
            raise _damaged(path, f"it has {size} bytes, and the length of the header takes 8")
        if length > MOST_HEADER_BYTES:
            raise _damaged(
                path, f"its header claims {length:,} bytes; at most {MOST_HEADER_BYTES:,} are read"
            )
        if length > size - 8:
            raise _truncated(path, size, 8 + length, "its header")
        header = _object(stream.read(length), f"{shown(path)} is damaged: its header is not valid")
    entries = {
        name: _entry(path, name, value, 8 + length)
        for name, value in header.items()
        if name != "__metadata__"
    }
    return _filling(path, entries, 8 + length, size)


def shown(path: object) -> str:
    """Show a path on one line."""
    return printable(str(path))


def listed(names: Iterable[str], *, most: int = 3) -> str:
    """Name a few out of many.

    Examples
    --------
    >>> listed(["b", "a", "c", "d"])
    "'a', 'b', 'c' and 1 more"
    """
    ordered = sorted(names)
    text = ", ".join(repr(shorten(printable(name), 120)) for name in ordered[:most])
    return text if len(ordered) <= most else f"{text} and {len(ordered) - most} more"


def _entry(path: Path, name: str, value: object, origin: int) -> TensorEntry:
    where = f"the header's entry for {listed([name])}"
    if not isinstance(value, dict):
        raise _damaged(path, f"{where} is not an object")
    dtype = value.get("dtype")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _damaged(path, f"{where} has the type {shorten(repr(dtype), 40)}, which is unknown")
    try:
        shape = _counts(value.get("shape"))
        start, stop = _counts(value.get("data_offsets"))
        if start > stop:
            raise ValueError
    except (TypeError, ValueError):
        raise _damaged(path, f"{where} has no valid shape and data_offsets") from None
    wanted = math.prod(shape) * BITS[dtype]
    if wanted != (stop - start) * 8:
        raise _damaged(
            path,
            f"{where} spans {stop - start:,} bytes, and its shape {shorten(str(shape), 60)} in "
            f"{dtype} takes {wanted / 8:,.0f}",
        )
    return TensorEntry(path, dtype, tuple(shape), origin + start, origin + stop)


def _filling(
    path: Path, entries: dict[str, TensorEntry], origin: int, size: int
) -> dict[str, TensorEntry]:
    """Check that the tensors follow one another from the header to the end of the file."""
    ordered = dict(sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop)))
    at, before = origin, "the header"
    for name, entry in ordered.items():
        if entry.start != at:
            how = "overlaps" if entry.start < at else "leaves a gap after"
            raise _damaged(path, f"the tensor {listed([name])} {how} {before}")
        at, before = entry.stop, listed([name])
    if at > size:
        raise _truncated(path, size, at, "its tensors")
    if at < size:
        raise _damaged(path, f"{size - at:,} bytes follow its last tensor; expected none")
    return ordered


def _counts(value: object) -> list[int]:
    """Return a list of sizes; raise TypeError where it is something else."""
    if isinstance(value, list) and all(type(v) is int and 0 <= v < 2**63 for v in value):
        return value
    raise TypeError


def _object(data: bytes, failing: str) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except RecursionError as error:
        raise LoadError(f"{failing} (nested too deeply). Fetch it again.") from error
    except ValueError as error:
        reason = shorten(printable(str(error)), 120)
        raise LoadError(f"{failing} ({reason}). Fetch it again.") from error
    if not isinstance(value, dict):
        raise LoadError(f"{failing}: it holds a {type(value).__name__}, expected a JSON object.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two equal names they take, so that what is checked might not be
    # what is loaded.
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a name comes twice in one object")
    return out


def _truncated(path: Path, found: int, expected: int, what: str) -> LoadError:
    return LoadError(
        f"{shown(path)} is truncated: found {found:,} bytes, expected {expected:,} for {what}. "
        "Fetch it again."
    )


def _damaged(path: Path, what: str) -> LoadError:
    return LoadError(f"{shown(path)} is not a valid safetensors file: {what}. Fetch it again.")
