"""How many models does a study need, and what could it show with those it has?"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metareval.coerce import as_table
from metareval.design import build_design
from metareval.errors import ArgumentError
from metareval.results import Result, plural
from metareval.stats import power as planner
from metareval.stats.resample import Layout, Rng, check_fraction, check_resamples, resolve_rng
from metareval.stats.simulated_power import BlockPower
from metareval.stats.statistics import get_statistic
from metareval.table import MetricTable

# More models or tests than anybody has.
MOST = 10**9
# Formulas hold in blocks larger than this.
MOST_DRAWN = 50
# A detectable correlation is looked for to this step; draws know it no better.
DETECTABLE_WITHIN = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Result):
    """What a number of independent models can show; see :func:`plan`.

    Parameters
    ----------
    n_units : int
        Independent models at hand; 0 where none were given.
    n_blocks : int
        Blocks that they are divided into.
    rho : float
        Correlation to be found.
    models_needed : int
        Independent models that find it with the power, divided evenly into as many blocks.
    power_at_hand : float
        Power of the models at hand to find it.
    smallest_detectable : float
        Smallest correlation the models at hand find with the power; NaN where none.
    smallest_difference : float
        Smallest difference between two metrics' reliabilities that they find, from ``rho``
        downwards, for metrics that correlate ``between``; NaN where none.
    smallest_pvalue : float
        Smallest two-sided p that permutations of the models at hand within their blocks can reach.
        NaN where none were given.
    alpha_per_test : float
        ``alpha`` over the number of tests.
    """

    n_units: int
    n_blocks: int
    rho: float
    models_needed: int
    power_at_hand: float
    smallest_detectable: float
    smallest_difference: float
    smallest_pvalue: float
    alpha: float
    alpha_per_test: float
    power: float
    tests: int
    between: float
    statistic: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each answer."""
        # Short enough to be shown whole.
        answers: dict[str, Any] = {
            f"models to find {self.rho:g}": self.models_needed,
            "independent models": self.n_units,
            "blocks": self.n_blocks,
            f"power to find {self.rho:g}": self.power_at_hand,
            "smallest rho found": self.smallest_detectable,
            "smallest difference found": self.smallest_difference,
            "smallest p-value": self.smallest_pvalue,
            "level of each test": self.alpha_per_test,
        }
        if self.n_units == 0:
            first, *_, last = answers
            answers = {key: answers[key] for key in (first, last)}
        return pd.DataFrame(
            {"value": list(answers.values())},
            index=pd.Index(list(answers), name="answer"),
            dtype=object,  # counts stay whole numbers
        )

    def headline(self) -> str:
        """Return one line that says what was asked."""
        return (
            f"Plan ({self.statistic}, power {self.power:g}, alpha {self.alpha:g} over "
            f"{plural(self.tests, 'test')})"
        )


