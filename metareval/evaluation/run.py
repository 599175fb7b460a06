"""Evaluate checkpoints: observe, measure, and make a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import metareval
from metareval.errors import LoadError, ObservationError
from metareval.evaluation.job import Job
from metareval.evaluation.listing import CHECKPOINT
from metareval.evaluation.measures import choose_measures, choose_probe
from metareval.evaluation.models import BackendDoor
from metareval.evaluation.observing import STORED_UNCOMPARED, Observer
from metareval.evaluation.result import Evaluation, Row
from metareval.evaluation.rows import Layout, distance_columns
from metareval.evaluation.samples import read_samples
from metareval.evaluation.specs import (
    CheckpointSpec,
    checkpoint_specs,
    oracle_names,
    place,
    shown_name,
)
from metareval.evaluation.storage import Store
from metareval.evaluation.weights import WeightDistances
from metareval.plugins import get_benchmark
from metareval.protocols import Backend, Benchmark, Metric
from metareval.results import shorten
from metareval.validation import Role

_FAILURES_SHOWN = 3


def evaluate(
    backend: str | Backend,
    checkpoints: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | CheckpointSpec],
    *,
    oracle: str | os.PathLike[str] | CheckpointSpec | Sequence[str | CheckpointSpec],
    benchmark: str | Benchmark,
    out: str | os.PathLike[str],
    base: str | None = None,
    metrics: Iterable[str | Metric] | None = None,
    distance: str | Sequence[str] = "function",
    probe: str | None = None,
    batch_size: int | None = None,
    layer: str | None = None,
    limit: int | None = None,
    block: Role | None = None,
    item: Role | None = None,
    replicate: Role | None = None,
) -> Evaluation:
    """Observe checkpoints and oracles on a benchmark, and measure them.

    Every model is observed once and what it did is stored in ``out``. A second call uses what is
    stored as long as checkpoint, setting and samples are the same; it then needs neither the model
    nor the packages of the backend. One model is in memory at a time. A checkpoint that fails is
    reported in ``failed`` and the others go on; an oracle that fails stops the evaluation.

    Parameters
    ----------
    backend : str or Backend
        Name of an installed backend, or a backend.
    checkpoints : list of str or CheckpointSpec, or path
        Local folders or hub ids, or a CSV, TSV, JSON or JSON lines file with a column
        ``checkpoint`` whose other columns are labels.
    oracle : str, CheckpointSpec or sequence of them
        Models retrained without the forget split, one or several. The distance is taken to each;
        metrics that need an oracle use the first.
    benchmark : str or Benchmark
        Name of an installed benchmark, or a benchmark.
    out : path
        Folder for observations and results; made where it is not there.
    base : str, optional
        The model that adapters belong to.
    metrics : iterable of str or Metric, optional
        By default FA, RA, MIA, AD, JS and FA_gap, those that benchmark and backend have data for.
    distance : {"function", "weights"} or both
        Mean Jensen-Shannon divergence on the probe split, in nats, or what the backend's
        ``weight_distance`` measures. The first named is the table's oracle.
    probe : str, optional
        Split for the function distance: ``nonmember``, else ``test``, else ``retain``.
    batch_size, layer : optional
        Passed to the backend.
    limit : int, optional
        Use the first so many samples of each split, to try things out.
    block, item, replicate : str or sequence of str, optional
        Labels that have these roles in the table. Without any, the checkpoint is the item.

    Returns
    -------
    Evaluation
        ``table`` goes into every question and the report; ``table.json`` in ``out`` is the same
        table for the command line.

    Raises
    ------
    ArgumentError
        An argument does not fit: unknown name, repeated checkpoint, label that is a metric's name.
    LoadError, ObservationError
        An oracle failed, or every checkpoint did.
    PluginError, MissingDependencyError
        Backend, benchmark or a metric cannot be used.
    OutputError
        A file could not be written.

    Examples
    --------
    >>> import metareval as mr
    >>> done = mr.evaluate(
    ...     "llava",
    ...     ["runs/ga-1", "runs/npo-1"],
    ...     oracle=["runs/oracle-1", "runs/oracle-2"],
    ...     benchmark="portraits-faces",
    ...     base="runs/base",
    ...     out="results",
    ... )  # doctest: +SKIP
    >>> mr.reliability(done.table)  # doctest: +SKIP
    """
    specs, oracles = checkpoint_specs(checkpoints), oracle_names(oracle)
    columns = distance_columns(distance, len(oracles))
    asked = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    samples = read_samples(asked, limit)
    measures = choose_measures(metrics, samples)
    roles = {"block": block, "item": item, "replicate": replicate}
    if all(role is None for role in roles.values()):
        roles["item"] = CHECKPOINT
    layout = Layout(tuple(specs[0].labels), columns, roles, asked.name)
    layout.check(specs, measures)
    probe = choose_probe(probe, samples) if "function" in columns else None
    door = BackendDoor(backend)
    setting = {
        "backend": door.name,
        "base": base or "",
        "layer": layer or "",
        "benchmark": asked.name,
        "limit": "" if limit is None else str(limit),
    }
    observer = Observer(door, Store(out), samples, setting, base, batch_size, layer)
    job = Job(observer, WeightDistances(observer.store, door, base), measures, columns, probe)
    if "weights" in columns:
        try:
            first = observer.identity(oracles[0]), observer.identity(specs[0].checkpoint)
            known = job.weights.stored(first[1], first[0])
        # What cannot be read is reported when it is its turn.
        except LoadError:
            known = None
        if known is None:
            # A backend without such a distance is refused now, not after hours of observing.
            door.weight_distance()
    job.see_oracles(oracles, drop_lacking=metrics is None)
    rows = tuple(
        job.row(spec, label=f"[{i}/{len(specs)}]") for i, spec in enumerate(specs, start=1)
    )
    _refuse_none(rows)
    result = Evaluation(
        table=layout.table([row for row in rows if row.status != "failed"], job.measures),
        out=observer.store.out,
        rows=rows,
        noise_floor=job.floor,
        left_out=job.measures.left_out,
        notes=tuple(_notes(rows, job, oracles, limit)),
        setting={
            "metareval": metareval.__version__,
            "backend": door.name,
            "base": base,
            "layer": layer,
            "benchmark": asked.name,
            "limit": limit,
            "oracles": list(oracles),
            "oracle_observations": {s.identity.names["checkpoint"]: s.sources for s in job.oracles},
            "samples": {split: len(samples[split]) for split in observer.hashes},
            "sample_hashes": dict(observer.hashes),
            "metrics": {metric.name: metric.direction for metric in job.measures.metrics},
            "probe": probe,
            "distances": {kind: list(names) for kind, names in columns.items()},
            "roles": roles,
        },
    )
    result.save()
    return result


def _refuse_none(rows: Sequence[Row]) -> None:
    if any(row.status != "failed" for row in rows):
        return
    shown = [f"{shown_name(row.checkpoint)}: {row.problem}" for row in rows[:_FAILURES_SHOWN]]
    more = f" And {len(rows) - _FAILURES_SHOWN} more." * (len(rows) > _FAILURES_SHOWN)
    raise ObservationError(
        f"None of the {len(rows)} checkpoints could be observed, so there is no table and nothing "
        f"was written but observations. {' '.join(shown)}{more}"
    )


def _notes(rows: Sequence[Row], job: Job, oracles: Sequence[str], limit: int | None) -> list[str]:
    """Say what a reader of the table should keep in mind."""
    notes = []
    if limit is not None:
        notes.append(f"At most {limit} samples of each split were used (limit).")
    if len(oracles) == 1:
        notes.append(
            "There is one oracle, so how much of the distances is its own noise is not known. "
            "Two or more, retrained with other seeds, give a noise floor."
        )
    below = [row.checkpoint for row in rows if row.below_floor]
    if below:
        notes.append(
            f"Closer to the oracles than these are to each other on average: {_names(below)}. "
            "Their order is within the oracles' own noise."
        )
    places = set(map(place, oracles))
    shared = [row.checkpoint for row in rows if place(row.checkpoint) in places]
    if shared:
        notes.append(
            f"An oracle is among the checkpoints: {_names(shared)}. Its distance to itself is 0, "
            "which flatters every metric that compares with it."
        )
    sources = [(row.checkpoint, row.sources) for row in rows]
    sources += [(s.identity.names["checkpoint"], s.sources) for s in job.oracles]
    again = [
        f"{shown_name(name)} {split} ({shorten(text.partition(': ')[2], 120)})"
        for name, splits in dict(sources).items()
        for split, text in splits.items()
        if " again" in text
    ]
    if again:
        notes.append(f"Observed again: {'; '.join(again)}.")
    unseen = [name for name, s in dict(sources).items() if STORED_UNCOMPARED in s.values()]
    if unseen:
        notes.append(
            "Stored observations were taken by the checkpoint's name, since its files are not here "
            f"to be compared: {_names(unseen)}."
        )
    return notes


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" * (len(names) > 5)
    return ", ".join(map(shown_name, names[:5])) + more
