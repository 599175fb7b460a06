"""Tables as people have them, and what changes in them must not matter."""

from __future__ import annotations

import pandas as pd

import metareval as mr
from metareval.testing import tables

__all__ = ["rebuilt", "tables"]


def rebuilt(table: mr.MetricTable, frame: pd.DataFrame, **changes: object) -> mr.MetricTable:
    """The table with another frame, its roles kept."""
    options: dict[str, object] = {
        "metrics": list(table.metrics),
        "directions": dict(table.directions),
        "oracle": table.oracle,
        "block": "block",
        "item": "item",
        "replicate": "replicate",
        **changes,
    }
    return mr.MetricTable.from_frame(frame, **options)  # type: ignore[arg-type]
