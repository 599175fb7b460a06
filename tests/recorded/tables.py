"""Small tables without chance in them, by the names that the recorded calls use."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

import metareval as mr

ROLES: dict[str, Any] = {
    "oracle": "distance",
    "block": "dataset",
    "item": "method",
    "replicate": "seed",
}
DIRECTIONS = {"FA": "lower", "RA": "higher", "MIA": "lower", "AD": "lower"}


def rows() -> pd.DataFrame:
    """Two blocks of four methods with two seeds; ties, and FA constant in one block."""
    out = []
    labels = itertools.product(("faces", "scenes"), ("ga", "npo", "kl", "scrub"), (1, 2))
    for i, (dataset, method, seed) in enumerate(labels):
        out.append(
            {
                "dataset": dataset,
                "method": method,
                "seed": seed,
                "FA": (7 * i % 11) / 10 if dataset == "faces" else 0.5,
                "RA": 1 - (5 * i % 13) / 20,
                "MIA": (i * i % 7) / 8,
                "AD": 10.0 + (3 * i % 16) ** 2,
                "distance": (5 * i % 13) / 4 + seed / 8,
            }
        )
    return pd.DataFrame(out)


FRAME = rows()
# Numbers alone, and the distances beside them.
METRICS = FRAME[["FA", "RA", "MIA", "AD"]]
DISTANCE = FRAME["distance"]
TABLE = mr.MetricTable.from_frame(FRAME, directions=DIRECTIONS, **ROLES)
GAPS = mr.MetricTable.from_frame(
    FRAME.assign(
        RA=FRAME["RA"].where(FRAME["RA"].rank() > 3),
        MIA=FRAME["MIA"].where(np.arange(len(FRAME)) % 5 != 2),
    ),
    directions=DIRECTIONS,
    **ROLES,
)
# The first block alone, without seeds: four models.
FEW = mr.MetricTable.from_frame(
    FRAME[(FRAME["dataset"] == "faces") & (FRAME["seed"] == 1)].drop(columns=["dataset", "seed"]),
    directions=DIRECTIONS,
    oracle="distance",
    item="method",
)
# Two distances, as two oracles give them.
REPEATS = mr.MetricTable.from_frame(
    FRAME.assign(other=FRAME["distance"] + (np.arange(len(FRAME)) * 3 % 5) / 3),
    directions=DIRECTIONS,
    **{**ROLES, "oracle": ["distance", "other"]},
)
# Metrics whose levels differ between the blocks, other than the rest.
LEVELS = mr.MetricTable.from_frame(
    FRAME.assign(
        RA=FRAME["RA"] - 2 * (FRAME["dataset"] == "faces"),
        MIA=FRAME["MIA"] + 3 * (FRAME["dataset"] == "faces"),
    ),
    directions=DIRECTIONS,
    name="levels",
    **ROLES,
)
# No two models of a block have the same two seeds, so that none may be exchanged.
APART = mr.MetricTable.from_frame(
    FRAME.assign(seed=[1, 2, 2, 3, 3, 4, 4, 1] * 2), directions=DIRECTIONS, **ROLES
)
# Without roles: metrics that are constant, almost empty, infinite, and never beside another.
EDGES = mr.MetricTable.from_frame(
    METRICS.assign(
        constant=2.0,
        empty=FRAME["RA"].where(FRAME.index == 3),
        infinite=FRAME["AD"].where(FRAME.index % 4 != 1, np.inf),
        late=FRAME["MIA"].where(FRAME.index > 7),
        early=FRAME["AD"].where(FRAME.index < 8),
    ),
    directions={
        **DIRECTIONS,
        **dict.fromkeys(("constant", "empty", "infinite", "late", "early"), "higher"),
    },
    name="edges",
)
RELEASED = mr.load_dataset("unifiedunl")
UNIMODAL = mr.load_dataset("unifiedunl-unimodal")
