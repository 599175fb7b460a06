"""How many models does a study need, and what could it show with those it has?"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metareval.coerce import as_table
from metareval.design import build_design
from metareval.errors import ArgumentError
from metareval.results import Result
from metareval.stats import power as planner
from metareval.stats.resample import check_fraction, count_permutations
from metareval.table import MetricTable

# More models or tests than anybody has.
MOST = 10**9


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Result):
    """What a number of independent models can show; see :func:`plan`.

    Parameters
    ----------
    n_units : int
        Independent models at hand; 0 where none were given.
    rho : float
        Correlation to be found.
    models_needed : int
        Independent models that find it with the power.
    power_at_hand : float
        Power of the models at hand to find it.
    smallest_detectable : float
        Smallest correlation the models at hand find with the power; NaN where none.
    smallest_difference : float
        Smallest difference between two metrics' reliabilities that they find, from ``rho``
        downwards, for metrics that correlate ``between``; NaN where none.
    smallest_pvalue : float
        Smallest two-sided p that permutations of the models at hand can reach: within the blocks
        of a table, or of ``n_units`` models in one block. NaN where neither was given.
    alpha_per_test : float
        ``alpha`` over the number of tests.
    """

    n_units: int
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
            f"power to find {self.rho:g}": self.power_at_hand,
            "smallest rho found": self.smallest_detectable,
            "smallest difference found": self.smallest_difference,
            "smallest p-value": self.smallest_pvalue,
            "level of each test": self.alpha_per_test,
        }
        if self.n_units == 0:
            answers = {k: answers[k] for k in (*list(answers)[:1], *list(answers)[-1:])}
        return pd.DataFrame(
            {"value": list(answers.values())},
            index=pd.Index(list(answers), name="answer"),
            dtype=float,
        )

    def headline(self) -> str:
        """Return one line that says what was asked."""
        return (
            f"Plan ({self.statistic}, power {self.power:g}, alpha {self.alpha:g} over "
            f"{self.tests} test{'s' * (self.tests > 1)})"
        )


def plan(
    table: MetricTable | pd.DataFrame | None = None,
    *,
    rho: float = 0.5,
    n_units: int | None = None,
    tests: int | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    between: float = 0.5,
    statistic: str = "spearman",
    directions: Mapping[str, str] | None = None,
    block: Any = None,
    item: Any = None,
    replicate: Any = None,
) -> Plan:
    """Say how many independent models a study needs, and what a given number can show.

    Parameters
    ----------
    table : MetricTable or DataFrame, optional
        Gives ``n_units`` (independent units, less one for each block after the first) and
        ``tests`` (its metrics).
    rho : float
        Correlation to be found.
    n_units : int, optional
        Independent models at hand.
    tests : int, optional
        Number of tests that share ``alpha`` (Bonferroni); one by default.
    power, alpha : float
        Wanted power, and level of a two-sided test.
    between : float
        Correlation between two metrics whose reliabilities are compared.
    statistic : {"spearman", "kendall", "pearson"}
    directions, block, item, replicate
        Roles, for a DataFrame.

    Returns
    -------
    Plan

    Notes
    -----
    By Fisher's z, whose variance is (1 + rho^2 / 2) / (n - 3) for Spearman (Bonett and Wright
    2000) and 0.437 / (n - 4) for Kendall (Fieller, Hartley and Pearson 1957); differences by
    Steiger's (1980) covariance of two dependent correlations.

    Examples
    --------
    >>> import metareval as mr
    >>> mr.plan(rho=0.5, n_units=12).models_needed
    30
    """
    wanted, level = check_fraction(power, "power"), check_fraction(alpha, "alpha")
    if isinstance(rho, bool) or not isinstance(rho, numbers.Real) or not 0 < abs(rho) < 1:
        raise ArgumentError(f"rho is {rho!r}; it must lie between -1 and 1 and not be 0.")
    if isinstance(between, bool) or not isinstance(between, numbers.Real) or not -1 < between < 1:
        raise ArgumentError(f"between is {between!r}; it must lie between -1 and 1.")
    least = math.nan
    if table is not None:
        data = as_table(table, directions=directions, block=block, item=item, replicate=replicate)
        layout = build_design(data, oracle=False).layout
        least = min(1.0, 2 / count_permutations(layout))
        if n_units is None:
            n_units = data.n_units - len(data.levels("block")) + 1
        if tests is None:
            tests = len(data.metrics)
    tests = 1 if tests is None else tests
    for name, value in (("tests", tests), ("n_units", 1 if n_units is None else n_units)):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise ArgumentError(f"{name} is {value!r}; it must be an integer of at least 1.")
        if not 1 <= value <= MOST:
            raise ArgumentError(f"{name} is {value!r}; it must lie between 1 and {MOST:,}.")
    each = level / tests
    options: dict[str, Any] = {"alpha": each, "statistic": statistic}
    n, tests = int(n_units or 0), int(tests)
    return Plan(
        n_units=n,
        rho=float(rho),
        models_needed=planner.models_needed(rho, power_wanted=wanted, **options),
        power_at_hand=planner.power(rho, n, **options) if n else math.nan,
        smallest_detectable=planner.smallest_detectable(n, power_wanted=wanted, **options)
        if n
        else math.nan,
        smallest_difference=planner.smallest_detectable_difference(
            abs(rho), n, between, power_wanted=wanted, **options
        )
        if n
        else math.nan,
        smallest_pvalue=least if table is not None else planner.smallest_pvalue(n),
        alpha=level,
        alpha_per_test=each,
        power=wanted,
        tests=tests,
        between=float(between),
        statistic=statistic,
    )
