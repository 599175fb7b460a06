"""Read regular files whole, as bytes or as text."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from metareval.errors import ArgumentError, LoadError
from metareval.results import printable


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
    return _decode(read_bytes(path, limit), path)


def read_bytes(path: Path, limit: int, *, head: bool = False) -> bytes:
    """Return a regular file of at most ``limit`` bytes, or raise LoadError; ``head`` only looks."""
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
