"""Tables of models whose true associations are known, and what those associations are."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import metareval as mr
from metareval.stats.association import association
from metareval.stats.statistics import get_statistic

FloatArray = NDArray[np.float64]

# Rows with which a population value without a formula is computed; its error is below 0.002.
MANY = 1_000_000


def latent(statistic: str, value: float) -> float:
    """Return the correlation of two normal variables whose statistic has the given value."""
    if statistic == "kendall":
        return math.sin(math.pi * value / 2)
    return 2 * math.sin(math.pi * value / 6) if statistic == "spearman" else value


def population(statistic: str, r: float) -> float:
    """Return the statistic of two normal variables that correlate r."""
    if statistic == "kendall":
        return 2 / math.pi * math.asin(r)
    return 6 / math.pi * math.asin(r / 2) if statistic == "spearman" else r


@lru_cache(maxsize=64)
def tied_population(statistic: str, r: float, levels: int) -> float:
    """Return the statistic of two normal variables that are rounded to a few levels."""
    rng = np.random.default_rng(0)
    values = in_levels(normal(rng, MANY, matrix(r)), levels)
    rows = [np.arange(MANY, dtype=np.intp)]
    return float(association(values, rows, get_statistic(statistic), "pooled")[0, 0, 1])


def matrix(*with_last: float, between: float | None = None) -> FloatArray:
    """Return a correlation matrix: of each variable with the last, and between the others.

    By default two of the others correlate as their correlations with the last make them.
    """
    k = len(with_last)
    out = np.eye(k + 1)
    out[:k, k] = out[k, :k] = with_last
    for a in range(k):
        for b in range(a):
            shared = with_last[a] * with_last[b]
            out[a, b] = out[b, a] = shared if between is None else between
    return out


def normal(rng: np.random.Generator, n: int, correlations: FloatArray) -> FloatArray:
    """Draw n rows of normal variables with the given correlations."""
    root = np.linalg.cholesky(correlations)
    return rng.normal(size=(n, len(correlations))) @ root.T


def repeated(
    rng: np.random.Generator, n_units: int, repeats: int, correlations: FloatArray, icc: float
) -> FloatArray:
    """Draw units with repeats of each: a share ``icc`` of all variance lies between units."""
    units = np.repeat(normal(rng, n_units, correlations), repeats, axis=0)
    own = normal(rng, n_units * repeats, correlations)
    return math.sqrt(icc) * units + math.sqrt(1 - icc) * own


def in_levels(values: FloatArray, levels: int) -> FloatArray:
    """Round normal values to a few levels, from rare to common, as accuracies on few samples."""
    cuts = np.linspace(-1.2, 1.2, levels - 1)
    return np.searchsorted(cuts, values.ravel()).reshape(values.shape).astype(np.float64)


def table(
    values: FloatArray,
    *,
    blocks: int = 1,
    items: int | None = None,
    replicates: int = 1,
    labelled: bool = True,
    oracle: bool = True,
) -> mr.MetricTable:
    """Return a table whose last variable is the closeness to the oracle, the others metrics.

    Rows lie block by block, item by item, replicate by replicate.
    """
    n_metrics = values.shape[1] - oracle
    names = [f"m{i}" for i in range(n_metrics)]
    frame = pd.DataFrame(values[:, :n_metrics], columns=names)
    options: dict[str, Any] = {}
    if oracle:
        frame["distance"] = -values[:, -1]
        options["oracle"] = "distance"
    per_block = len(values) // blocks
    items = per_block // replicates if items is None else items
    if blocks > 1:
        frame["block"] = [f"b{i}" for i in np.repeat(np.arange(blocks), per_block)]
        options["block"] = "block"
    if replicates > 1:
        item = np.tile(np.repeat(np.arange(items), replicates), blocks)
        frame["item"] = [f"i{i}" for i in item]
        options["item"] = "item"
        if labelled:
            frame["seed"] = [f"s{i}" for i in np.tile(np.arange(replicates), blocks * items)]
            options["replicate"] = "seed"
    return mr.MetricTable.from_frame(
        frame,
        metrics=names,
        directions=dict.fromkeys(names, "higher"),
        **options,
    )
