"""How far a model is from an oracle in what it does, and how far oracles are from each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from metareval.metrics.definition import matched_rows
from metareval.metrics.divergence import js_divergences
from metareval.observations import Observations

T = TypeVar("T")


def function_distance(model: Observations, oracle: Observations) -> float:
    """Return the distance of two models in function space.

    The mean Jensen-Shannon divergence of their next-token distributions at the answer, over all
    samples of the split: 0 to ln 2 nats.

    Parameters
    ----------
    model, oracle : Observations
        Of the same samples, in any order, with ``next_logprobs`` over one vocabulary.

    Returns
    -------
    float

    Raises
    ------
    ObservationError
        Samples, gold answers or vocabularies differ, or there are no next-token distributions.

    Examples
    --------
    >>> import numpy as np
    >>> from metareval.evaluation import function_distance
    >>> sure = Observations("test", ["s"], ["x"], ["x"], next_logprobs=np.log([[0.9, 0.1]]))
    >>> unsure = Observations("test", ["s"], ["x"], ["x"], next_logprobs=np.log([[0.5, 0.5]]))
    >>> round(function_distance(sure, unsure), 4), function_distance(sure, sure)
    (0.1017, 0.0)
    """
    split = model.split
    rows = matched_rows({split: model}, {split: oracle}, split, "next_logprobs")
    return float(js_divergences(*rows).mean())


@dataclass(frozen=True)
class NoiseFloor:
    """How far oracles that differ in nothing but their training seed are from each other.

    Parameters
    ----------
    mean, highest : float
        Over all pairs of oracles.
    n_pairs : int
        Number of pairs.
    """

    mean: float
    highest: float
    n_pairs: int


def noise_floor(oracles: Sequence[T], distance: Callable[[T, T], float]) -> NoiseFloor | None:
    """Return the distances among oracles; None where there is one oracle.

    Examples
    --------
    >>> noise_floor([0.0, 1.0, 3.0], lambda a, b: abs(a - b))
    NoiseFloor(mean=2.0, highest=3.0, n_pairs=3)
    """
    found = [distance(a, b) for a, b in combinations(oracles, 2)]
    if not found:
        return None
    return NoiseFloor(sum(found) / len(found), max(found), len(found))
