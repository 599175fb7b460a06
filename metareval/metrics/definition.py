"""What a built-in metric is made of, and how metrics get at what they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metareval.catalogue import BUILT_IN_METRICS
from metareval.errors import ObservationError
from metareval.observations import Observations
from metareval.results import shorten

FloatArray = NDArray[np.float64]
Observed = Mapping[str, Observations]


@dataclass(frozen=True)
class ObservedMetric:
    """A metric computed from observations.

    Parameters
    ----------
    name : str
        Name in tables.
    direction : {"higher", "lower"}
        Which values are better.
    low, high : float
        Range of values.
    reads : tuple of str
        Splits it reads.
    fields : tuple of str
        Fields of ``Observations`` it reads.
    needs_oracle : bool
        Whether it reads the oracle's observations too.
    flags : tuple of str
        What is wrong with the metric, a sentence each.
    measure : callable
        Takes the observations of the model and, for a metric that needs them, of the oracle. Its
        docstring becomes that of the metric.
    """

    name: str
    direction: str
    low: float
    high: float
    reads: tuple[str, ...]
    fields: tuple[str, ...]
    needs_oracle: bool
    flags: tuple[str, ...]
    measure: Callable[..., float] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.measure.__doc__)

    def __call__(self, observed: Observed, oracle: Observed | None = None) -> float:
        """Compute the metric.

        Parameters
        ----------
        observed : mapping of split to Observations
            What the evaluated model did.
        oracle : mapping of split to Observations, optional
            What the oracle did; read only where ``needs_oracle``.

        Returns
        -------
        float

        Raises
        ------
        ObservationError
            A split or a field is missing, or the samples of model and oracle differ.
        """
        if not self.needs_oracle:
            return float(self.measure(observed))
        if oracle is None:
            raise ObservationError(
                f"{self.name} compares the model with the oracle: pass the oracle's observations "
                "as oracle=."
            )
        return float(self.measure(observed, oracle))


def known_metric(
    name: str,
    measure: Callable[..., float],
    *,
    reads: tuple[str, ...],
    fields: tuple[str, ...],
    needs_oracle: bool = False,
) -> ObservedMetric:
    """Make a metric whose direction, range and flags stand in the catalogue."""
    known = BUILT_IN_METRICS[name]
    return ObservedMetric(
        name=name,
        direction=known.direction,
        low=known.low,
        high=known.high,
        reads=reads,
        fields=fields,
        needs_oracle=needs_oracle,
        flags=known.flags,
        measure=measure,
    )


def part(observed: Observed, split: str) -> Observations:
    """Return the observations of a split.

    Raises
    ------
    ObservationError
        They are missing, or are those of another split.
    """
    found = observed.get(split)
    if found is None:
        have = ", ".join(sorted(map(str, observed))) or "none"
        raise ObservationError(
            f"No observations of the split {split!r}; found: {have}. Observe the model on it."
        )
    if not isinstance(found, Observations):
        raise ObservationError(
            f"Under {split!r} stands a {type(found).__name__}; expected Observations."
        )
    if found.split != split:
        raise ObservationError(
            f"Under {split!r} stand observations of the split {found.split!r}. File each under its "
            "own split."
        )
    return found


def matched(observed: Observed, oracle: Observed, split: str) -> tuple[Observations, Observations]:
    """Return what model and oracle did on the same samples, in the same order.

    Raises
    ------
    ObservationError
        A sample is in one of them only, or has two gold answers.
    """
    model, other = part(observed, split), part(oracle, split)
    if model.sample_ids != other.sample_ids:
        _refuse_unmatched(model, other)
        other = other.subset(model.sample_ids)
    if model.gold != other.gold:
        pairs = zip(model.sample_ids, model.gold, other.gold, strict=True)
        sample, mine, theirs = next(p for p in pairs if p[1] != p[2])
        raise ObservationError(
            f"The {split} sample {_brief(sample)} has the gold answer {_brief(mine)} with the "
            f"model and {_brief(theirs)} with the oracle. Observe both on the same benchmark."
        )
    return model, other


def matched_rows(
    observed: Observed, oracle: Observed, split: str, name: str, *, same_width: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return one two-dimensional field of model and oracle, matched by sample.

    Raises
    ------
    ObservationError
        Samples differ, the field is missing, or its columns do not mean the same.
    """
    model, other = matched(observed, oracle, split)
    mine, theirs = model.need(name), other.need(name)
    if same_width and mine.shape[1] != theirs.shape[1]:
        raise ObservationError(
            f"{name} has {mine.shape[1]} columns with the model and {theirs.shape[1]} with the "
            "oracle, so that they cannot be compared one by one. Compare models of one "
            "architecture and one vocabulary."
        )
    if same_width and name == "hidden" and model.layer != other.layer:
        raise ObservationError(
            f"hidden comes from the layer {_brief(model.layer)} with the model and "
            f"{_brief(other.layer)} with the oracle. Observe both at the same layer."
        )
    return mine, theirs


def _refuse_unmatched(model: Observations, other: Observations) -> None:
    for name, ids, rest in (
        ("the oracle", model.sample_ids, other.sample_ids),
        ("the model", other.sample_ids, model.sample_ids),
    ):
        known = set(rest)
        lacking = [sample for sample in ids if sample not in known]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise ObservationError(
                f"The {model.split} sample {_brief(lacking[0])}{more} was not observed with "
                f"{name}. Observe model and oracle on the same samples, or take subset() of both."
            )


def _brief(value: object) -> str:
    return shorten(repr(value), 60)
