"""The power of a permutation test within blocks of few models, by drawing studies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from metareval.stats.association import combine
from metareval.stats.cells import Statistic
from metareval.stats.power import smallest_pvalue
from metareval.stats.ranks import FloatArray
from metareval.stats.resample import TOLERANCE, draw_seed, portions

# Larger studies are drawn less often: about so many values for each correlation looked at, but
# never fewer studies than leave a standard error of 0.01.
NUMBERS = 2**18
LEAST_DRAWS = 2000
# What fewer studies than this exceed by chance is not left to draws.
LEAST_RARE = 20


def latent(statistic: str, rho: float) -> float:
    """Return the product moment of two normal variables that have a rank correlation.

    Examples
    --------
    >>> round(latent("kendall", 0.5), 3)
    0.707
    """
    if statistic == "kendall":
        return math.sin(math.pi * rho / 2)
    return 2 * math.sin(math.pi * rho / 6) if statistic == "spearman" else rho


class BlockPower:
    """The power to find a correlation in blocks of given sizes.

    Values are normal, one for each model; the test permutes models within their blocks.

    Parameters
    ----------
    sizes : sequence of int
        Models in each block.
    statistic : Statistic
    alpha : float
        Level of the two-sided test.
    n_draws : int
        Studies drawn, at most.
    rng : Generator
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        statistic: Statistic,
        alpha: float,
        n_draws: int,
        rng: np.random.Generator,
    ) -> None:
        ends = np.cumsum(sizes)
        self._cells = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self._n = int(ends[-1])
        self._statistic = statistic
        self._draws = min(n_draws, max(LEAST_DRAWS, NUMBERS // self._n))
        self._seed = draw_seed(rng)
        seed = draw_seed(rng)
        possible = smallest_pvalue(*sizes) <= alpha
        self.critical = self._critical(alpha, seed) if possible else math.inf

    def power(self, rho: float) -> float:
        """Return the share of studies in which a correlation is found; alike for its negative."""
        values = self._values(rho, self._seed)
        return float((values >= self.critical - TOLERANCE).mean())

    def _critical(self, alpha: float, seed: list[int]) -> float:
        """Return the smallest absolute value that chance reaches at most so often."""
        if alpha * self._draws < LEAST_RARE:
            return min(1.0, self._in_the_tail(alpha))
        values = np.sort(self._values(0.0, seed))
        least = np.searchsorted(values, values - TOLERANCE)
        rare = least[(len(values) - least) <= alpha * len(values)]
        # Perfect agreement is rare enough, however often it came among these draws.
        return float(values[rare[0]]) if len(rare) else 1.0

    def _in_the_tail(self, alpha: float) -> float:
        """Return the critical value by the normal distribution for Kendall, else by Student's t.

        Under permutation the numerator of tau has variance n (n - 1) (2 n + 5) / 18 in each block,
        and that of Spearman's rho the share 1 / (n - 1) of the square of the largest it can be,
        n (n^2 - 1) / 12; t has the degrees of freedom that this leaves.
        """
        n = np.array([len(rows) for rows in self._cells if len(rows) > 1], dtype=np.float64)
        if self._statistic.name == "kendall":
            spread = math.sqrt((n * (n - 1) * (2 * n + 5)).sum() / 18)
            return float(-special.ndtri(alpha / 2) * spread / (n * (n - 1) / 2).sum())
        largest = n * (n**2 - 1)
        units = (n - 1).sum()
        if self._statistic.name == "spearman":
            units = largest.sum() ** 2 / (largest**2 / (n - 1)).sum()
        t = float(special.stdtrit(units - 1, 1 - alpha / 2))
        return t / math.sqrt(float(units) - 1 + t * t)

    def _values(self, rho: float, seed: list[int]) -> FloatArray:
        """Draw studies, from a seed alike for every correlation; return absolute estimates."""
        r = latent(self._statistic.name, abs(rho))
        rng = np.random.default_rng(seed)
        found: list[FloatArray] = []
        for _, many in portions(self._n, self._draws):
            x = rng.standard_normal((many, self._n, 2))
            x[..., 1] = r * x[..., 0] + math.sqrt(1 - r * r) * x[..., 1]
            sums = self._statistic.batch(x, self._cells)
            found.append(np.abs(combine(sums, self._statistic, "stratified")[:, 0, 1]))
        # A block of one model, or of none that vary, says nothing.
        out: FloatArray = np.nan_to_num(np.concatenate(found))
        return out
