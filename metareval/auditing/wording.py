"""How names and numbers are written in findings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from metareval.results import printable, shorten_name

NAME_WIDTH = 40


def name(text: object) -> str:
    """Write a name of the user's so that it can neither forge a line nor drown a sentence."""
    return shorten_name(printable(str(text)), NAME_WIDTH)


def listing(parts: Sequence[str], *, limit: int = 6) -> str:
    """Join the first few parts as prose and count the rest.

    Examples
    --------
    >>> listing(["FA", "RA", "MIA"])
    'FA, RA and MIA'
    >>> listing(["a", "b", "c", "d"], limit=2)
    'a, b and 2 more'
    """
    shown = list(parts[:limit])
    if len(parts) > limit:
        shown.append(f"{len(parts) - limit} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def names(texts: Sequence[object], *, limit: int = 6) -> str:
    """Join names as prose."""
    return listing([name(t) for t in texts], limit=limit)


def pair(a: object, b: object) -> str:
    """Write a pair of metrics."""
    return f"{name(a)}-{name(b)}"


def coefficient(value: float) -> str:
    """Write a correlation or another number of order one."""
    return "undefined" if math.isnan(value) else f"{round(value, 3) + 0.0:.3f}"


def quantity(value: float) -> str:
    """Write a measured value in at most four digits.

    Examples
    --------
    >>> quantity(0.123456), quantity(6879896.4)
    ('0.1235', '6,880,000')
    """
    if math.isnan(value):
        return "undefined"
    short = f"{value:.4g}"
    return f"{float(short):,.0f}" if 1e4 <= abs(value) < 1e9 else short


def pvalue(value: float) -> str:
    """Write a p-value in two digits."""
    return "undefined" if math.isnan(value) else f"{value:.2g}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Write a number of things.

    Examples
    --------
    >>> count(1, "row"), count(3, "row")
    ('1 row', '3 rows')
    """
    return f"{n} {noun if n == 1 else plural or noun + 's'}"
