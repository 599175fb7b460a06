"""Read a table of a TOML file strictly: every key is asked for by name and type, or is an error."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metareval.errors import ArgumentError, unknown_name
from metareval.results import printable, shorten

# Names become folders, also where upper and lower case are one and some signs are reserved.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._=-]{0,62}[A-Za-z0-9_=-])?")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
NAME_RULE = (
    "1 to 64 letters, digits and the signs . _ = -, beginning with a letter or a digit and not "
    "ending with a full stop"
)

_REQUIRED: Any = object()


class Reader:
    """One table of a file.

    Parameters
    ----------
    data : object
        What stands in the file.
    file : str
        The file, for messages.
    place : str
        Where in the file the table stands, such as ``method[2].schedule``.
    """

    def __init__(self, data: object, *, file: str, place: str = "") -> None:
        self.file, self.place = file, place
        if not isinstance(data, Mapping):
            raise ArgumentError(
                f"{self._where()}: found {_kind(data)}; expected a table of keys and values."
            )
        self._data: Mapping[str, Any] = data
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def error(self, key: str, text: str) -> ArgumentError:
        """Return an error about a key."""
        return ArgumentError(f"{self._where(key)}: {text}")

    def unknown(self, key: str, kind: str, value: object, known: Iterable[str]) -> ArgumentError:
        """Return an error about a name that is not known, with near matches."""
        return self.error(key, str(unknown_name(kind, value, known)))

    def text(self, key: str, default: Any = _REQUIRED) -> Any:
        """Return a text that is not empty."""
        value = self._take(key, default)
        if value is not default and not (isinstance(value, str) and value.strip()):
            raise self._bad(key, value, "a text")
        return value

    def name(self, key: str, default: Any = _REQUIRED) -> str:
        """Return a text that can be the name of a folder on any system."""
        value: str = self.text(key, default)
        if not _NAME.fullmatch(value) or _RESERVED.fullmatch(value):
            raise self._bad(key, value, f"a name that can be a folder: {NAME_RULE}")
        return value

    def choice(self, key: str, known: Iterable[str], default: Any = _REQUIRED) -> Any:
        """Return one of some texts."""
        value = self.text(key, default)
        if value is not default and value not in known:
            raise self.unknown(key, "value", value, known)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._bad(key, value, "true or false")
        return value

    def whole(self, key: str, default: Any = _REQUIRED, *, low: int) -> Any:
        """Return a whole number of at least ``low``."""
        value = self._take(key, default)
        if value is not default and not _is_whole(value, low):
            raise self._bad(key, value, f"a whole number from {low}")
        return value

    def number(
        self, key: str, default: Any = _REQUIRED, *, low: float = -math.inf, closed: bool = True
    ) -> Any:
        """Return a finite number of at least, or above, ``low``."""
        value = self._take(key, default)
        if value is default:
            return value
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or value < low or (value == low and not closed):
            bound = "" if low == -math.inf else f" {'from' if closed else 'above'} {low:g}"
            raise self._bad(key, value, f"a finite number{bound}")
        return float(value)

    def texts(self, key: str, default: Any = _REQUIRED) -> Any:
        """Return several different texts, at least one."""
        value = self._take(key, default)
        if value is default:
            return value
        found = self._list(key, value, "texts")
        for each in found:
            if not isinstance(each, str) or not each.strip():
                raise self._bad(key, each, "texts alone")
        self._different(key, found)
        return tuple(found)

    def wholes(self, key: str, *, low: int) -> tuple[int, ...]:
        """Return several different whole numbers, at least one."""
        found = self._list(key, self._take(key, _REQUIRED), "whole numbers")
        for each in found:
            if not _is_whole(each, low):
                raise self._bad(key, each, f"whole numbers from {low} alone")
        self._different(key, found)
        return tuple(found)

    def table(self, key: str, *, required: bool = False) -> Reader:
        """Return a table inside this one; empty where there is none."""
        value = self._take(key, _REQUIRED if required else {})
        return Reader(value, file=self.file, place=self._join(key))

    def tables(self, key: str, *, required: bool = True) -> list[Reader]:
        """Return a list of tables, at least one where it is there or required."""
        value = self._take(key, _REQUIRED if required else None)
        if value is None:
            return []
        return [
            Reader(each, file=self.file, place=f"{self._join(key)}[{i}]")
            for i, each in enumerate(self._list(key, value, "tables"), start=1)
        ]

    def named_tables(self) -> dict[str, Reader]:
        """Return every value of this table, each of which is a table."""
        return {key: self.table(key) for key in self._data}

    def scalars(self) -> dict[str, Any]:
        """Return every value of this table: texts, numbers, truth values and lists of texts."""
        out = {}
        for key in self._data:
            value = self._take(key, _REQUIRED)
            listed = isinstance(value, list) and all(isinstance(v, str) for v in value)
            if not listed and not isinstance(value, (str, int, float)):
                raise self._bad(key, value, "a text, a number, true, false or a list of texts")
            if isinstance(value, float) and not math.isfinite(value):
                raise self._bad(key, value, "a finite number")
            out[key] = value
        return out

    def numbers(self) -> dict[str, float]:
        """Return every value of this table, each of which is a number."""
        return {key: self.number(key) for key in self._data}

    def close(self) -> None:
        """Refuse keys that nobody asked for.

        Raises
        ------
        ArgumentError
        """
        for key in self._data:
            if key not in self._asked:
                raise self.error(key, str(unknown_name("key", key, self._asked)))

    def _take(self, key: str, default: Any) -> Any:
        if key not in self._asked:
            self._asked.append(key)
        if key in self._data:
            return self._data[key]
        if default is _REQUIRED:
            near = ", ".join(map(repr, self._data)) or "nothing"
            raise self.error(key, f"is missing; found {shorten(near, 200)}.")
        return default

    def _list(self, key: str, value: object, what: str) -> Sequence[Any]:
        if not isinstance(value, list):
            raise self._bad(key, value, f"a list of {what}")
        if not value:
            raise self.error(key, f"the list is empty; expected at least one of {what}.")
        return value

    def _different(self, key: str, values: Sequence[object]) -> None:
        for value in values:
            if values.count(value) > 1:
                raise self.error(key, f"{shorten(repr(value), 60)} stands there twice.")

    def _bad(self, key: str, value: object, expected: str) -> ArgumentError:
        return self.error(key, f"found {_kind(value)}; expected {expected}.")

    def _join(self, key: str) -> str:
        # A key of a file may be any text.
        key = shorten(printable(key), 60)
        return f"{self.place}.{key}" if self.place else key

    def _where(self, key: str = "") -> str:
        place = self._join(key) if key else self.place
        return f"{self.file}: {place}" if place else self.file


def _is_whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < 2**63


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return shorten(repr(value), 60)
