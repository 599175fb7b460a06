"""Options of benchmarks: checked when given, as values or as texts from a command line."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from metareval.errors import ArgumentError, LoadError, unknown_name
from metareval.reading.files import shown

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Configurable:
    """Gives a frozen dataclass the method ``configured``."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        raise NotImplementedError

    def configured(self, **options: Any) -> Self:
        """Return the benchmark with other options; nothing is read.

        Parameters
        ----------
        **options
            The fields of this class. Texts are converted, so that ``size="32"`` does.

        Raises
        ------
        ArgumentError
            There is no such option, or it does not take the value.
        """
        known = [f.name for f in dataclasses.fields(self)]  # type: ignore[arg-type]
        for option in options:
            if option not in known:
                raise unknown_name(f"option of the benchmark {self.name}", option, known)
        return dataclasses.replace(self, **options)  # type: ignore[type-var]

    def _set(self, option: str, value: object) -> None:
        object.__setattr__(self, option, value)


def whole(option: str, value: Any, *, low: int, high: int | None = None) -> int:
    """Return a whole number within bounds.

    Examples
    --------
    >>> whole("seed", "3", low=0)
    3
    """
    bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
    number: int | None = None
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal():
        number = int(value) if len(value) < 30 else None
    elif not isinstance(value, bool) and hasattr(value, "__index__"):
        number = int(value)
    if number is None or number < low or (high is not None and number > high):
        raise ArgumentError(f"{option}={value!r}: expected a whole number {bounds}.")
    return number


def share(option: str, value: Any) -> float:
    """Return a number between 0 and 1, both excluded.

    Examples
    --------
    >>> share("forget_share", "0.25")
    0.25
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if isinstance(value, bool) or not 0 < number < 1:
        raise ArgumentError(f"{option}={value!r}: expected a number between 0 and 1.")
    return number


def flag(option: str, value: Any) -> bool:
    """Return True or False.

    Examples
    --------
    >>> flag("pure_text", "no")
    False
    """
    found = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise ArgumentError(f"{option}={value!r}: expected true or false.")
    return found


def choice(option: str, value: Any, known: Iterable[str]) -> str:
    """Return one of the known texts."""
    known = list(known)
    if str(value) not in known:
        raise unknown_name(f"value of {option}:", value, known)
    return str(value)


def names(option: str, value: Any) -> tuple[str, ...]:
    """Return several texts; one text is split at its commas.

    Examples
    --------
    >>> names("concepts", "cat, dog")
    ('cat', 'dog')
    """
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) and v for v in value):
        raise ArgumentError(f"{option}={value!r}: expected texts, or one text with commas.")
    if len(set(value)) < len(value):
        raise ArgumentError(f"{option}={value!r}: a text stands there twice.")
    return tuple(value)


def optional_path(option: str, value: Any) -> Path | None:
    """Return a path, or None where none is given."""
    if value is None:
        return None
    plain = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(plain, str) or not plain or "\0" in plain:
        raise ArgumentError(f"{option}={value!r}: expected the path of a file or folder.")
    return Path(plain)


def existing(path: Path | None, *, benchmark: str, option: str, folder: bool, get: str) -> Path:
    """Return a path that is there, or raise with how to get what belongs there.

    Parameters
    ----------
    path : path, optional
        What the option holds.
    benchmark, option : str
        For the message.
    folder : bool
        Whether it must be a folder.
    get : str
        A sentence: where the data come from.
    """
    if path is None:
        raise LoadError(
            f"The benchmark {benchmark} reads local files: give {option}=..., "
            f"a {'folder' if folder else 'file or folder'}. {get}"
        )
    try:
        there = path.exists()
    except OSError:  # for example a name that is too long
        there = False
    if not there:
        raise LoadError(f"{shown(path)} does not exist. {get}")
    if folder and not path.is_dir():
        raise LoadError(f"{shown(path)} is a file; a folder is expected. {get}")
    return path
