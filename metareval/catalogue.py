"""What metareval knows about metrics by name: direction, range, and what they are computed from."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownMetric:
    """Facts about a metric that is known by name.

    Parameters
    ----------
    direction : {"higher", "lower"}
        Which values are better.
    low, high : float
        Range of possible values; ``high`` may be infinite.
    unit : str
        Unit, where the range depends on one.
    accuracy : bool
        Whether values are shares of correct answers.
    from_oracle : bool
        Whether the metric is itself computed from the oracle model.
    full_name : str
        Name in full.
    """

    direction: str
    low: float
    high: float
    full_name: str
    unit: str = ""
    accuracy: bool = False
    from_oracle: bool = False


KNOWN_METRICS: dict[str, KnownMetric] = {
    "FA": KnownMetric("lower", 0.0, 1.0, "Forget Accuracy", accuracy=True),
    "RA": KnownMetric("higher", 0.0, 1.0, "Retain Accuracy", accuracy=True),
    "MIA": KnownMetric("lower", 0.0, 1.0, "Membership Inference Accuracy"),
    "AD": KnownMetric("lower", 0.0, math.inf, "Activation Distance", from_oracle=True),
    "JS": KnownMetric(
        "lower", 0.0, math.log(2.0), "Jensen-Shannon divergence", unit="nats", from_oracle=True
    ),
}

DIRECTIONS = ("higher", "lower")
