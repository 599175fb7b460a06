"""What the fields of observations may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metareval.errors import ObservationError
from metareval.results import shorten

SPLITS = ("forget", "retain", "nonmember", "test")

# Rounding may lift the log of a probability of 1 this far above 0.
LOGPROB_TOLERANCE = 1e-4
# How far the probabilities of one sample may be from a sum of 1.
SUM_TOLERANCE = 1e-3

ARRAYS: dict[str, tuple[type[np.generic], int]] = {
    "token_logprobs": (np.float32, 1),
    "token_counts": (np.int64, 1),
    "next_logprobs": (np.float32, 2),
    "hidden": (np.float32, 2),
}
TEXTS = ("sample_ids", "gold", "answers")
# Numbers turned into float64 at once, so that a large vocabulary costs little memory.
_NUMBERS_AT_ONCE = 2**22


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Cut n rows into slices that hold a bounded number of values each.

    Examples
    --------
    >>> list(row_blocks(3, 2))
    [slice(0, 3, None)]
    """
    step = max(1, _NUMBERS_AT_ONCE // max(width, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def refusal(name: str, found: str, expected: str) -> ObservationError:
    """Make the error for a field that does not hold what it should."""
    return ObservationError(f"Observations.{name}: found {found}; expected {expected}.")


def quoted(value: object) -> str:
    """Write a value for a message, cut where it is long."""
    return shorten(repr(value), 80)


def text_of(name: str, value: object) -> str:
    """Return a field that holds one text."""
    if not isinstance(value, str):
        raise refusal(name, f"type {type(value).__name__}", "a string")
    return str(value)


def texts_of(name: str, values: Iterable[object]) -> tuple[str, ...]:
    """Return a field that holds texts."""
    # A string is a sequence too, of its characters.
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise refusal(name, f"type {type(values).__name__}", "a sequence of strings")
    out = []
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise refusal(name, f"type {type(value).__name__} at position {i}", "strings only")
        out.append(str(value))
    return tuple(out)


def check_ids(ids: Sequence[str]) -> None:
    """Refuse ids of samples that are none, empty or not unique."""
    if not ids:
        raise refusal("sample_ids", "none", "at least one sample")
    seen: set[str] = set()
    for i, sample in enumerate(ids):
        if not sample:
            raise refusal("sample_ids", f"an empty id at position {i}", "a name for every sample")
        if sample in seen:
            raise refusal("sample_ids", f"{quoted(sample)} twice", "unique ids")
        seen.add(sample)


def provenance_of(values: object) -> Mapping[str, str]:
    """Return a read-only mapping of texts to texts, by key."""
    if not isinstance(values, Mapping):
        raise refusal(
            "provenance", f"type {type(values).__name__}", "a mapping of strings to strings"
        )
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            found = f"{quoted(key)}: {quoted(value)}"
            raise refusal("provenance", found, "strings for keys and values; write numbers as text")
    return MappingProxyType({str(key): str(values[key]) for key in sorted(values)})


def array_of(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return a read-only array of the field's type and dimensions, its values checked."""
    dtype, ndim = ARRAYS[name]
    kinds, noun = ("iu", "integers") if dtype is np.int64 else ("fiu", "numbers")
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as exc:
        found = f"a {type(value).__name__} that numpy cannot read"
        raise refusal(name, found, f"an array of {noun}") from exc
    if given.dtype.kind not in kinds:
        raise refusal(name, f"an array of {given.dtype}", f"{noun}")
    if given.ndim != ndim:
        expected = f"{ndim} dimension{'s' if ndim > 1 else ''}"
        raise refusal(name, f"shape {given.shape}", expected)
    if dtype is np.int64:
        out = given.astype(np.int64)
    else:
        _check_values(name, given)
        with np.errstate(over="ignore"):
            out = given.astype(np.float32)
    out = np.ascontiguousarray(out)
    out.setflags(write=False)
    return out


def _check_values(name: str, given: NDArray[Any]) -> None:
    low, high, expected = -np.inf, LOGPROB_TOLERANCE, "natural logs of probabilities, at most 0"
    if name == "hidden":
        high = float(np.finfo(np.float32).max)
        low, expected = -high, "finite numbers within float32"
    for rows in row_blocks(len(given), given.shape[1] if given.ndim > 1 else 1):
        # Asked this way round, NaN is bad too.
        bad = ~((given[rows] >= low) & (given[rows] <= high))
        if bad.any():
            at = tuple(int(i[0]) for i in np.nonzero(bad))
            position = (rows.start + at[0], *at[1:])
            where = ", ".join(map(str, position))
            raise refusal(name, f"{given[position]} at [{where}]", expected)


def check_sums(logs: NDArray[np.float32], ids: Sequence[str]) -> None:
    """Refuse log-probabilities that are not those of whole distributions."""
    n, width = logs.shape
    for rows in row_blocks(n, width):
        sums = np.exp(logs[rows].astype(np.float64)).sum(axis=1)
        far = np.abs(sums - 1) > SUM_TOLERANCE
        if far.any():
            at = int(np.argmax(far))
            raise refusal(
                "next_logprobs",
                f"probabilities of sample {quoted(ids[rows.start + at])} that add up to "
                f"{sums[at]:.6g}",
                f"1 within {SUM_TOLERANCE:g}: the whole distribution, after log-softmax",
            )
