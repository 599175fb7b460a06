"""Measure one checkpoint after another against the oracles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from metareval.errors import MetarevalError, MissingDependencyError, OutputError, PluginError
from metareval.evaluation.distance import NoiseFloor, function_distance, noise_floor
from metareval.evaluation.measures import Measures, lacking_fields
from metareval.evaluation.observing import Observer, Seen
from metareval.evaluation.result import Row
from metareval.evaluation.specs import CheckpointSpec, shown_name
from metareval.evaluation.weights import WeightDistances
from metareval.metrics import compute
from metareval.protocols import Metric
from metareval.results import printable

# A full disk, or a package that is not there: the other checkpoints would fail likewise.
_STOP = (OutputError, PluginError, MissingDependencyError)


@dataclass
class Job:
    """What all checkpoints are measured with.

    Parameters
    ----------
    observer : Observer
    weights : WeightDistances
    measures : Measures
    columns : mapping of str to sequence of str
        For each kind of distance, one column for each oracle.
    probe : str or None
        Split for the function distance.
    oracles, floor
        Set by ``see_oracles``.
    """

    observer: Observer
    weights: WeightDistances
    measures: Measures
    columns: Mapping[str, Sequence[str]]
    probe: str | None
    oracles: tuple[Seen, ...] = ()
    floor: Mapping[str, NoiseFloor] = field(default_factory=dict)

    def see_oracles(self, names: Sequence[str], *, drop_lacking: bool) -> None:
        """Observe the oracles, and take the distances among them.

        Parameters
        ----------
        names : sequence of str
        drop_lacking : bool
            Leave out metrics that read what the backend does not record.

        Raises
        ------
        MetarevalError
            An oracle failed: without it nothing can be measured.
        """
        seen = []
        for i, name in enumerate(names):
            # Metrics use the first oracle; of the others the probe is enough.
            splits = self.measures.splits(oracle=True) if i == 0 else set()
            try:
                found = self.observer.see(
                    name, splits | self._probes(), label=f"[oracle {i + 1}/{len(names)}]"
                )
            except _STOP:
                raise
            except MetarevalError as exc:
                raise _kind(exc)(
                    f"The oracle {shown_name(name)} could not be observed: {exc}"
                ) from exc
            seen.append(found)
        self.oracles = tuple(seen)
        if drop_lacking:
            lacking = lacking_fields(self.measures, self.oracles[0].observed)
            self.measures = self.measures.without(lacking)
        floors = {}
        for kind in self.columns:
            try:
                floor = noise_floor(self.oracles, partial(self._distance, kind))
            except _STOP:
                raise
            except MetarevalError as exc:
                raise _kind(exc)(f"Distance among the oracles ({kind}): {exc}") from exc
            if floor is not None:
                floors[kind] = floor
        self.floor = floors

    def row(self, spec: CheckpointSpec, *, label: str) -> Row:
        """Observe and measure one checkpoint; its failures go into the row."""
        try:
            splits = self.measures.splits() | self._probes()
            seen = self.observer.see(spec.checkpoint, splits, label=label)
        except _STOP:
            raise
        except MetarevalError as exc:
            return Row(spec.checkpoint, spec.labels, errors={"checkpoint": _line(exc)})
        errors: dict[str, str] = {}
        values = {
            metric.name: _attempt(partial(self._value, metric, seen), metric.name, errors)
            for metric in self.measures.metrics
        }
        distances = {
            name: _attempt(partial(self._distance, kind, seen, oracle), name, errors)
            for kind, names in self.columns.items()
            for name, oracle in zip(names, self.oracles, strict=True)
        }
        below = self._below(distances)
        return Row(spec.checkpoint, spec.labels, values, distances, seen.sources, errors, below)

    def _below(self, distances: Mapping[str, float]) -> bool | None:
        kind, names = next(iter(self.columns.items()))
        found = [distances[name] for name in names]
        if kind not in self.floor or np.isnan(found).any():
            return None
        return bool(np.mean(found) < self.floor[kind].mean)

    def _probes(self) -> set[str]:
        return set() if self.probe is None else {self.probe}

    def _value(self, metric: Metric, seen: Seen) -> float:
        reads = self.measures.reads[metric.name]
        mine = {split: seen.observed[split] for split in reads}
        first = self.oracles[0].observed
        theirs = {split: first[split] for split in reads} if metric.needs_oracle else None
        return compute([metric], mine, theirs)[metric.name]

    def _distance(self, kind: str, model: Seen, oracle: Seen) -> float:
        if kind == "weights" or self.probe is None:
            return self.weights.between(model.identity, oracle.identity)
        return function_distance(model.observed[self.probe], oracle.observed[self.probe])


def _attempt(ask: Callable[[], float], name: str, errors: dict[str, str]) -> float:
    try:
        return ask()
    except _STOP:
        raise
    except MetarevalError as exc:
        errors[name] = _line(exc).removeprefix(f"Metric {name}").lstrip(": ")
        return float("nan")


def _kind(exc: MetarevalError) -> type[MetarevalError]:
    """Return the kind of an error that others may have derived, and that takes a message."""
    return next(kind for kind in type(exc).__mro__ if kind.__module__ == MetarevalError.__module__)


def _line(exc: MetarevalError) -> str:
    return printable(" ".join(str(exc).split()))
