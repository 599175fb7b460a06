"""Metrics that do not vary, and metrics that vary together: MR001, MR012, MR013."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metareval.auditing.context import Context, Group, present
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import (
    coefficient,
    count,
    listing,
    name,
    names,
    pair,
    quantity,
)
from metareval.catalogue import KNOWN_METRICS

FloatArray = NDArray[np.float64]

# Two metrics with this tau order all but 1 pair of models in 40 alike ((1 - 0.95) / 2).
DUPLICATE_TAU = 0.95
# Perfect agreement of 5 units has chance 2 / 5! = 0.017 for unrelated metrics; of 4, 0.083.
DUPLICATE_UNITS = 5
# A line goes through any two points and, by rounding, close to many three.
AFFINE_VALUES = 4
# Rounding error of a column computed from another, relative to its spread.
AFFINE_TOLERANCE = 1e-9


def constant_value(values: FloatArray) -> float | None:
    """Return the value that a column has everywhere, or None; one row alone is not constant."""
    seen = present(values)
    return float(seen[0]) if len(seen) > 1 and (seen == seen[0]).all() else None


def _constant(context: Context) -> Iterator[Finding]:
    for a, metric in enumerate(context.metrics):
        judged, where = 0, {}
        for block in context.blocks:
            judged += len(present(context.x[block.rows, a])) > 1
            value = constant_value(context.x[block.rows, a])
            if value is not None:
                where[block.label] = value
        if not where:
            continue
        everywhere = len(where) == judged
        cells = listing([f"{quantity(v)} in {name(b)}" for b, v in where.items()])
        if context.table.block is None:
            message = f"{name(metric)} has one value, {quantity(where['all'])}, in every row."
        else:
            extent = "any block" if everywhere else f"{len(where)} of {count(judged, 'block')}"
            message = (
                f"{name(metric)} does not vary within {extent}: it is {cells}, "
                "and ranks nothing there."
            )
        yield CONSTANT_METRIC.finding(
            message,
            {"values": where, "n_constant": len(where), "n_blocks": judged},
            severity="error" if everywhere else "warning",
            advice=EVERYWHERE_ADVICE if everywhere else None,
            metrics=[metric],
            blocks=list(where),
        )


EVERYWHERE_ADVICE = (
    "Drop the metric from rankings and correlations: nothing can be learned from it here."
)

CONSTANT_METRIC = Rule(
    code="MR001",
    slug="constant-metric",
    title="A metric does not vary within a block",
    severity="warning",
    what="Metrics whose values are all equal within a block; an error where that holds in every "
    "block.",
    why="A constant metric ranks nothing, so its correlation with anything is undefined there. "
    "Software that returns a number all the same has invented it, often from the order of rows.",
    example="In the released results FA is 0 in every row of mllmu_bench and 1 in every row of "
    "unlok_vqa, so that 24 of its 36 rows say nothing about the order of methods.",
    advice="Treat its correlations as undefined in these blocks, and report how many blocks an "
    "estimate rests on.",
    check=_constant,
)


def _extremes(context: Context, block: Group) -> dict[str, float]:
    """Return the accuracies that are exactly 0 or exactly 1 in every row of a block."""
    out = {}
    for a, metric in enumerate(context.metrics):
        known = KNOWN_METRICS.get(metric)
        if known is None or (known.low, known.high) != (0.0, 1.0):
            continue
        value = constant_value(context.x[block.rows, a])
        if value in (0.0, 1.0):
            out[metric] = value
    return out


def _saturated(context: Context) -> Iterator[Finding]:
    alone: dict[str, dict[str, float]] = {}
    for block in context.blocks:
        extremes = _extremes(context, block)
        accuracies = [m for m in extremes if KNOWN_METRICS[m].accuracy]
        for value in (0.0, 1.0):
            same = [m for m in accuracies if extremes.get(m) == value]
            # What should be forgotten and what should be kept, answered exactly alike.
            if len({context.table.directions[m] for m in same}) < 2:
                continue
            for metric in same:
                del extremes[metric]
            yield SATURATED_ACCURACY.finding(
                f"{names(same)} are {'both' if len(same) == 2 else 'all'} exactly {value:.0f} in "
                f"{_place(context, block)} ({count(len(block.rows), 'row')}): what should be "
                "forgotten and what should be kept cannot be told apart, as when an empty label "
                "matches every answer or a parser matches none.",
                {"block": block.label, "value": value, "n_rows": len(block.rows), "metrics": same},
                severity="error",
                metrics=same,
                blocks=[block.label],
            )
        for metric, value in extremes.items():
            alone.setdefault(metric, {})[block.label] = value
    sizes = {b.label: len(b.rows) for b in context.blocks}
    for metric, where in alone.items():
        cells = listing(
            [
                f"{value:.0f} in every row"
                + (f" of {name(b)}" if context.table.block is not None else "")
                + f" ({count(sizes[b], 'row')})"
                for b, value in where.items()
            ]
        )
        yield SATURATED_ACCURACY.finding(
            f"{name(metric)} is exactly {cells}, which a measured share seldom is.",
            {"values": where, "n_rows": {b: sizes[b] for b in where}},
            metrics=[metric],
            blocks=list(where),
        )


def _place(context: Context, block: Group) -> str:
    return "every row" if context.table.block is None else f"every row of {name(block.label)}"


SATURATED_ACCURACY = Rule(
    code="MR012",
    slug="saturated-accuracy",
    title="An accuracy is exactly 0 or 1 in every row",
    severity="warning",
    what="Metrics known to be shares in [0, 1] that equal exactly 0, or exactly 1, in every row of "
    "a block; an error where an accuracy to lower and one to raise stand at the same value.",
    why="Real answers are seldom all right or all wrong for every model. The usual cause is the "
    "scoring: an empty label is contained in every answer, or the parser finds no answer at all.",
    example="In the released results FA and RA are both exactly 1 in all 12 rows of unlok_vqa, "
    "and FA is exactly 0 in all 12 rows of mllmu_bench.",
    advice="Read a few raw answers beside their labels, look for empty labels and unparsed "
    "answers, and leave the block out until the scoring is mended.",
    check=_saturated,
)


def _affine(x: FloatArray, y: FloatArray) -> bool:
    """Whether one column is a straight line of the other, to rounding."""
    keep = np.isfinite(x) & np.isfinite(y)
    if len(np.unique(x[keep])) < AFFINE_VALUES or len(np.unique(y[keep])) < AFFINE_VALUES:
        return False
    parts = []
    for column in (x[keep], y[keep]):
        scaled = column / np.abs(column).max()
        centred = scaled - scaled.mean()
        parts.append(centred / np.sqrt(centred @ centred))
    slope = np.sign(parts[0] @ parts[1])
    return bool(np.abs(parts[0] - slope * parts[1]).max() <= AFFINE_TOLERANCE)


def _units_varying(context: Context, a: int, b: int) -> int:
    """Count the units of the blocks in which both metrics vary."""
    out = 0
    for code, block in enumerate(context.blocks):
        part = context.x[block.rows][:, [a, b]]
        part = part[~np.isnan(part).any(axis=1)]
        if len(part) and (part.max(axis=0) > part.min(axis=0)).all():
            out += int((context.unit_block == code).sum())
    return out


def _duplicates(context: Context) -> Iterator[Finding]:
    for a, first in enumerate(context.metrics):
        for b in range(a + 1, len(context.metrics)):
            second = context.metrics[b]
            tau = float(context.tau[a, b])
            units = _units_varying(context, a, b)
            affine = _affine(context.x[:, a], context.x[:, b])
            close = abs(tau) >= DUPLICATE_TAU and units >= DUPLICATE_UNITS
            if not affine and not close:
                continue
            how = (
                "are the same column up to scale and sign"
                if affine
                else f"order the models {'alike' if tau > 0 else 'in opposite ways'}"
            )
            yield NEAR_DUPLICATE.finding(
                f"{name(first)} and {name(second)} {how} (tau-b {coefficient(tau)} within "
                f"{context.cell_name}s, {count(units, 'unit')}).",
                {"pair": pair(first, second), "tau_b": tau, "n_units": units, "affine": affine},
                metrics=[first, second],
            )


NEAR_DUPLICATE = Rule(
    code="MR013",
    slug="near-duplicate",
    title="Two metrics say the same thing",
    severity="warning",
    what=f"Pairs of metrics with a stratified tau-b of at least {DUPLICATE_TAU} in size over at "
    f"least {DUPLICATE_UNITS} units, and columns that are a straight line of each other.",
    why="A measurement that is counted twice gets twice the weight in a composite, and its "
    "agreement with itself is no evidence that metrics agree.",
    example="No pair of the released metrics is that close: the largest stratified tau-b over "
    "five units or more is 0.444, between AD and JS.",
    advice="Keep one of the two, or say in the composite that they share one weight.",
    check=_duplicates,
)

RULES = (CONSTANT_METRIC, SATURATED_ACCURACY, NEAR_DUPLICATE)
