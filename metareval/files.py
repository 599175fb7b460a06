"""Write files whole or not at all, and only where they belong."""

from __future__ import annotations

import contextlib
import errno
import numbers
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

from metareval.errors import ArgumentError, OutputError
from metareval.results import printable

# What spreadsheets take for the start of a formula, the full-width forms included.
FORMULA_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\N{FULLWIDTH EQUALS SIGN}",
    "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH HYPHEN-MINUS}",
    "\N{FULLWIDTH COMMERCIAL AT}",
)

_ADVICE = {
    errno.ENOSPC: "Free some space, or choose another folder.",
    errno.EDQUOT: "Free some space, or choose another folder.",
    errno.EFBIG: "Raise the limit on the size of files, or choose another folder.",
    errno.EROFS: "Choose a folder that can be written to.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.ENOENT: "Create the folder first.",
    errno.ENOTDIR: "A part of the path is a file; choose another folder.",
    errno.EISDIR: "The path is a folder; name a file.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


def write_atomic(path: str | os.PathLike[str], data: str | bytes) -> Path:
    """Write a file so that a reader sees the old content or the new, never a part.

    The data go to a temporary file in the same folder, reach the disk, and take the place of
    ``path`` in one step. A symbolic link at ``path`` is replaced, not followed.

    Parameters
    ----------
    path : path
        The file to write; its folder must exist.
    data : str or bytes
        Text is written as UTF-8, line ends as they are.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        The file could not be written; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(f"{folder}/a.txt", "x").read_text(encoding="utf-8")
    'x'
    """
    target = Path(path)
    write_together({target: data})
    return target


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files: all of them, or none where one cannot be written.

    All data reach the disk before the first file takes its place, so that a full disk leaves
    every file as it was. Writers of the same folder take turns: the files are all of one writer.

    Parameters
    ----------
    contents : mapping of Path to str or bytes
        Their folders must exist. They take their places in the order given.

    Raises
    ------
    OutputError
        A file could not be written; the message names it.
    """
    encoded = {target: _encoded(target, data) for target, data in contents.items()}
    temporary: dict[Path, Path] = {}
    target = Path()
    try:
        for target, data in encoded.items():
            _check_target(target)
            temporary[target] = target.parent / f".{secrets.token_hex(8)}.tmp"
            _write_new(temporary[target], data)
        with _turn(encoded):
            for target, written in temporary.items():
                written.replace(target)
    except (OSError, ValueError) as exc:
        raise OutputError(f"{_shown(target)} could not be written: {_reason(exc)}") from exc
    finally:
        for written in temporary.values():
            with contextlib.suppress(OSError, ValueError):
                written.unlink()


def _encoded(target: Path, data: str | bytes) -> bytes:
    if isinstance(data, bytes):
        return data
    try:
        return data.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise OutputError(
            f"{_shown(target)} could not be written: the text holds "
            f"{data[exc.start]!a}, half of a character, which UTF-8 cannot encode. "
            "Correct the name that holds it."
        ) from exc


def _check_target(target: Path) -> None:
    # A folder in the way would be found only when other files have taken their places.
    if target.is_dir() and not target.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def _write_new(path: Path, data: bytes) -> None:
    # os.open, unlike tempfile, gives the file the mode that the user's umask asks for.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o666), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def _turn(targets: Iterable[Path]) -> Iterator[None]:
    """Hold the folder that several files go to, where the system can lock it."""
    folders = [target.parent for target in targets]
    descriptor = None
    if len(folders) > 1 and fcntl is not None:
        # Some file systems know no locks; the files are then still whole each.
        with contextlib.suppress(OSError):
            descriptor = os.open(os.path.commonpath(folders) or ".", os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def safe_child(folder: str | os.PathLike[str], name: str) -> Path:
    """Return the path of ``name`` in ``folder``; refuse a name that leads out of it.

    Parameters
    ----------
    folder : path
        The folder to stay in.
    name : str
        A file name, or a relative path with ``/``.

    Returns
    -------
    Path

    Raises
    ------
    ArgumentError
        The name is empty, absolute, holds ``..``, a backslash or a control character, or passes
        through a symbolic link that leaves the folder.

    Examples
    --------
    >>> safe_child("out", "tables/tau.csv").as_posix()
    'out/tables/tau.csv'
    """
    windows = PureWindowsPath(name)
    parts = PurePosixPath(name).parts
    if (
        not parts
        or name.startswith("/")
        or ".." in parts
        or "\\" in name
        or windows.drive
        or any(ord(c) < 32 for c in name)
    ):
        raise ArgumentError(_leaves(folder, name, "it must be a relative path without '..'"))
    child = Path(folder, *parts)
    # A link inside the folder may still point anywhere, so the real places are compared.
    if not child.resolve().is_relative_to(Path(folder).resolve()):
        raise ArgumentError(_leaves(folder, name, "it passes through a link that leaves it"))
    return child


def csv_safe(frame: pd.DataFrame, *, index: bool = True) -> str:
    """Return a frame as CSV text that a spreadsheet does not run.

    Texts (cells, column names, index labels) that begin like a formula get a single quote in
    front; numbers are never changed, and floats are written so that they read back exactly.

    Parameters
    ----------
    frame : DataFrame
        What to write.
    index : bool
        Whether to write the index as the first column.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> print(csv_safe(pd.DataFrame({"name": ["=1+1"], "x": [-0.5]}), index=False), end="")
    name,x
    '=1+1,-0.5
    """
    levels = [frame.index.get_level_values(i) for i in range(frame.index.nlevels)] if index else []
    header = [n if n is not None else "" for n in frame.index.names] if index else []
    columns = [
        *(level.to_numpy(dtype=object) for level in levels),
        *(frame.iloc[:, i].to_numpy(dtype=object) for i in range(frame.shape[1])),
    ]
    lines = [[*header, *frame.columns], *zip(*columns, strict=True)]
    return "".join(_line(values) for values in lines)


def _line(values: Iterable[Any]) -> str:
    # A line of one empty field would read as no line at all.
    return (",".join(map(_field, values)) or '""') + "\n"


def _field(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else repr(float(value))
    if isinstance(value, (numbers.Number, np.bool_)):
        return str(value)
    if isinstance(value, tuple):
        value = " / ".join(map(str, value))
    text = str(value)
    if text.startswith(FORMULA_STARTS):
        text = "'" + text
    # Quoting by hand, since csv.writer leaves a lone carriage return bare before Python 3.13.
    if any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _leaves(folder: str | os.PathLike[str], name: str, rule: str) -> str:
    return f"The name {name!r} would not stay in {_shown(Path(folder))}: {rule}."


def _reason(exc: OSError | ValueError) -> str:
    if not isinstance(exc, OSError):
        return f"{exc}."
    advice = _ADVICE.get(exc.errno or 0, "")
    return f"{exc.strerror or exc}. {advice}".rstrip()


def _shown(path: Path) -> str:
    return printable(str(path))
