"""Random and exact draws: units with replacement, units exchanged within blocks, paired swaps."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metareval.errors import ArgumentError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Rng = int | np.random.Generator | None

# Draws are made in portions of at most so many draws, and so many numbers: 128 MiB as integers.
DRAWS_AT_ONCE = 1000
NUMBERS_AT_ONCE = 2**24
# Every permutation is listed where there are at most this many.
EXACT_LIMIT = 100_000
# More draws than this are taken for a slip of the keyboard.
MOST_RESAMPLES = 10_000_000
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


def portions(n: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield (start, size) of the portions in which draws of n numbers each are made."""
    step = max(1, min(DRAWS_AT_ONCE, NUMBERS_AT_ONCE // max(n, 1)))
    for start in range(0, count, step):
        yield start, min(step, count - start)


def draw_seed(rng: np.random.Generator) -> list[int]:
    """Draw a seed, from which a generator can make the same draws again."""
    seed: list[int] = rng.integers(0, 2**32, size=4).tolist()
    return seed


def streams(rng: np.random.Generator, many: int) -> list[np.random.Generator]:
    """Return a generator for each block, so that no portion's size changes what a block draws."""
    return [np.random.default_rng(draw_seed(rng)) for _ in range(many)]


def check_resamples(n_resamples: int) -> int:
    """Refuse a number of resamples that is not a positive integer."""
    if (
        isinstance(n_resamples, bool)
        or not isinstance(n_resamples, numbers.Integral)
        or n_resamples < 1
    ):
        raise ArgumentError(f"n_resamples is {n_resamples!r}; it must be an integer of at least 1.")
    if n_resamples > MOST_RESAMPLES:
        raise ArgumentError(
            f"n_resamples is larger than {MOST_RESAMPLES}; so many draws would take days and tell "
            "no more."
        )
    return int(n_resamples)


def check_fraction(value: float, name: str, *, example: float = 0.95) -> float:
    """Refuse a level that does not lie strictly between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < value < 1:
        raise ArgumentError(f"{name} is {value!r}; it must lie between 0 and 1, as in {example}.")
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
    labelled : bool
        Whether slots name replicates. Where they only count rows, which row of one unit meets
        which of another is drawn anew in every permutation.
    """

    block: IntArray
    unit: IntArray
    slot: IntArray
    labelled: bool = True

    def take(self, rows: IntArray) -> Layout:
        """Return the layout of some rows."""
        slot = self.slot[rows]
        if not self.labelled:
            slot = position_in_unit(self.unit[rows])
        return Layout(self.block[rows], self.unit[rows], slot, self.labelled)

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


def position_in_unit(unit: IntArray) -> IntArray:
    """Number the rows of every unit from 0."""
    seen: dict[int, int] = {}
    out = np.empty(len(unit), dtype=np.intp)
    for row, code in enumerate(unit.tolist()):
        out[row] = seen.get(code, 0)
        seen[code] = out[row] + 1
    return out


def bootstrap_weights(
    layout: Layout, n_resamples: int, rng: np.random.Generator, *, per_draw: int = 0
) -> Iterator[NDArray[np.float32]]:
    """Draw units with replacement within each block; yield how often each row was drawn.

    Parameters
    ----------
    layout : Layout
    n_resamples : int
    rng : Generator
    per_draw : int
        Numbers that the caller makes of each draw, where they outnumber the rows: it keeps
        portions small, and changes nothing else.

    Yields
    ------
    ndarray of float32, shape (a portion of the draws, n)
        Rows of a unit have equal weights; the number of units of each block is kept. Sums of
        these integers are exact below 2**24; products of sums are not, and need float64.
    """
    units, first, position = np.unique(layout.unit, return_index=True, return_inverse=True)
    single = len(units) == len(position)
    blocks = layout.block if single else layout.block[first]
    members = [np.flatnonzero(blocks == b) for b in np.unique(blocks)]
    generators = streams(rng, len(members))
    for _, size in portions(max(len(position), per_draw), n_resamples):
        # A row of all draws lies together in memory: kernels run along the draws.
        weights = np.empty((len(units), size), dtype=np.float32)
        for m, generator in zip(members, generators, strict=True):
            counts = _draw_counts(len(m), size, generator)
            if len(members) == 1:
                weights = counts
            else:
                weights[m] = counts
        yield weights.T if single else weights[position].T


def _draw_counts(m: int, draws: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw m of m with replacement, ``draws`` times; return how often each, shape (m, draws)."""
    out = np.empty((m, draws), dtype=np.float32)
    # So many draws at once that their counts stay in the processor's cache.
    step = max(16, 100_000 // m)
    for start in range(0, draws, step):
        many = min(step, draws - start)
        drawn = rng.integers(0, m, size=(many, m))
        drawn += (np.arange(many) * m)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=many * m)
        out[:, start : start + many] = counts.reshape(many, m).T
    return out


def count_permutations(layout: Layout) -> int:
    """Count the ways to exchange whole units within their classes."""
    return math.prod(math.factorial(len(c)) for c in layout.exchange_classes())


class Permutations:
    """Row permutations that move whole units within blocks, made in portions when iterated.

    Iterating again gives the same permutations again.

    Parameters
    ----------
    layout : Layout
    n_resamples : int
        Permutations to draw where they cannot all be listed.
    rng : Generator
    per_draw : int
        Numbers that the caller makes of each permutation; see :func:`bootstrap_weights`.

    Attributes
    ----------
    exact : bool
        Whether every permutation is listed once, the identity among them: where there are at most
        ``max(n_resamples, 100 000)``.
    count : int
        Number of permutations.
    """

    def __init__(
        self, layout: Layout, n_resamples: int, rng: np.random.Generator, *, per_draw: int = 0
    ) -> None:
        self._n = len(layout.unit)
        self._per_draw = max(self._n, per_draw)
        self._classes = [np.stack(c) for c in layout.exchange_classes() if len(c) > 1]
        total = count_permutations(layout)
        self._shuffled = (
            [rows for rows in layout.unit_rows() if len(rows) > 1]
            if not layout.labelled and total > 1
            else []
        )
        self.exact = total <= max(n_resamples, EXACT_LIMIT) and not self._shuffled
        self.count = total if self.exact else n_resamples
        self._seed = draw_seed(rng)

    def __iter__(self) -> Iterator[IntArray]:
        """Yield arrays, a row for each permutation: the row from which each row takes its value."""
        yield from self._listed() if self.exact else self._drawn()

    def _drawn(self) -> Iterator[IntArray]:
        many = len(self._classes) + len(self._shuffled)
        generators = streams(np.random.default_rng(self._seed), many)
        for _, size in portions(self._per_draw, self.count):
            rows = self._identity(size)
            for members, rng in zip(self._classes, generators[: len(self._classes)], strict=True):
                if members.shape[1] == 1:
                    single = np.tile(members[:, 0], (len(rows), 1))
                    rows[:, members[:, 0]] = rng.permuted(single, axis=1, out=single)
                    continue
                order = np.tile(np.arange(len(members)), (len(rows), 1))
                _place(rows, members, rng.permuted(order, axis=1))
            for unit, rng in zip(self._shuffled, generators[len(self._classes) :], strict=True):
                rows[:, unit] = rng.permuted(rows[:, unit], axis=1)
            yield rows

    def _listed(self) -> Iterator[IntArray]:
        orders = [
            np.array(list(itertools.permutations(range(len(c)))), dtype=np.intp)
            for c in self._classes
        ]
        sizes = tuple(len(order) for order in orders)
        for start, size in portions(self._per_draw, self.count):
            rows = self._identity(size)
            number = np.arange(start, start + len(rows))
            chosen = np.unravel_index(number, sizes) if sizes else ()
            for members, order, which in zip(self._classes, orders, chosen, strict=True):
                _place(rows, members, order[which])
            yield rows

    def _identity(self, size: int) -> IntArray:
        return np.tile(np.arange(self._n, dtype=np.intp), (size, 1))


def _place(rows: IntArray, members: IntArray, order: IntArray) -> None:
    for position, target in enumerate(members):
        rows[:, target] = members[order[:, position]]


class UnitSwaps:
    """Choices of units in which two columns trade their values, made in portions when iterated.

    Parameters
    ----------
    n_units : int
    n_resamples : int
        Choices to draw where they cannot all be listed.
    rng : Generator
    per_draw : int
        Numbers that the caller makes of each choice; see :func:`bootstrap_weights`.

    Attributes
    ----------
    exact : bool
        Whether all 2 ** n_units choices are listed once, the one without swaps among them: where
        there are at most ``max(n_resamples, 100 000)``.
    count : int
        Number of choices.
    """

    def __init__(
        self, n_units: int, n_resamples: int, rng: np.random.Generator, *, per_draw: int = 0
    ) -> None:
        self.n_units = n_units
        self._per_draw = max(n_units, per_draw)
        self.exact = n_units < 60 and 2**n_units <= max(n_resamples, EXACT_LIMIT)
        self.count = 2**n_units if self.exact else n_resamples
        self._rng = rng

    def __iter__(self) -> Iterator[NDArray[np.bool_]]:
        """Yield arrays, a row for each choice: whether the unit is swapped."""
        for start, size in portions(self._per_draw, self.count):
            if self.exact:
                number = np.arange(start, start + size)[:, None]
                yield ((number >> np.arange(self.n_units)) & 1).astype(bool)
            else:
                # Whole words for each draw: numpy throws away what is left of one.
                width = -(-self.n_units // 32) * 4
                bits = self._rng.integers(0, 256, size=(size, width), dtype=np.uint8)
                yield np.unpackbits(bits, axis=1, count=self.n_units).view(bool)


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
    two_sided = min(1.0, 2 * min(greater, less))
    return {"two-sided": two_sided, "greater": greater, "less": less}[alternative]