def plan(
    table: MetricTable | pd.DataFrame | None = None,
    *,
    rho: float = 0.5,
    n_units: int | None = None,
    n_blocks: int | None = None,
    tests: int | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    between: float = 0.5,
    statistic: str = "spearman",
    n_resamples: int = 10_000,
    rng: Rng = None,
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> Plan:
    """Say how many independent models a study needs, and what a given number can show.

    Parameters
    ----------
    table : MetricTable or DataFrame, optional
        Gives ``n_units`` and ``n_blocks`` (its independent units in each block) and ``tests`` (its
        metrics), where these are not given.
    rho : float
        Correlation to be found.
    n_units : int, optional
        Independent models at hand, in all blocks together.
    n_blocks : int, optional
        Blocks within which models are compared, one by default; ``n_units`` are divided evenly.
    tests : int, optional
        Number of tests that share ``alpha`` (Bonferroni); one by default.
    power, alpha : float
        Wanted power, and level of a two-sided test.
    between : float
        Correlation between two metrics whose reliabilities are compared.
    statistic : {"spearman", "kendall", "pearson"}
    n_resamples : int
        Studies drawn for each power, where there are blocks.
    rng : None, int or Generator
        Seed of these.
    directions, block, item, replicate
        Roles, for a DataFrame.

    Returns
    -------
    Plan

    Raises
    ------
    ArgumentError
        An option is out of range, or there are fewer models than two for each block.

    Notes
    -----
    In one block by Fisher's z, whose variance is (1 + rho^2 / 2) / (n - 3) for Spearman (Bonett and
    Wright 2000) and 0.437 / (n - 4) for Kendall (Fieller, Hartley and Pearson 1957). In blocks of
    at most 50 models that promises too much, and studies of normal values are drawn instead;
    larger blocks cost a model each. Differences are always by Fisher's z, with Steiger's (1980)
    covariance of two dependent correlations.

    Examples
    --------
    >>> import metareval as mr
    >>> mr.plan(rho=0.5, n_units=12).models_needed
    30
    """
    wanted = check_fraction(power, "power", example=0.8)
    level = check_fraction(alpha, "alpha", example=0.05)
    if isinstance(rho, bool) or not isinstance(rho, numbers.Real) or not 0 < abs(rho) < 1:
        raise ArgumentError(f"rho is {rho!r}; it must lie between -1 and 1 and not be 0.")
    if isinstance(between, bool) or not isinstance(between, numbers.Real) or not -1 < between < 1:
        raise ArgumentError(f"between is {between!r}; it must lie between -1 and 1.")
    given = {"tests": tests, "n_units": n_units, "n_blocks": n_blocks}
    for name, value in given.items():
        if value is not None:
            _check_count(name, value)
    draws, generator = check_resamples(n_resamples), resolve_rng(rng)
    sizes: list[int] = []
    if table is not None:
        data = as_table(table, directions=directions, block=block, item=item, replicate=replicate)
        if n_units is None and n_blocks is None:
            sizes = _units_in_blocks(build_design(data, oracle=False).layout)
        n_blocks = len(data.levels("block")) if n_blocks is None else n_blocks
        n_units = data.n_units if n_units is None else n_units
        tests = len(data.metrics) if tests is None else tests
    n_blocks, tests = int(n_blocks or 1), int(tests or 1)
    if n_units is not None and not sizes:
        sizes = _evenly(int(n_units), n_blocks)
    each = level / tests
    found = _Planner(statistic, n_blocks, each, wanted, draws, generator)
    return Plan(
        n_units=sum(sizes),
        n_blocks=n_blocks,
        rho=float(rho),
        models_needed=found.models_needed(rho),
        power_at_hand=found.power(rho, sizes) if sizes else math.nan,
        smallest_detectable=found.smallest_detectable(sizes) if sizes else math.nan,
        smallest_difference=planner.smallest_detectable_difference(
            abs(rho), sum(sizes) - n_blocks + 1, between,
            power_wanted=wanted, alpha=each, statistic=statistic,
        )
        if sizes
        else math.nan,
        smallest_pvalue=planner.smallest_pvalue(*sizes) if sizes else math.nan,
        alpha=level,
        alpha_per_test=each,
        power=wanted,
        tests=tests,
        between=float(between),
        statistic=statistic,
    )  # fmt: skip


@dataclass(frozen=True)
class _Planner:
    """Powers in a number of blocks: by formula, or by drawing where blocks are small."""

    statistic: str
    n_blocks: int
    alpha: float
    wanted: float
    n_draws: int
    rng: np.random.Generator

    def power(self, rho: float, sizes: Sequence[int]) -> float:
        drawn = self._drawn(sizes)
        return self._formula(rho, sum(sizes)) if drawn is None else drawn.power(rho)

    def models_needed(self, rho: float) -> int:
        n = planner.models_needed(
            rho, power_wanted=self.wanted, alpha=self.alpha, statistic=self.statistic
        )
        if self.n_blocks == 1:
            return n
        # Of one size are the blocks of a study that is still to be made.
        low, high = 1, 2
        while high <= MOST_DRAWN and self.power(rho, [high] * self.n_blocks) < self.wanted:
            low, high = high, high * 2
        if high > MOST_DRAWN:
            if self.power(rho, [MOST_DRAWN] * self.n_blocks) < self.wanted:
                return self.n_blocks * -(-(n + self.n_blocks - 1) // self.n_blocks)
            high = MOST_DRAWN
        while high - low > 1:
            middle = (low + high) // 2
            enough = self.power(rho, [middle] * self.n_blocks) >= self.wanted
            low, high = (low, middle) if enough else (middle, high)
        return high * self.n_blocks

    def smallest_detectable(self, sizes: Sequence[int]) -> float:
        drawn = self._drawn(sizes)
        if drawn is None:
            return planner.smallest_detectable(
                sum(sizes) - self.n_blocks + 1,
                power_wanted=self.wanted,
                alpha=self.alpha,
                statistic=self.statistic,
            )
        low, high = 0.0, 1.0
        if drawn.power(high) < self.wanted:
            return math.nan
        while high - low > DETECTABLE_WITHIN:
            middle = (low + high) / 2
            low, high = (low, middle) if drawn.power(middle) >= self.wanted else (middle, high)
        return high

    def _formula(self, rho: float, n: int) -> float:
        return planner.power(rho, n - self.n_blocks + 1, alpha=self.alpha, statistic=self.statistic)

    def _drawn(self, sizes: Sequence[int]) -> BlockPower | None:
        if len(sizes) == 1 or max(sizes) > MOST_DRAWN:
            return None
        return BlockPower(
            sizes,
            statistic=get_statistic(self.statistic),
            alpha=self.alpha,
            n_draws=self.n_draws,
            rng=self.rng,
        )


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ArgumentError(f"{name} is {value!r}; it must be an integer of at least 1.")
    if not 1 <= int(value) <= MOST:
        raise ArgumentError(f"{name} is {value!r}; it must lie between 1 and {MOST:,}.")


def _units_in_blocks(layout: Layout) -> list[int]:
    """Return the number of independent units in each block."""
    pairs = np.unique(np.column_stack([layout.block, layout.unit]), axis=0)
    return [int(count) for count in np.bincount(pairs[:, 0])]


def _evenly(n: int, parts: int) -> list[int]:
    """Divide models into blocks that differ by one at most."""
    if parts > 1 and n < 2 * parts:
        raise ArgumentError(
            f"{n} models in {parts} blocks: a block needs at least 2. Give n_units, the models of "
            "all blocks together, or fewer blocks."
        )
    return [n // parts + (i < n % parts) for i in range(parts)]
