"""Random and exact draws: units with replacement, units exchanged within blocks, paired swaps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ArgumentError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Rng = int | np.random.Generator | None

# Draws are made in fixed portions, so that results do not depend on how much memory is used.
DRAWS_AT_ONCE = 1000
# Every permutation is listed where there are at most this many.
EXACT_LIMIT = 100_000
# Resampled statistics equal to within this are one value: they differ by rounding only.
TOLERANCE = 1e-10


def resolve_rng(rng: Rng) -> np.random.Generator:
    """Return a Generator for None (fresh entropy), an int seed or a Generator."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (
        isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0
    ):
        return np.random.default_rng(rng)
    raise ArgumentError(
        f"rng is {rng!r}; pass None, a non-negative integer seed or a numpy Generator."
    )


def check_resamples(n_resamples: int) -> int:
    """Refuse a number of resamples that is not a positive integer."""
    if (
        isinstance(n_resamples, bool)
        or not isinstance(n_resamples, (int, np.integer))
        or n_resamples < 1
    ):
        raise ArgumentError(f"n_resamples is {n_resamples!r}; it must be an integer of at least 1.")
    return int(n_resamples)


def check_fraction(value: float, name: str) -> float:
    """Refuse a level that does not lie strictly between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ArgumentError(f"{name} is {value!r}; it must lie between 0 and 1, as in 0.95.")
    return float(value)


@dataclass(frozen=True)
class Layout:
    """Which rows belong together when rows are resampled.

    Parameters
    ----------
    block : ndarray of int, shape (n,)
        Rows of different blocks are never exchanged.
    unit : ndarray of int, shape (n,)
        Rows of one independent unit move together.
    slot : ndarray of int, shape (n,)
        Replicate of the row within its unit; units exchange their rows slot by slot.
    """

    block: IntArray
    unit: IntArray
    slot: IntArray

    def take(self, rows: IntArray) -> Layout:
        """Return the layout of some rows."""
        return Layout(self.block[rows], self.unit[rows], self.slot[rows])

    @property
    def n_units(self) -> int:
        """Number of independent units."""
        return len(np.unique(self.unit))

    def unit_rows(self) -> list[IntArray]:
        """Return the rows of each unit, in the order of their slots."""
        order = np.lexsort((self.slot, self.unit))
        return np.split(order, np.flatnonzero(np.diff(self.unit[order])) + 1)

    def exchange_classes(self) -> list[list[IntArray]]:
        """Group units that may be exchanged: same block, same slots."""
        classes: dict[tuple[int, bytes], list[IntArray]] = {}
        for rows in self.unit_rows():
            key = (int(self.block[rows[0]]), self.slot[rows].tobytes())
            classes.setdefault(key, []).append(rows)
        return list(classes.values())


def bootstrap_weights(
    layout: Layout, n_resamples: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Draw units with replacement within each block; yield how often each row was drawn.

    Yields
    ------
    ndarray, shape (at most 1000, n)
        Rows of a unit have equal weights; the number of units of each block is kept.
    """
    units, first = np.unique(layout.unit, return_index=True)
    blocks = layout.block[first]
    position = np.searchsorted(units, layout.unit)
    members = [np.flatnonzero(blocks == b) for b in np.unique(blocks)]
    for start in range(0, n_resamples, DRAWS_AT_ONCE):
        size = min(DRAWS_AT_ONCE, n_resamples - start)
        weights = np.empty((size, len(units)))
        for m in members:
            weights[:, m] = rng.multinomial(len(m), np.full(len(m), 1 / len(m)), size=size)
        yield weights[:, position]


def count_permutations(layout: Layout) -> int:
    """Count the ways to exchange whole units within their classes."""
    return math.prod(math.factorial(len(c)) for c in layout.exchange_classes())


