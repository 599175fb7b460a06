"""Tables as people have them, and what changes in them must not matter."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import metareval as mr
from metareval.testing import tables

__all__ = ["rebuilt", "repeated", "tables"]


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


@st.composite
def repeated(draw: st.DrawFn, **options: object) -> mr.MetricTable:
    """A table with distances to two to four oracles, some of which may miss values."""
    table = draw(tables(**options))  # type: ignore[arg-type]
    frame = table.frame.copy()
    distance = st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9])
    if options.get("gaps", True):
        distance |= st.just(np.nan)
    names = ["distance", *(f"d{i}" for i in range(draw(st.integers(1, 3))))]
    for name in names[1:]:
        frame[name] = draw(st.lists(distance, min_size=len(frame), max_size=len(frame)))
    return rebuilt(table, frame, oracle=names)
