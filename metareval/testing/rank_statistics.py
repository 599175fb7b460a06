"""Rules for rank statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.testing.rules import failed, raised, shown

FloatArray = NDArray[np.float64]

TOLERANCE = 1e-9


def check_rank_statistic(
    function: Callable[[FloatArray, FloatArray], float],
    *,
    low: float = -1.0,
    high: float = 1.0,
    symmetric: bool = True,
    antisymmetric: bool = True,
) -> None:
    """Try a rank correlation on made-up rankings and raise at the first rule it breaks.

    The rules: ``result`` (a float), ``bounds``, ``perfect agreement`` (the upper bound for equal
    rankings without ties), ``permutation`` (the order of pairs does not matter), ``ties``
    (nor does it where values repeat, which it would if ties were broken by position), ``monotone``
    (only ranks count), ``symmetry``, ``antisymmetry`` (reversing a ranking changes the sign)
    and ``constant`` (NaN where a ranking is constant).

    Parameters
    ----------
    function : callable
        Takes two arrays of equal length and returns a float.
    low, high : float
        Its bounds.
    symmetric : bool
        Whether f(x, y) = f(y, x) is claimed.
    antisymmetric : bool
        Whether f(-x, y) = -f(x, y) is claimed.

    Raises
    ------
    CheckFailed
        It breaks a rule: the message says which, with the rankings that show it.

    Examples
    --------
    Breaking ties by position looks harmless, and is not:

    >>> import numpy as np
    >>> from metareval.testing import check_rank_statistic
    >>> def by_argsort(x, y):
    ...     if np.ptp(x) == 0 or np.ptp(y) == 0:
    ...         return float("nan")
    ...     rank = lambda v: np.argsort(np.argsort(v, kind="stable"))
    ...     return float(np.corrcoef(rank(x), rank(y))[0, 1])
    >>> check_rank_statistic(by_argsort)
    Traceback (most recent call last):
    ...
    metareval.errors.CheckFailed: The statistic by_argsort breaks the rule 'ties'. Found: ...
    """
    trial = _Trial(function, low, high)
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 12):
        x = rng.permutation(n).astype(np.float64)
        # Exact, since a statistic of equal rankings is its bound or wrong.
        trial.expect(high, x, x, rule="perfect agreement", doing="f(x, x) without ties")
    for n in (5, 8, 20):
        for levels in (n * n, 3):
            x, y = _ranking(rng, n, levels), _ranking(rng, n, levels)
            trial.check_pair(x, y, rng, tied=levels == 3)
            value = trial.value(x, y)
            if symmetric:
                trial.expect(value, y, x, rule="symmetry", doing="f(y, x)")
            if antisymmetric:
                trial.expect(-value, -x, y, rule="antisymmetry", doing="f(-x, y)")
                trial.expect(-value, x, -y, rule="antisymmetry", doing="f(x, -y)")
    steps, flat = np.arange(6.0), np.ones(6)
    for x, y in ((flat, steps), (steps, flat), (flat, flat)):
        trial.expect(math.nan, x, y, rule="constant", doing="f of a constant ranking")


class _Trial:
    """One function with its bounds."""

    def __init__(self, function: Callable[..., Any], low: float, high: float) -> None:
        self.function = function
        self.low, self.high = low, high
        self.what = f"The statistic {getattr(function, '__name__', shown(function))}"

    def value(self, x: FloatArray, y: FloatArray) -> float:
        before = x.copy(), y.copy()
        try:
            value = self.function(x, y)
        except Exception as error:
            raise failed(
                self.what,
                "result",
                found=f"{raised(error)} {_pair(*before)}",
                expected="a float",
                mend="Return NaN where the statistic is undefined.",
            ) from error
        if not isinstance(value, float):
            raise failed(
                self.what,
                "result",
                found=f"{shown(value)} of type {type(value).__name__} {_pair(*before)}",
                expected="a float",
                mend="Return float(...).",
            )
        if not (np.array_equal(x, before[0]) and np.array_equal(y, before[1])):
            raise failed(
                self.what,
                "unchanged input",
                found="arrays that changed when it was called",
                expected="the same arrays as before",
                mend="Change a copy: x.copy().",
            )
        if not math.isnan(value) and not self.low - TOLERANCE <= value <= self.high + TOLERANCE:
            raise failed(
                self.what,
                "bounds",
                found=f"{value!r} {_pair(x, y)}",
                expected=f"a float from {self.low:g} to {self.high:g}",
                mend="Check the denominator where values repeat.",
            )
        return value

    def expect(
        self, expected: float, x: FloatArray, y: FloatArray, *, rule: str, doing: str
    ) -> None:
        found = self.value(x, y)
        both_nan = math.isnan(found) and math.isnan(expected)
        if not both_nan and not abs(found - expected) <= TOLERANCE:
            raise failed(
                self.what,
                rule,
                found=f"{found:.6g} for {doing} {_pair(x, y)}",
                expected=f"{expected:.6g}",
                mend=_MEND[rule],
            )

    def check_pair(
        self, x: FloatArray, y: FloatArray, rng: np.random.Generator, *, tied: bool
    ) -> None:
        value = self.value(x, y)
        if math.isnan(value):
            raise failed(
                self.what,
                "result",
                found=f"nan {_pair(x, y)}",
                expected="a number, since both rankings vary",
                mend="Return NaN for constant rankings alone.",
            )
        for _ in range(5):
            order = rng.permutation(len(x))
            rule = "ties" if tied else "permutation"
            self.expect(value, x[order], y[order], rule=rule, doing="the same pairs in new order")
        for change in (_stretched, np.cbrt, _scaled):
            self.expect(value, change(x), y, rule="monotone", doing="f(g(x), y), g increasing")
            self.expect(value, x, change(y), rule="monotone", doing="f(x, g(y)), g increasing")


_MEND = {
    "perfect agreement": "Rankings that agree without ties must reach the upper bound.",
    "permutation": "Do not use the position of a pair.",
    "ties": "Give equal values equal ranks (averages), or count tied pairs as neither concordant "
    "nor discordant; argsort breaks ties by position.",
    "monotone": "Use ranks or the signs of differences, never the values.",
    "symmetry": "Pass symmetric=False if x and y play different parts.",
    "antisymmetry": "Pass antisymmetric=False if reversal is not meant to change the sign alone.",
    "constant": "A constant ranking orders nothing: return NaN, not 0 or 1.",
}


def _ranking(rng: np.random.Generator, n: int, levels: int) -> FloatArray:
    """Draw whole numbers, so that ties are exact; without ties where there are levels enough."""
    if levels > n:
        return rng.choice(levels, n, replace=False).astype(np.float64)
    values = rng.integers(0, levels, n).astype(np.float64)
    values[0], values[-1] = 0.0, levels
    return values


def _stretched(x: FloatArray) -> FloatArray:
    out: FloatArray = np.exp(x / max(np.abs(x).max(), 1.0))
    return out


def _scaled(x: FloatArray) -> FloatArray:
    return 1000.0 * x - 5.0


def _pair(x: FloatArray, y: FloatArray) -> str:
    return f"(x = {x.tolist()}, y = {y.tolist()})"
