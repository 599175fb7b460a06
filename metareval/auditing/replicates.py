"""Repeats of one model that count as models, or drown them in noise: MR003, MR014."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metareval.auditing.context import Context, Group
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import coefficient, count, listing, name, pvalue, quantity
from metareval.stats.association import association
from metareval.stats.normal_theory import correlation_pvalue
from metareval.stats.pairs import pair_index
from metareval.stats.ranks import centred_ranks
from metareval.stats.statistics import get_statistic

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Above one half, replicates have more in common than sets them apart.
HIGH_ICC = 0.5
# Two standard errors: about the 5 % level of a difference of two means.
STANDARD_ERRORS = 2.0
NOISY_SHARE = 0.5
# A difference of exactly two standard errors is not below them, whatever rounding says.
ROUNDING = 1e-9


def intraclass(values: FloatArray, block: IntArray, unit: IntArray) -> tuple[float, float]:
    """Return the intraclass correlation of ranks within blocks, and the mean size of a unit.

    One-way analysis of variance of units within blocks on average ranks; the size is the usual
    one for unequal groups. NaN where nothing varies or no block has two units.
    """
    keep = ~np.isnan(values)
    values, block, unit = values[keep], block[keep], unit[keep]
    between = within = units_df = size = 0.0
    for b in np.unique(block):
        inside = block == b
        ranks = centred_ranks(values[inside])
        groups = [ranks[unit[inside] == u] for u in np.unique(unit[inside])]
        counts = np.array([len(g) for g in groups], dtype=np.float64)
        # Centred ranks sum to zero in a block, so that the grand mean is zero.
        between += sum(float(g.sum()) ** 2 / len(g) for g in groups)
        within += sum(float(((g - g.mean()) ** 2).sum()) for g in groups)
        units_df += len(groups) - 1
        size += counts.sum() - (counts**2).sum() / counts.sum()
    rows_df = len(values) - len(np.unique(unit))
    if units_df == 0 or rows_df == 0:
        return math.nan, math.nan
    size /= units_df
    mean_between, mean_within = between / units_df, within / rows_df
    below = mean_between + (size - 1) * mean_within
    return (mean_between - mean_within) / below if below > 0 else math.nan, size


def _pseudo(context: Context) -> Iterator[Finding]:
    table = context.table
    if table.item is None or not context.has_replicates:
        return
    block, unit = table.codes("block"), table.unit_codes
    icc: dict[str, float] = {}
    effect: dict[str, float] = {}
    for column, values in context.columns.items():
        icc[column], size = intraclass(values, block, unit)
        effect[column] = 1 + (size - 1) * max(icc[column], 0.0)
    high = {c: v for c, v in icc.items() if v > HIGH_ICC}
    top = sorted(high, key=lambda c: (-round(high[c], 6), c))
    n, n_units = len(table), table.n_units
    alike = (
        "replicates of a cell repeat each other (intraclass correlation of "
        + listing([f"{name(c)} {coefficient(high[c])}" for c in top])
        + ")"
        if top
        else "replicates of a cell are not models of their own"
    )
    evidence: dict[str, Any] = {
        "n_rows": n,
        "n_units": n_units,
        "icc": icc,
        "design_effect": effect,
        "effective_rows": {c: n / e for c, e in effect.items()},
    }
    shift = ""
    if context.claims is not None and context.claims.rho_p and context.closeness is not None:
        means = _unit_reliability(context)
        for metric, p in context.claims.rho_p.items():
            means[metric]["claimed_p"] = p
        evidence["reliability_of_unit_means"] = means
        lost = [
            f"from {pvalue(p)} to {pvalue(means[m]['p'])} for {name(m)}"
            for m, p in context.claims.rho_p.items()
            if p < 0.05 <= means[m]["p"]
        ]
        shift = f"; on means over replicates the claimed p rises {listing(lost)}" if lost else ""
    yield PSEUDO_REPLICATION.finding(
        f"The {count(n, 'row')} are only {count(n_units, 'independent unit')}: {alike}{shift}.",
        evidence,
        severity="error" if high else "warning",
        metrics=[m for m in context.metrics if m in high],
    )


def _unit_reliability(context: Context) -> dict[str, dict[str, float]]:
    """Return rho and p of each metric over unit means, pooled as the claim was."""
    units = context.table.aggregate()
    out = {}
    for a, metric in enumerate(context.metrics):
        columns = np.column_stack([units.oriented[:, a], units.closeness])
        n = int((~np.isnan(columns).any(axis=1)).sum())
        everything = [np.arange(len(units), dtype=np.intp)]
        rho = association(columns, everything, get_statistic("spearman"), "pooled")[0, 0, 1]
        out[metric] = {"rho": float(rho), "p": correlation_pvalue(float(rho), n)}
    return out


PSEUDO_REPLICATION = Rule(
    code="MR003",
    slug="pseudo-replication",
    title="Replicates are counted as models",
    severity="warning",
    what="Tables with several rows of one (block, item) cell: rows against independent units, the "
    "intraclass correlation of every metric and of the oracle distance on ranks within blocks, and "
    "the design effect 1 + (m - 1) ICC. An error where an intraclass correlation exceeds "
    f"{HIGH_ICC}.",
    why="Three seeds of one method are not three methods. A test that takes them for such finds "
    "small p-values because the same fact is counted three times.",
    example="The 36 released rows are 12 units; replicates repeat each other with an intraclass "
    "correlation of 0.984 in RA and 0.936 in the oracle distance. On means over replicates the "
    "claimed p of RA rises from 0.0028 to 0.11.",
    advice="Resample and permute (block, item) cells whole, as metareval does by default, or "
    "average the replicates first.",
    check=_pseudo,
)


def _noise(values: list[FloatArray]) -> dict[str, float] | None:
    """Compare the noise of item means with their spread; None where there is no noise to judge.

    Items have their own noise (a diverged one has far more); one with a single value borrows the
    pooled variance.
    """
    degrees = sum(len(v) - 1 for v in values)
    if len(values) < 2 or degrees < 1:
        return None
    variance = sum(float(((v - v.mean()) ** 2).sum()) for v in values) / degrees
    if not variance > 0 or all((v == v[0]).all() for v in values):
        return None
    means = np.array([v.mean() for v in values])
    error = np.array([(float(v.var(ddof=1)) if len(v) > 1 else variance) / len(v) for v in values])
    i, j = pair_index(len(values))
    limit = STANDARD_ERRORS * np.sqrt(error[i] + error[j])
    close = np.abs(means[i] - means[j]) < limit * (1 - ROUNDING)
    return {
        "n_pairs": len(i),
        "n_close": int(close.sum()),
        "replicate_sd": math.sqrt(variance),
        "standard_error": math.sqrt(float(error.mean())),
        "sd_between_items": float(means.std(ddof=1)),
    }


def _block_noise(context: Context, a: int, block: Group) -> dict[str, float] | None:
    members = context.table.unit_codes[block.rows]
    column = context.x[block.rows, a]
    groups = [column[members == u] for u in np.unique(members)]
    return _noise([kept for g in groups if len(kept := g[np.isfinite(g)])])


def _noisy(context: Context) -> Iterator[Finding]:
    if context.table.item is None or not context.has_replicates:
        return
    for a, metric in enumerate(context.metrics):
        found = {}
        for block in context.blocks:
            noise = _block_noise(context, a, block)
            if noise is not None and (
                noise["standard_error"] >= noise["sd_between_items"]
                or noise["n_close"] >= NOISY_SHARE * noise["n_pairs"]
            ):
                found[block.label] = noise
        if not found:
            continue
        cells = listing(
            [
                f"{v['n_close']:.0f} of {count(int(v['n_pairs']), 'pair')} of items"
                + (f" in {name(b)}" if context.table.block is not None else "")
                + f" (standard error {quantity(v['standard_error'])}, SD between item means "
                f"{quantity(v['sd_between_items'])})"
                for b, v in found.items()
            ],
            limit=3,
        )
        yield REPLICATE_NOISE.finding(
            f"Replicates of {name(metric)} are too noisy to tell apart {cells}.",
            {"blocks": found},
            metrics=[metric],
            blocks=list(found),
        )


REPLICATE_NOISE = Rule(
    code="MR014",
    slug="replicate-noise",
    title="Replicates differ as much as items",
    severity="warning",
    what="For each metric and block, the standard deviation between replicates of an item against "
    "the spread of item means: at least half of the pairs of items lie within two standard errors "
    "of their difference, or the standard error of a mean is no smaller than the spread.",
    why="Where seeds differ as much as methods, a new set of seeds gives a new ranking.",
    example="In the released results 3 of the 6 pairs of methods of mllmu_bench lie within two "
    "standard errors of each other in JS: over 3 seeds a mean has a standard error of 0.002804, "
    "and the means themselves a standard deviation of 0.00824.",
    advice="Run more replicates of these items, or report them as tied.",
    check=_noisy,
)

RULES = (PSEUDO_REPLICATION, REPLICATE_NOISE)
