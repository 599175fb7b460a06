"""Values that are missing, impossible or from another world: MR007, MR008, MR009."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metareval.auditing.context import Context, Group, finite
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import count, listing, name, names, quantity
from metareval.catalogue import KNOWN_METRICS

# Rounding error of a value at the end of its range.
RANGE_TOLERANCE = 1e-9
# With fewer than this many units, one that is so many medians large is most of the sum.
DIVERGED_MEDIANS = 100.0
DIVERGED_UNITS = 3
# One missing value lies in one item whatever the reason; two in the same item ask for one.
INFORMATIVE_VALUES = 2
ROWS_NAMED = 20


def _non_finite(context: Context) -> Iterator[Finding]:
    columns = {m: context.x[:, a] for a, m in enumerate(context.metrics)} | context.distances
    labels = np.array(context.table.labels("item"), dtype=object)
    block_labels = np.array(context.table.labels("block"), dtype=object)
    for column, values in columns.items():
        missing, infinite = np.isnan(values), np.isinf(values)
        if not (missing.any() or infinite.any()):
            continue
        rows = np.flatnonzero(missing | infinite)
        items = list(dict.fromkeys(labels[missing]))
        informative = _informative(context, missing, items)
        named = context.rows_named(rows)
        parts = []
        if missing.any():
            parts.append(f"{int(missing.sum())} missing")
        if infinite.any():
            parts.append(f"{int(infinite.sum())} infinite")
        where = (
            f"every one from {names(items)}"
            if informative
            else listing([name(r) for r in named], limit=3)
        )
        yield NON_FINITE.finding(
            f"{name(column)} has {' and '.join(parts)} of {count(len(values), 'value')}: {where}.",
            {
                "column": column,
                "n_missing": int(missing.sum()),
                "n_infinite": int(infinite.sum()),
                "rows": named[:ROWS_NAMED],
                "items": items if context.table.item is not None else [],
                "informative": informative,
            },
            severity="error" if informative or infinite.any() else "warning",
            advice=INFORMATIVE_ADVICE if informative else None,
            metrics=[column] if column in context.metrics else (),
            blocks=sorted(set(block_labels[rows])) if context.table.block is not None else (),
        )


def _informative(context: Context, missing: NDArray[np.bool_], items: list[str]) -> bool:
    """Whether missing values lie in fewer than half of the items."""
    if context.table.item is None or missing.sum() < INFORMATIVE_VALUES:
        return False
    return len(items) * 2 < len(context.table.levels("item"))


INFORMATIVE_ADVICE = (
    "Find out why these items have no value: leaving them out compares the metrics without the "
    "models on which they fail."
)

NON_FINITE = Rule(
    code="MR007",
    slug="non-finite",
    title="Values are missing or infinite",
    severity="warning",
    what="Missing and infinite values of each metric and of the oracle distance. An error where a "
    "value is infinite, or where two or more are missing and all lie in fewer than half of the "
    "items.",
    why="Rows without a value drop out of every comparison. Where a metric fails on one method "
    "only, what is left is an easier table, and two metrics are no longer compared on the same "
    "models.",
    example="In the unimodal results JS is missing in 2 of 12 rows, both from gradient_ascent, the "
    "method whose activation distance is 7 million.",
    advice="Find out why the values are missing or infinite, and repair or rerun these rows.",
    check=_non_finite,
)


def _hint(metric: str, high: float, low: float) -> str:
    known = KNOWN_METRICS[metric]
    if known.unit == "nats" and low >= 0 and high <= known.high / math.log(2.0):
        return " (in bits it would reach 1)"
    if known.high == 1.0 and low >= 0 and 1 < high <= 100:
        return " (per cent, perhaps)"
    return ""


def _out_of_range(context: Context) -> Iterator[Finding]:
    ranges = {
        m: (context.x[:, a], KNOWN_METRICS[m].low, KNOWN_METRICS[m].high)
        for a, m in enumerate(context.metrics)
        if m in KNOWN_METRICS
    }
    ranges |= {c: (values, 0.0, math.inf) for c, values in context.distances.items()}
    for column, (values, low, high) in ranges.items():
        outside = np.isfinite(values) & (
            (values < low - RANGE_TOLERANCE) | (values > high + RANGE_TOLERANCE)
        )
        if not outside.any():
            continue
        seen = finite(values)
        hint = (
            _hint(column, float(seen.max()), float(seen.min())) if column in context.metrics else ""
        )
        limits = f"[{quantity(low)}, {quantity(high)}]" if high < math.inf else "zero or more"
        what = name(column) if column in context.metrics else f"The distance {name(column)}"
        rows = context.rows_named(np.flatnonzero(outside))
        yield OUT_OF_RANGE.finding(
            f"{what} lies outside its range, {limits}, in {int(outside.sum())} of "
            f"{count(len(values), 'row')}: values go from {quantity(float(seen.min()))} to "
            f"{quantity(float(seen.max()))}{hint}.",
            {
                "column": column,
                "n_outside": int(outside.sum()),
                "low": low,
                "high": high,
                "smallest": float(seen.min()),
                "largest": float(seen.max()),
                "rows": rows[:ROWS_NAMED],
            },
            metrics=[column] if column in context.metrics else (),
        )


OUT_OF_RANGE = Rule(
    code="MR008",
    slug="out-of-range",
    title="Values lie outside the metric's range",
    severity="error",
    what="Metrics known by name against their range (FA, RA and MIA in [0, 1], AD at least 0, JS "
    "in [0, ln 2] nats), and a negative distance to the oracle.",
    why="A value that cannot occur means another unit or a bug, and a fixed transform to [0, 1] "
    "turns it into a negative score.",
    example="The released results stay within range; a JS of 0.9 would lie above ln 2 = 0.6931 "
    "nats, and would be possible in bits.",
    advice="Convert the column to the expected unit, or mend what computes it.",
    check=_out_of_range,
)


def _unbounded(context: Context, a: int) -> bool:
    """Whether a metric can run away: lower is better, and no bound is known or looks likely."""
    metric = context.metrics[a]
    if context.table.directions[metric] != "lower":
        return False
    if metric in KNOWN_METRICS:
        return KNOWN_METRICS[metric].high == math.inf
    seen = finite(context.x[:, a])
    # Values all within [0, 1] are likely to be shares, which differ a hundredfold by right.
    return bool(len(seen) and seen.max() > 1)


def _diverged_units(context: Context, a: int, code: int) -> tuple[list[Group], list[Group]]:
    """Return the units of a block that dominate its mean, and those that do not."""
    units = [
        Group(u.label, u.rows[np.isfinite(context.x[u.rows, a])])
        for u, b in zip(context.units, context.unit_block, strict=True)
        if b == code
    ]
    units = [u for u in units if len(u.rows)]
    if len(units) < DIVERGED_UNITS:
        return [], units
    size = np.array([np.abs(context.x[u.rows, a]).max() for u in units])
    flagged = []
    for i, unit in enumerate(units):
        middle = float(np.median(np.delete(size, i)))
        if middle > 0 and size[i] / DIVERGED_MEDIANS > middle:
            flagged.append(unit)
    return flagged, [u for u in units if u not in flagged]


def _diverged(context: Context) -> Iterator[Finding]:
    for a, metric in enumerate(context.metrics):
        if not _unbounded(context, a):
            continue
        for code, block in enumerate(context.blocks):
            flagged, rest = _diverged_units(context, a, code)
            if not flagged:
                continue
            values = context.x[:, a]
            bad = np.concatenate([values[u.rows] for u in flagged])
            good = np.concatenate([values[u.rows] for u in rest])
            with_, without = float(np.concatenate([bad, good]).mean()), float(good.mean())
            labels = sorted(u.label for u in flagged)
            place = f" in {name(block.label)}" if context.table.block is not None else ""
            yield DIVERGED.finding(
                f"{names(labels)} {'dominates' if len(labels) == 1 else 'dominate'} the mean of "
                f"{name(metric)}{place}: it is {quantity(with_)} with and {quantity(without)} "
                f"without (values up to {quantity(float(np.abs(bad).max()))} against at most "
                f"{quantity(float(np.abs(good).max()))}).",
                {
                    "metric": metric,
                    "block": block.label,
                    "items": labels,
                    "mean_with": with_,
                    "mean_without": without,
                    "diverged": sorted(bad.tolist()),
                    "largest_other": float(np.abs(good).max()),
                },
                metrics=[metric],
                blocks=[block.label] if context.table.block is not None else (),
            )


DIVERGED = Rule(
    code="MR009",
    slug="diverged-model",
    title="A diverged model dominates a mean",
    severity="warning",
    what="Metrics without an upper bound for which lower is better: units whose value is more than "
    f"{DIVERGED_MEDIANS:.0f} times the median size of the block's other units.",
    why="One model that ran away decides every mean, Pearson correlation and scaling by the "
    "largest value; a rank takes it for one place.",
    example="In the unimodal results AD of gradient_ascent is up to 7,534,000 against at "
    "most 26.94 elsewhere: the mean is 1,770,000 with it and 23.82 without.",
    advice="Check that the model still works, report it apart, and use ranks or a bounded "
    "transform such as 1 / (1 + AD).",
    check=_diverged,
)

RULES = (NON_FINITE, OUT_OF_RANGE, DIVERGED)
