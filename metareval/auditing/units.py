"""Whether there are enough independent units to learn anything: MR005, MR016."""

from __future__ import annotations

import math
from collections.abc import Iterator

from metareval.auditing.context import Context
from metareval.auditing.model import Finding, Rule
from metareval.auditing.wording import count, listing, names, pvalue
from metareval.design import build_design

SIGNIFICANT = 0.05
# Two items can only agree, disagree or tie.
FEWEST_ITEMS = 3
# Fewer than 10 units cannot show a rank correlation below about 0.8 with 80 % power.
FEW_UNITS = 10


def smallest_pvalue(context: Context) -> float:
    """Return the smallest two-sided p that exchanging units within blocks can give.

    Of all arrangements one gives the strongest association, and its mirror image one as strong.
    """
    layout = build_design(context.table, oracle=False).layout
    log_arrangements = sum(math.lgamma(len(c) + 1) for c in layout.exchange_classes())
    return min(1.0, math.exp(math.log(2) - log_arrangements))


def _few(context: Context) -> Iterator[Finding]:
    sizes = {
        b.label: int((context.unit_block == code).sum()) for code, b in enumerate(context.blocks)
    }
    n_units, k = len(context.units), len(context.metrics)
    smallest = smallest_pvalue(context)
    small = [b for b, size in sizes.items() if size < FEWEST_ITEMS]
    p = pvalue(smallest)
    if len(small) == len(sizes):
        most = max(sizes.values())
        where = "The table has" if len(sizes) == 1 else "No block has more than"
        tau = (
            "a tau over two items is always -1, 0/0 or 1"
            if most == 2
            else "one item cannot be ranked"
        )
        severity = "error"
        message = (
            f"{where} {count(most, 'item')}: {tau}, whatever the metrics, and no permutation test "
            f"can give p below {p}."
        )
    elif smallest > SIGNIFICANT:
        severity = "warning"
        message = (
            f"No permutation of {count(n_units, 'unit')} within "
            f"{count(len(sizes), 'block')} can give a two-sided p below {p}: nothing here can be "
            "significant at 0.05."
        )
    elif smallest * k > SIGNIFICANT:
        severity = "warning"
        message = (
            f"The smallest two-sided p that {count(n_units, 'unit')} can give is {p}, which is "
            f"{pvalue(min(1.0, smallest * k))} after Holm's correction over "
            f"{count(k, 'metric')}: no single metric can be significant at 0.05."
        )
    elif small:
        severity = "warning"
        message = (
            f"{names(small)} {'has' if len(small) == 1 else 'have'} fewer than {FEWEST_ITEMS} "
            "items: tau over two items is always -1, 0/0 or 1, and one item cannot be ranked."
        )
    elif n_units < FEW_UNITS:
        severity = "info"
        message = (
            f"The table has {count(n_units, 'independent unit')}: only very strong correlations "
            "can be told from chance."
        )
    else:
        return
    yield TOO_FEW_MODELS.finding(
        message,
        {
            "n_units": n_units,
            "units_by_block": sizes,
            "smallest_p": smallest,
            "smallest_p_holm": min(1.0, smallest * k),
            "n_metrics": k,
        },
        severity=severity,
        blocks=small if context.table.block is not None else (),
    )


TOO_FEW_MODELS = Rule(
    code="MR005",
    slug="too-few-models",
    title="There are too few models to rank metrics by",
    severity="warning",
    what="The number of items in each block, and the smallest two-sided p that any permutation of "
    f"units within blocks could reach, 2 / (n1! n2! ...). An error with fewer than {FEWEST_ITEMS} "
    f"items in every block, a warning where that p exceeds {SIGNIFICANT} before or after Holm's "
    f"correction over the metrics, a note below {FEW_UNITS} units.",
    why="A tau over two models is always -1, 0/0 or 1, so that any pair of metrics looks like "
    "perfect agreement or perfect contradiction. With four models the strongest possible result "
    "has p = 0.083.",
    example="The BLIP-2 replication has 2 models, and the tau of -1 between RA and AD that was "
    "reported as a replicated contradiction comes up for half of all pairs of unrelated metrics.",
    advice="Evaluate more models: metareval.plan says how many a given correlation needs.",
    check=_few,
)


def _unitless(context: Context) -> Iterator[Finding]:
    table = context.table
    absent = [r for r in ("block", "item") if getattr(table, r) is None]
    if not absent:
        return
    parts = {
        "block": "all rows are compared with each other as if from one data set",
        "item": f"each of the {count(len(table), 'row')} counts as an independent model",
    }
    keywords = {
        "block": "block=... (data set or architecture)",
        "item": "item=... (what is ranked)",
    }
    yield NO_UNITS.finding(
        f"No {' and no '.join(absent)} column is named, so {listing([parts[r] for r in absent])}.",
        {"absent": absent, "n_rows": len(table)},
        advice=f"Name the column with {listing([keywords[r] for r in absent])}, if there is one.",
    )


NO_UNITS = Rule(
    code="MR016",
    slug="no-units",
    title="The table does not say what is independent",
    severity="info",
    what="Tables without a block or an item role.",
    why="Without them nothing can tell replicates from models or data sets from each other, and "
    "neither pseudo-replication nor confounding can be seen.",
    example="The released CSV, read without roles, is 36 independent models; with "
    "block='dataset', item='method', replicate='seed' it is 12 units in 3 blocks.",
    advice="Name the columns with block=... (data set or architecture) and item=... (what is "
    "ranked).",
    check=_unitless,
)

RULES = (TOO_FEW_MODELS, NO_UNITS)
