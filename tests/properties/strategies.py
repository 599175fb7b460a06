"""Tables as people have them: ties, gaps, blocks, replicates, constants, infinities."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import metareval as mr

NAMES = ["m1", "m2", "m3", "m4"]


@st.composite
def tables(
    draw: st.DrawFn,
    *,
    min_rows: int = 1,
    gaps: bool = True,
    infinities: bool = True,
    oracle: bool = True,
) -> mr.MetricTable:
    """A small table with up to three blocks, each item replicated up to three times."""
    n_blocks = draw(st.integers(1, 3))
    # Few enough units that every permutation is listed in no time.
    n_items = draw(st.integers(max(1, -(-min_rows // n_blocks)), 6 if n_blocks == 1 else 3))
    n_replicates = draw(st.integers(1, 3))
    k = draw(st.integers(1, 4))
    values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1e-9, -3.0])
    if gaps:
        values |= st.just(np.nan)
    if infinities:
        values |= st.sampled_from([np.inf, -np.inf])
    rows = [
        (f"b{b}", f"i{i}", f"r{r}")
        for b in range(n_blocks)
        for i in range(n_items)
        for r in range(n_replicates)
    ]
    frame = pd.DataFrame(rows, columns=["block", "item", "replicate"])
    for name in NAMES[:k]:
        if draw(st.integers(0, 6)) == 0:
            frame[name] = draw(st.sampled_from([0.0, 1.0]))
        else:
            frame[name] = draw(st.lists(values, min_size=len(rows), max_size=len(rows)))
    if oracle:
        distance = st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9])
        frame["distance"] = draw(st.lists(distance, min_size=len(rows), max_size=len(rows)))
    directions = {n: draw(st.sampled_from(["higher", "lower"])) for n in NAMES[:k]}
    return mr.MetricTable.from_frame(
        frame,
        metrics=NAMES[:k],
        directions=directions,
        oracle="distance" if oracle else None,
        block="block",
        item="item",
        replicate="replicate",
    )


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