@dataclass(frozen=True)
class Permutations:
    """Row permutations that move whole units within blocks.

    Parameters
    ----------
    rows : ndarray of int, shape (b, n)
        Row from which each row takes its value.
    exact : bool
        Whether every permutation is listed once, the identity among them.
    """

    rows: IntArray
    exact: bool


def unit_permutations(layout: Layout, n_resamples: int, rng: np.random.Generator) -> Permutations:
    """List or draw permutations of units within blocks.

    All permutations are listed where there are at most ``max(n_resamples, 100 000)``.
    """
    n = len(layout.unit)
    classes = [c for c in layout.exchange_classes() if len(c) > 1]
    total = math.prod(math.factorial(len(c)) for c in classes)
    identity = np.arange(n, dtype=np.intp)
    if total <= max(n_resamples, EXACT_LIMIT):
        rows = np.tile(identity, (total, 1))
        orders = [
            np.array(list(itertools.permutations(range(len(c)))), dtype=np.intp) for c in classes
        ]
        repeat = total
        for members, order in zip(classes, orders, strict=True):
            repeat //= len(order)
            chosen = np.tile(np.repeat(order, repeat, axis=0), (total // (repeat * len(order)), 1))
            _place(rows, members, chosen)
        return Permutations(rows, exact=True)
    rows = np.tile(identity, (n_resamples, 1))
    for members in classes:
        base = np.tile(np.arange(len(members), dtype=np.intp), (n_resamples, 1))
        _place(rows, members, rng.permuted(base, axis=1))
    return Permutations(rows, exact=False)


def _place(rows: IntArray, members: list[IntArray], order: IntArray) -> None:
    stacked = np.stack(members)
    for position, target in enumerate(members):
        rows[:, target] = stacked[order[:, position]]


@dataclass(frozen=True)
class Swaps:
    """Choices of units in which two columns trade their values.

    Parameters
    ----------
    rows : ndarray of bool, shape (b, n)
        Whether the row's values are swapped.
    exact : bool
        Whether every choice is listed once, the one without swaps among them.
    """

    rows: NDArray[np.bool_]
    exact: bool


def unit_swaps(unit: IntArray, n_resamples: int, rng: np.random.Generator) -> Swaps:
    """List or draw choices of whole units to swap.

    All 2 ** n_units choices are listed where there are at most ``max(n_resamples, 100 000)``.
    """
    units, position = np.unique(unit, return_inverse=True)
    m = len(units)
    if m < 60 and 2**m <= max(n_resamples, EXACT_LIMIT):
        chosen = (np.arange(2**m)[:, None] >> np.arange(m)[None, :]) & 1
        return Swaps(chosen.astype(bool)[:, position], exact=True)
    return Swaps(
        rng.integers(0, 2, size=(n_resamples, m), dtype=np.int8).astype(bool)[:, position], False
    )


ALTERNATIVES = ("two-sided", "greater", "less")


def resampling_pvalue(
    observed: float, draws: FloatArray, *, exact: bool, alternative: str = "two-sided"
) -> float:
    """Return the share of draws at least as extreme as what was observed.

    Parameters
    ----------
    observed : float
    draws : ndarray, shape (b,)
        Statistic under the null hypothesis; NaN draws count as at least as extreme.
    exact : bool
        Whether the draws list every possibility; otherwise the observed value is counted as one
        more draw, ``(b + 1) / (B + 1)``, so that p is never 0.
    alternative : {"two-sided", "greater", "less"}
        Two-sided is twice the smaller one-sided p, at most 1.
    """
    if np.isnan(observed):
        return math.nan
    slack = TOLERANCE * max(1.0, abs(observed))
    undefined = np.isnan(draws)
    extra = 0 if exact else 1
    total = len(draws) + extra
    greater = (int((undefined | (draws >= observed - slack)).sum()) + extra) / total
    less = (int((undefined | (draws <= observed + slack)).sum()) + extra) / total
    if alternative == "greater":
        return greater
    if alternative == "less":
        return less
    return min(1.0, 2 * min(greater, less))
