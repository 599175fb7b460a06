"""What was analysed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from metareval.catalogue import KNOWN_METRICS
from metareval.datasets import list_datasets, load_dataset
from metareval.reporting.analysis import Analysis
from metareval.reporting.parts import Column, Part, Section, Terms, make_table
from metareval.reporting.wording import DASH, MINUS, all_names, name, number, plural
from metareval.table import MetricTable


def table_section(analysis: Analysis) -> Section:
    """Describe the table: rows, roles, metrics, oracle and source."""
    table = analysis.table
    which = "The table" if table.name == "table" else f"The table {name(table.name)}"
    units = (
        f"{which} holds {plural(len(table.metrics), 'metric')}. Its "
        f"{plural(len(table), 'row')}, one for each evaluated model, make "
        f"{plural(table.n_units, 'independent unit')}"
    )
    if len(table) > table.n_units:
        units += (
            ": rows that repeat the same item in the same block (as with another seed) are not "
            "independent of each other and count together as one"
        )
    parts: list[Part] = [Terms(_facts(table), look="facts"), _metrics(table)]
    return Section(
        "table",
        "What was analysed",
        f"{units}.",
        tuple(parts),
    )


def embedded(table: MetricTable) -> Mapping[str, Any] | None:
    """Return what is known about an embedded table, where the rows are really its own."""
    known = list_datasets()
    if table.name not in known.index:
        return None
    own = load_dataset(table.name)
    metrics = list(table.metrics)
    if not set(metrics) <= set(own.metrics) or len(own) != len(table):
        return None
    same = np.array_equal(
        own.frame[metrics].to_numpy(dtype=np.float64), table.values, equal_nan=True
    )
    return dict(known.loc[table.name]) if same else None


def _facts(table: MetricTable) -> tuple[tuple[str, str], ...]:
    facts = [
        ("Rows", plural(len(table), "row")),
        ("Independent units", f"{table.n_units:,} ({_unit(table)})"),
    ]
    for role, what in (
        ("block", "what must not be mixed"),
        ("item", "what is ranked"),
        ("replicate", "repeats of the same thing"),
    ):
        column = getattr(table, role)
        label = f"{role.capitalize()}s"
        if column is None:
            missing = {
                "block": "none given: all rows are compared with each other",
                "item": "none given: every row is an item of its own",
                "replicate": "none given: every row is taken as independent of the others",
            }[role]
            facts.append((label, missing))
            continue
        levels = table.levels(role)
        facts.append((label, f"{len(levels)} by {name(column)}, {what}: {all_names(levels, 6)}"))
    facts.append(
        (
            "Oracle",
            _oracle(table)
            if table.oracle
            else "none: nothing in the table says which model is really better",
        )
    )
    known = embedded(table)
    if known is not None:
        facts += [
            ("Data", str(known["title"])),
            ("Source", str(known["source"])),
            ("Licence", str(known["licence"])),
            ("Citation", str(known["citation"])),
        ]
    return tuple(facts)


def _unit(table: MetricTable) -> str:
    if table.item is None:
        return "every row"
    return "the items" if table.block is None else "combinations of block and item"


def _oracle(table: MetricTable) -> str:
    what = "distance to the ideal model, smaller is closer"
    if not table.oracle_repeats:
        return f"{name(table.oracle)}: {what}"
    each = all_names(list(table.oracle_repeats), 6)
    return f"the mean of {each}: {what.replace('the ideal model', 'each of several ideal models')}"


def _metrics(table: MetricTable) -> Part:
    values = table.values
    records = []
    for a, metric in enumerate(table.metrics):
        known = KNOWN_METRICS.get(metric)
        have = values[:, a][~np.isnan(values[:, a])]
        records.append(
            {
                "full_name": known.full_name if known else "",
                "better": table.directions[metric],
                "lowest": float(have.min()) if len(have) else np.nan,
                "highest": float(have.max()) if len(have) else np.nan,
                "missing": len(table) - len(have),
                "from_oracle": metric in table.oracle_shared,
            }
        )
    frame = pd.DataFrame(records, index=pd.Index(table.metrics, name="metric"))
    columns = [
        Column("in full", "full_name", lambda v: v or DASH, number=False),
        Column("better when", "better", lambda v: v, number=False),
        Column("lowest", "lowest", _value),
        Column("highest", "highest", _value),
        Column("missing", "missing", number),
        Column("uses the oracle model", "from_oracle", number, number=False),
    ]
    return make_table("metrics", "The metrics and their values.", frame, columns, labels=["metric"])


def _value(value: float) -> str:
    return number(value) if not np.isfinite(value) else f"{value:.3g}".replace("-", MINUS)
