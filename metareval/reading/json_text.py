"""Parse JSON, and say what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from metareval.reading import limits
from metareval.results import shorten

# The longest name of a key, as the csv module has it for a field.
_LONGEST_KEY = 131_072


def parse_json(text: str) -> Any:
    """Parse JSON; raise ValueError with a message for the user.

    Objects that hold a key twice come back as :class:`RepeatedKey`, so that the caller can say
    which record it is. A number that a float cannot hold is refused, where the json module makes
    it infinite.
    """
    if count_values(text) > limits.MAX_JSON_VALUES:
        raise ValueError(f"the JSON holds more than {limits.MAX_JSON_VALUES} values")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_float)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno} column {exc.colno}"
        if exc.pos >= len(text.rstrip()) or exc.msg.startswith("Unterminated string"):
            raise ValueError(f"the JSON is cut off: it ends at {where} ({exc.msg})") from exc
        raise ValueError(f"not valid JSON at {where}: {exc.msg}") from exc
    except RecursionError as exc:
        raise ValueError("the JSON is nested too deeply to be read") from exc
    except _TooLargeError as exc:
        line = text.count("\n", 0, text.find(exc.text)) + 1
        raise ValueError(
            f"line {line} of the JSON holds {shorten(exc.text, 40)}, which is too large for a "
            "floating-point number. Rescale it, or write Infinity"
        ) from exc
    except ValueError as exc:  # an integer of thousands of digits
        raise ValueError(f"the JSON holds a number that cannot be read ({exc})") from exc


class RepeatedKey(dict[str, Any]):
    """A JSON object in which a key stands twice."""

    key: str


def record_problem(record: Mapping[str, Any], *, only: Iterable[str] | None = None) -> str | None:
    """Say why a JSON object cannot be one row of a table; None where it can.

    ``only`` restricts the look at values to some keys.
    """
    if isinstance(record, RepeatedKey):
        return f"key {record.key!r} stands twice"
    keep = None if only is None else set(only)
    for key, value in record.items():
        if len(key) > _LONGEST_KEY:
            return f"a key has {len(key)} characters; at most {_LONGEST_KEY} are read"
        if not _encodable(key):
            return f"key {key!r} holds half of a character (an unpaired surrogate)"
        if keep is not None and key not in keep:
            continue
        if isinstance(value, (list, dict)):
            what = "a list" if isinstance(value, list) else "an object"
            return f"key {key!r} holds {what} where one value is expected"
        if isinstance(value, str) and not _encodable(value):
            return f"key {key!r} holds half of a character (an unpaired surrogate)"
    return None


def count_values(text: str) -> int:
    """Return a bound on the values that a JSON text holds, an object as three, without parsing."""
    return text.count(",") + 3 * text.count("{") + text.count("[")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) == len(pairs):
        return record
    seen: set[str] = set()
    marked = RepeatedKey(record)
    marked.key = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
    return marked


class _TooLargeError(ValueError):
    """A number of JSON that a float cannot hold."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _float(text: str) -> float:
    value = float(text)
    if np.isinf(value):
        raise _TooLargeError(text)
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
