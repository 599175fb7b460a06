"""Whether the planner's power is the power that the tests have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tables

import metareval as mr

# At alpha 0.05 and 0.01 the levels are among the values of (b + 1) / (B + 1).
RESAMPLES = 399


@dataclass(frozen=True)
class Case:
    """One planned study.

    Parameters
    ----------
    statistic : str
    rho : float
        Correlation to be found; for a difference, the higher reliability.
    n : int
        Models; 0 for as many as the planner says give a power of 0.8.
    tests : int
        Tests that share alpha, by Bonferroni.
    blocks : int
        Blocks into which the models are divided.
    difference : bool
        Find the planner's smallest difference between two metrics, rather than ``rho``.
    tables : int
    """

    statistic: str
    rho: float
    n: int
    tests: int = 1
    blocks: int = 1
    difference: bool = False
    tables: int = 400

    @property
    def name(self) -> str:
        """A name of its own."""
        return (
            f"{self.statistic} {self.rho:g} n={self.n} tests={self.tests} blocks={self.blocks} "
            f"difference={self.difference}"
        )

    def planned(self) -> tuple[int, float, float]:
        """Return the models, the value to be found, and the power that the planner gives."""
        options: dict[str, Any] = {"rho": self.rho, "statistic": self.statistic}
        options |= {"tests": self.tests, "n_blocks": self.blocks, "rng": 0}
        n = self.n or mr.plan(**options).models_needed
        found = mr.plan(n_units=n, **options)
        if self.difference:
            return n, found.smallest_difference, found.power
        return n, self.rho, found.power_at_hand

    def rejects(self, rng: np.random.Generator, n: int, value: float) -> dict[str, bool]:
        """Draw one study and say which tests find what is there."""
        seed = int(rng.integers(2**31))
        level = 0.05 / self.tests + 1e-12
        r = tables.latent(self.statistic, self.rho)
        if self.difference:
            other = tables.latent(self.statistic, self.rho - value)
            between = tables.latent(self.statistic, 0.5)
            values = tables.normal(rng, n, tables.matrix(r, other, between=between))
            found = mr.compare_metrics(
                tables.table(values), statistic=self.statistic, n_resamples=RESAMPLES, rng=seed
            ).frame.iloc[0]
            return {
                "paired permutation": bool(found["pvalue"] <= level),
                "Williams": bool(found["williams_p"] <= level),
            }
        values = tables.normal(rng, n, tables.matrix(r))
        found = mr.reliability(
            tables.table(values, blocks=self.blocks),
            statistic=self.statistic,
            n_resamples=RESAMPLES,
            rng=seed,
        ).frame.iloc[0]
        return {"permutation": bool(found["pvalue"] <= level)}


CASES = (
    *(Case(s, 0.5, 12) for s in ("spearman", "kendall", "pearson")),
    Case("spearman", 0.8, 12),
    *(Case(s, 0.5, 0) for s in ("spearman", "kendall", "pearson")),
    Case("spearman", 0.3, 0),
    Case("spearman", 0.7, 0),
    Case("kendall", 0.3, 0),
    Case("spearman", 0.5, 0, tests=5),
    Case("spearman", 0.5, 36, blocks=3),
    Case("spearman", 0.5, 12, blocks=3),
    Case("spearman", 0.8, 12, blocks=3),
    Case("kendall", 0.5, 18, blocks=6),
    Case("pearson", 0.5, 24, blocks=6),
    Case("spearman", 0.5, 0, blocks=3),
    Case("kendall", 0.5, 0, blocks=6),
    Case("spearman", 0.7, 36, difference=True),
    Case("pearson", 0.7, 100, difference=True, tables=400),
    Case("kendall", 0.5, 100, difference=True),
)
