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
    flags : tuple of str
        What is wrong with the metric, a sentence each; empty for most.
    """

    direction: str
    low: float
    high: float
    full_name: str
    unit: str = ""
    accuracy: bool = False
    from_oracle: bool = False
    flags: tuple[str, ...] = ()


# Columns whose direction is known by name; that of any other is asked for.
KNOWN_METRICS: dict[str, KnownMetric] = {
    "FA": KnownMetric("lower", 0.0, 1.0, "Forget Accuracy", accuracy=True),
    "RA": KnownMetric("higher", 0.0, 1.0, "Retain Accuracy", accuracy=True),
    "MIA": KnownMetric("lower", 0.0, 1.0, "Membership Inference Accuracy"),
    "AD": KnownMetric("lower", 0.0, math.inf, "Activation Distance", from_oracle=True),
    "JS": KnownMetric(
        "lower", 0.0, math.log(2.0), "Jensen-Shannon divergence", unit="nats", from_oracle=True
    ),
}

# Metrics that metareval itself can compute; a table's column of such a name may be somebody else's.
BUILT_IN_METRICS: dict[str, KnownMetric] = {
    **KNOWN_METRICS,
    "FA_contains": KnownMetric(
        "lower", 0.0, 1.0, "Forget Accuracy, gold answer contained", accuracy=True
    ),
    "RA_contains": KnownMetric(
        "higher", 0.0, 1.0, "Retain Accuracy, gold answer contained", accuracy=True
    ),
    # Not a share of correct answers itself, so that no rule on accuracies looks at it.
    "FA_gap": KnownMetric(
        "lower", 0.0, 1.0, "Forget Accuracy, distance from the oracle's", from_oracle=True
    ),
    "MIA_loss_auc": KnownMetric("lower", 0.0, 1.0, "Membership inference by loss, AUC"),
    "MIA_mink_auc": KnownMetric("lower", 0.0, 1.0, "Membership inference by Min-K%, AUC"),
    "AD_relative": KnownMetric(
        "lower", 0.0, math.inf, "Activation Distance over the oracle's norm", from_oracle=True
    ),
    "CKA": KnownMetric(
        "higher", 0.0, 1.0, "Linear Centred Kernel Alignment with the oracle", from_oracle=True
    ),
    "truth_ratio": KnownMetric(
        "higher", 0.0, 1.0, "Truth ratio of model and oracle on gold answers", from_oracle=True
    ),
    "extraction_strength": KnownMetric("lower", 0.0, 1.0, "Extraction Strength, lower bound"),
    "FA_class": KnownMetric(
        "lower",
        0.0,
        1.0,
        "Forget Accuracy on the forgotten class",
        accuracy=True,
        flags=(
            "Where a whole class is forgotten, the oracle cannot name it and scores 0 by "
            "construction, as does any model that lost the class's output: the metric cannot tell "
            "forgetting from breaking one row of the classifier. Compare FA_gap and JS.",
        ),
    ),
    "JS_topk_sorted": KnownMetric(
        "lower",
        0.0,
        math.log(2.0),
        "Jensen-Shannon divergence of sorted top-k probabilities",
        unit="nats",
        from_oracle=True,
        flags=(
            "It compares two lists of probabilities sorted by size and does not see which tokens "
            "they belong to: models that give different answers with equal confidence score 0, so "
            "it is not a divergence of the two models. Use JS.",
        ),
    ),
}

DIRECTIONS = ("higher", "lower")
