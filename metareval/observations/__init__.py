"""What one model did on one split: plain arrays, checked when made, stored with a content hash."""

from metareval.observations.fields import SPLITS, row_blocks
from metareval.observations.observed import Observations

__all__ = ["SPLITS", "Observations", "row_blocks"]
