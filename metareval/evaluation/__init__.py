"""From checkpoints to a table: observe each model once, store it, measure it."""

from __future__ import annotations

from metareval.evaluation.distance import function_distance
from metareval.evaluation.result import Evaluation
from metareval.evaluation.run import evaluate
from metareval.evaluation.specs import CheckpointSpec

__all__ = ["CheckpointSpec", "Evaluation", "evaluate", "function_distance"]
