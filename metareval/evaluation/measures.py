"""Which metrics are computed, and which splits they and the distance need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from metareval.errors import ArgumentError, PluginError, unknown_name
from metareval.metrics import BUILTIN, ObservedMetric
from metareval.observations import SPLITS, Observations
from metareval.plugins import get_metric
from metareval.protocols import Metric, faults
from metareval.results import shorten

DEFAULT_METRICS = ("FA", "RA", "MIA", "AD", "JS", "FA_gap")

# Held-out splits that stand for what no model was trained on: the first that there is.
_PROBES = ("nonmember", "test", "retain")
_HELD_OUT = ("nonmember", "test")


@dataclass(frozen=True)
class Measures:
    """The metrics of an evaluation.

    Parameters
    ----------
    metrics : tuple of Metric
    reads : mapping of str to tuple of str
        Splits that are observed for each metric.
    left_out : mapping of str to str
        Metrics that are not computed, with the reason.
    """

    metrics: tuple[Metric, ...]
    reads: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics that are computed."""
        return tuple(metric.name for metric in self.metrics)

    def splits(self, *, oracle: bool = False) -> set[str]:
        """Return the splits to observe; with ``oracle`` those of the oracle."""
        metrics = [m for m in self.metrics if m.needs_oracle or not oracle]
        return {split for metric in metrics for split in self.reads[metric.name]}

    def without(self, lacking: Mapping[str, str]) -> Measures:
        """Return the measures without some metrics, for the reasons given."""
        return Measures(
            tuple(m for m in self.metrics if m.name not in lacking),
            {name: splits for name, splits in self.reads.items() if name not in lacking},
            {**self.left_out, **lacking},
        )


def choose_measures(given: Any, splits: Collection[str]) -> Measures:
    """Return the metrics asked for, or those of the usual ones that the benchmark has splits for.

    Raises
    ------
    ArgumentError
        A metric is unknown or named twice, or one that was asked for reads a split that is missing.
    """
    asked = given is not None
    metrics = _resolved(DEFAULT_METRICS if given is None else given)
    kept, reads, left_out = [], {}, {}
    for metric in metrics:
        lacking = _missing(metric, splits)
        if lacking and asked:
            raise ArgumentError(
                f"The metric {metric.name!r} reads {lacking}, which the benchmark does not have; "
                f"it has {_listed(splits)}. Leave the metric out, or choose another benchmark."
            )
        if lacking:
            left_out[metric.name] = f"the benchmark has no {lacking}"
        else:
            kept.append(metric)
            reads[metric.name] = _read(metric, splits)
    if not kept:
        raise ArgumentError(
            f"No metric can be computed on the splits {_listed(splits)}. Choose another benchmark."
        )
    return Measures(tuple(kept), reads, left_out)


def lacking_fields(measures: Measures, observed: Mapping[str, Observations]) -> dict[str, str]:
    """Return metrics that read what the backend does not record, with what that is.

    What a backend records is the same for all splits, so that one of them tells.
    """
    seen = next(iter(observed.values()), None)
    out = {}
    for metric in measures.metrics:
        absent = [f for f in metric.fields if seen and getattr(seen, f) is None]
        if absent:
            out[metric.name] = f"the backend records no {absent[0]}"
    return out


def choose_probe(given: str | None, splits: Collection[str]) -> str:
    """Return the split on which the distance in function space is taken.

    Raises
    ------
    ArgumentError
        The benchmark does not have the split, or none that can serve.
    """
    if given is not None:
        if given not in splits:
            raise unknown_name("split for probe=", given, splits)
        return given
    for split in _PROBES:
        if split in splits:
            return split
    raise ArgumentError(
        f"The benchmark has the splits {_listed(splits)}; the distance in function space is taken "
        f"on {', '.join(_PROBES)}, the first that there is. Metrics read the forget split, and a "
        "distance on the same samples would share their chance: ask for it with probe='forget' if "
        "you must."
    )


def _resolved(given: Any) -> list[Metric]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ArgumentError(
            f"metrics={shorten(repr(given), 60)}: give a list of names or metrics, for example "
            "metrics=['FA', 'JS']."
        )
    found: list[Metric] = []
    for each in given:
        if isinstance(each, str):
            metric: Metric = BUILTIN[each] if each in BUILTIN else get_metric(each)
        elif wrong := faults("metric", each):
            raise PluginError(f"{shorten(repr(each), 60)} is not a metric. {' '.join(wrong)}")
        else:
            metric = each
        if metric.name in [m.name for m in found]:
            raise ArgumentError(f"metrics= names {metric.name!r} twice.")
        found.append(metric)
    if not found:
        raise ArgumentError("metrics=[] leaves no metric; name at least one.")
    return found


def _missing(metric: Metric, splits: Collection[str]) -> str:
    """Say which splits a metric lacks; of the two held-out ones it may read, one will do."""
    lacking = [s for s in metric.reads if s not in splits]
    if all(s in metric.reads for s in _HELD_OUT) and any(s in splits for s in _HELD_OUT):
        lacking = [s for s in lacking if s not in _HELD_OUT]
    return " and ".join(lacking)


def _read(metric: Metric, splits: Collection[str]) -> tuple[str, ...]:
    there = [s for s in metric.reads if s in splits]
    # The built-in attacks read the test split only where there are no non-members.
    if isinstance(metric, ObservedMetric) and all(s in there for s in _HELD_OUT):
        there.remove("test")
    return tuple(there)


def _listed(splits: Collection[str]) -> str:
    return ", ".join(s for s in SPLITS if s in splits) or "none"
