"""Whether the ceiling that several oracles set is what the truth reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tables
from numpy.typing import NDArray

import metareval as mr
from metareval.questions.reliability import T_STATISTICS
from metareval.stats.association import association
from metareval.stats.statistics import get_statistic

FloatArray = NDArray[np.float64]
RESAMPLES = 299


@dataclass(frozen=True)
class Case:
    """Distances to k oracles with noise of their own.

    Parameters
    ----------
    statistic : str
    n, blocks : int
        Models in each block, blocks.
    k : int
        Oracles.
    noise : float
        Standard deviation of an oracle's noise; that of the closeness is 1.
    lognormal : bool
        A skewed closeness.
    tables : int
    """

    statistic: str
    n: int
    k: int = 3
    noise: float = 1.0
    blocks: int = 1
    lognormal: bool = False
    tables: int = 250

    @property
    def name(self) -> str:
        """A name of its own."""
        return (
            f"{self.statistic} n={self.n} k={self.k} noise={self.noise:g} blocks={self.blocks} "
            f"lognormal={self.lognormal}"
        )

    def draw(self, rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
        """Return the true closeness of n models, and its measures by each oracle."""
        true = rng.normal(size=n)
        if self.lognormal:
            true = (np.exp(true) - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e)
        return true, true[:, None] + self.noise * rng.normal(size=(n, self.k))

    def measure(self, rng: np.random.Generator) -> Sequence[float]:
        """Return the ceiling of one table, its interval, and what the truth reached."""
        true, repeats = self.draw(rng, self.n * self.blocks)
        frame = tables.table(np.column_stack([true, true]), blocks=self.blocks).frame
        names = [f"d{i}" for i in range(self.k)]
        frame[names] = -repeats
        quick = {} if self.blocks > 1 else {"estimate": "pooled"}
        if self.blocks == 1 and self.statistic in T_STATISTICS:
            quick["test"] = "t"
        found = mr.reliability(
            mr.MetricTable.from_frame(
                frame,
                metrics=["m0"],
                directions={"m0": "higher"},
                oracle=names,
                block="block" if self.blocks > 1 else None,
            ),
            statistic=self.statistic,
            n_resamples=RESAMPLES,
            rng=int(rng.integers(2**31)),
            **quick,
        )
        return found.ceiling, *found.ceiling_interval, float(found.rho["m0"])

    def reached(self) -> float:
        """Return what the truth reaches with many models."""
        return _reached(self.statistic, self.k, self.noise, self.lognormal)


@lru_cache(maxsize=64)
def _reached(statistic: str, k: int, noise: float, lognormal: bool) -> float:
    case = Case(statistic, 0, k, noise, lognormal=lognormal)
    true, repeats = case.draw(np.random.default_rng(0), tables.MANY // 5)
    both = np.column_stack([true, repeats.mean(axis=1)])
    rows = [np.arange(len(both), dtype=np.intp)]
    return float(association(both, rows, get_statistic(statistic), "pooled")[0, 0, 1])


CASES = (
    *(Case("spearman", n) for n in (12, 36, 150)),
    *(Case("kendall", n) for n in (12, 36, 150)),
    Case("spearman", 36, k=2),
    Case("spearman", 36, k=5),
    Case("spearman", 36, noise=0.3),
    Case("spearman", 36, noise=2.0),
    Case("spearman", 36, lognormal=True),
    Case("spearman", 12, blocks=3),
    Case("spearman", 4, blocks=3, tables=200),
)
