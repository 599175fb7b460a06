"""Draws that are the same on every machine and with every version of numpy.

They come from SHA-256 of their key, since the streams of a random generator may change from one
version of its library to the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def number(*key: object) -> int:
    """Return a number of 64 bits for a key.

    Examples
    --------
    >>> number("a", 1) == number("a", 1), number("a", 1) == number("a", 2)
    (True, False)
    """
    # repr keeps ("a", "b") and ("a', 'b",) apart.
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def pick(options: Sequence[T], *key: object) -> T:
    """Return one of the options.

    Examples
    --------
    >>> pick([10, 20, 30], "a") in (10, 20, 30)
    True
    """
    return options[number(*key) % len(options)]


def order(n: int, *key: object) -> list[int]:
    """Return the numbers below n in a shuffled order.

    Examples
    --------
    >>> sorted(order(4, "a"))
    [0, 1, 2, 3]
    """
    return sorted(range(n), key=lambda i: number(*key, i))
