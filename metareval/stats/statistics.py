"""The association statistics by name."""

from __future__ import annotations

from metareval.errors import unknown_name
from metareval.stats.calibration import CalibratedPairwiseAccuracy
from metareval.stats.cells import Statistic
from metareval.stats.kendall import KendallB, KendallC, PairwiseAccuracy
from metareval.stats.spearman import Pearson, Spearman

STATISTICS: dict[str, Statistic] = {
    s.name: s
    for s in (
        KendallB(),
        KendallC(),
        Spearman(),
        Pearson(),
        PairwiseAccuracy(),
        CalibratedPairwiseAccuracy(),
    )
}


def get_statistic(name: str) -> Statistic:
    """Return the statistic of that name, or say which exist."""
    if not isinstance(name, str) or name not in STATISTICS:
        raise unknown_name("statistic", name, STATISTICS)
    return STATISTICS[name]
