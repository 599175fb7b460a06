"""From stored cells to the table of a study, without a model."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metareval.errors import LoadError, MetarevalError
from metareval.evaluation import function_distance
from metareval.evaluation.distance import noise_floor
from metareval.evaluation.measures import Measures, choose_measures, choose_probe
from metareval.files import csv_safe, write_atomic
from metareval.metrics import compute
from metareval.results import TEXT_WIDTH, Result, frame_text, printable, shorten
from metareval.table import MetricTable
from metareval_backends.study.config import Study, read_study
from metareval_backends.study.plan import BASE, REFERENCES, Block, Cell, oracle_name, plan
from metareval_backends.study.store import Record, Store

TABLE_CSV, TABLE_JSON, REFERENCES_CSV = "table.csv", "table.json", "references.csv"
LABELS = ("architecture", "benchmark", "block", "method", "strength", "seed")
COLUMNS = {"function": "distance", "weights": "weight_distance"}
FLOORS = {"function": "noise_floor", "weights": "weight_noise_floor"}
# A base that has learnt less than this of what it was trained on leaves little to forget.
LEARNT = 0.95

Observed = Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class StudyTable(Result):
    """The table of a study.

    Parameters
    ----------
    table : MetricTable
        One row for each unlearned model.
    references : DataFrame
        Bases and oracles, with the noise floor of their block.
    notes : tuple of str
        What to keep in mind, a sentence each.
    out : Path
    """

    table: MetricTable
    references: pd.DataFrame
    notes: tuple[str, ...]
    out: Path

    def headline(self) -> str:
        """Return one line with the number of models."""
        return (
            f"Study {self.table.name}: {len(self.table)} models, {len(self.references)} references"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return block, item, seed, metrics and distances."""
        frame = self.table.to_frame()
        return frame.set_index(list(self.table.role_columns))

    def __repr__(self) -> str:
        mean = self.table.aggregate()
        shown = mean.to_frame().set_index(list(mean.role_columns))
        references = self.references.drop(columns=["architecture", "benchmark"])
        lines = [
            textwrap.fill(printable(self.headline()), TEXT_WIDTH),
            "\nMeans over seeds:",
            frame_text(shown),
            "\nReferences:",
            frame_text(references.set_index(["block", "reference"])),
        ]
        if self.notes:
            lines += ["", *(textwrap.fill(printable(note), TEXT_WIDTH) for note in self.notes)]
        return "\n".join(lines)


def study_table(study: Study | str, out: str | os.PathLike[str]) -> StudyTable:
    """Measure what is stored, and write ``table.csv``, ``table.json`` and ``references.csv``.

    Parameters
    ----------
    study : Study or str
        A file or preset, as ``read_study`` takes it.
    out : path
        Folder of the study.

    Returns
    -------
    StudyTable
        Of the cells that are there; the notes say what is missing.

    Raises
    ------
    LoadError
        No block has its base and oracles and an unlearned model.
    ArgumentError, ObservationError
        Cells were made with other settings or are damaged, or a metric does not fit the benchmark.
    """
    study = read_study(study) if isinstance(study, str) else study
    store = Store(out)
    rows: list[dict[str, Any]] = []
    references: list[dict[str, Any]] = []
    notes: list[str] = []
    measured: dict[str, Any] = {}
    for block in plan(study):
        made = _Block(study, block, store)
        if lacking := made.lacking():
            notes.append(f"{block.label}: left out, since {lacking} is not there yet.")
            continue
        references += made.references()
        rows += made.rows()
        notes += made.notes
        measured |= {metric.name: metric for metric in made.measures.metrics}
    if not rows:
        raise LoadError(
            f"The folder {shorten(printable(str(store.out)), 200)} holds no unlearned model of the "
            f"study {study.name!r} yet. {' '.join(notes[:3])} Run: metareval study run "
            f"{shorten(printable(study.source.removeprefix('preset ')), 100)} --out FOLDER"
        )
    distances = [name for kind in study.distances for name in columns_of(study, kind)]
    frame = pd.DataFrame(rows).reindex(columns=[*LABELS, *measured, *distances])
    floors = [f"{FLOORS[k]}{end}" for k in study.distances for end in ("", "_highest")]
    places = ["architecture", "benchmark", "block", "reference"]
    known = pd.DataFrame(references).reindex(columns=[*places, *measured, *distances, *floors])
    oracle = columns_of(study, study.distances[0])
    several = any(len(s) > 1 for m in study.methods for s in m.strengths.values())
    table = MetricTable.from_frame(
        frame,
        metrics=list(measured),
        directions={name: metric.direction for name, metric in measured.items()},
        oracle=oracle[0] if len(oracle) == 1 else oracle,
        block="block",
        item=["method", "strength"] if several else "method",
        replicate="seed",
        name=study.name,
        oracle_shared=[name for name, metric in measured.items() if metric.needs_oracle],
    )
    write_atomic(store.out / TABLE_CSV, csv_safe(frame, index=False))
    write_atomic(store.out / REFERENCES_CSV, csv_safe(known, index=False))
    table.save(store.out / TABLE_JSON)
    return StudyTable(table, known, (*notes, *_constant(table)), store.out)


def columns_of(study: Study, kind: str) -> list[str]:
    """Return the columns with distances of a kind, one for each oracle."""
    return [f"{COLUMNS[kind]}_{i}" for i in range(1, study.oracles + 1)]


class _Block:
    """The cells of one block, measured."""

    def __init__(self, study: Study, block: Block, store: Store) -> None:
        self.study, self.block, self.store = study, block, store
        self.cells = {cell.name: cell for cell in block.cells}
        self.oracles = [oracle_name(i) for i in range(1, study.oracles + 1)]
        self.notes: list[str] = []
        self.measures: Measures
        self.seen: dict[str, Observed] = {}
        self._records: dict[str, Record] = {}

    def lacking(self) -> str:
        """Return a reference that is not there; empty where all are."""
        wanted = [BASE, *self.oracles]
        if "weights" in self.study.distances:
            wanted.append(REFERENCES)
        return next((n for n in wanted if not self.store.is_done(self.cells[n])), "")

    def references(self) -> Iterator[dict[str, Any]]:
        """Yield a row for the base and each oracle; reads them for the other rows too."""
        splits = self.store.splits(self.cells[BASE])
        try:
            self.measures = choose_measures(self.study.metrics, splits)
            self.probe = choose_probe(self.study.probe, splits)
        except MetarevalError as error:
            raise type(error)(f"{self.block.label}: {error}") from error
        names = [BASE, *self.oracles]
        self.seen = {name: self._observed(self.cells[name]) for name in names}
        floors = self._floors()
        self._check_base()
        for name in names:
            found = {"reference": name, **floors}
            found |= self._measured(self.cells[name], self.seen[name], name)
            yield found

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each unlearned model that is there."""
        wanted = [cell for cell in self.block.cells if cell.kind == "unlearned"]
        missing = [cell.name for cell in wanted if not self.store.is_done(cell)]
        if missing:
            self.notes.append(
                f"{self.block.label}: {len(missing)} of {len(wanted)} unlearned models are not "
                f"there yet, {missing[0]} for one."
            )
        for cell in wanted:
            if cell.name in missing:
                continue
            labels = {"method": cell.method, "strength": cell.strength, "seed": cell.seed}
            yield {**labels, **self._measured(cell, self._observed(cell))}

    def _observed(self, cell: Cell) -> Observed:
        self._record(cell)
        return self.store.observations(cell, self.measures.splits() | {self.probe})

    def _measured(self, cell: Cell, observed: Observed, name: str = "") -> dict[str, Any]:
        """Measure a cell; one of the references by its name."""
        found: dict[str, Any] = {
            "architecture": cell.architecture,
            "benchmark": cell.benchmark,
            "block": self.block.label,
        }
        first = self.seen[self.oracles[0]]
        for metric in self.measures.metrics:
            reads = self.measures.reads[metric.name]
            mine, theirs = ({s: each[s] for s in reads} for each in (observed, first))
            ask = partial(compute, [metric], mine, theirs if metric.needs_oracle else None)
            found[metric.name] = self._attempt(cell, metric.name, ask)
        for kind in self.study.distances:
            for column, oracle in zip(columns_of(self.study, kind), self.oracles, strict=True):
                if kind == "weights":
                    found[column] = self._weights(cell, oracle, name)
                else:
                    there = self.seen[oracle][self.probe]
                    found[column] = function_distance(observed[self.probe], there)
        return found

    def _weights(self, cell: Cell, oracle: str, name: str) -> float:
        if oracle == name:
            return 0.0
        names = (oracle,) if not name else (name, oracle)
        cell = self.cells[REFERENCES] if name else cell
        return self.store.weight_distance(cell, self._record(cell), *names)

    def _record(self, cell: Cell) -> Record:
        """Read the record of a cell, once for all that asks for it."""
        if cell.name not in self._records:
            self._records[cell.name] = self.store.record(cell)
        return self._records[cell.name]

    def _attempt(self, cell: Cell, name: str, ask: Callable[[], Mapping[str, float]]) -> float:
        try:
            return ask()[name]
        except MetarevalError as error:
            self.notes.append(f"{cell.path}: {' '.join(str(error).split())}")
            return float("nan")

    def _floors(self) -> dict[str, float]:
        found = {}
        for kind in self.study.distances:
            floor = noise_floor(self.oracles, partial(self._between, kind))
            if floor is not None:
                found[FLOORS[kind]] = floor.mean
                found[f"{FLOORS[kind]}_highest"] = floor.highest
        return found

    def _between(self, kind: str, a: str, b: str) -> float:
        if kind == "weights":
            return self._weights(self.cells[a], b, a)
        return function_distance(self.seen[a][self.probe], self.seen[b][self.probe])

    def _check_base(self) -> None:
        for split in ("forget", "retain"):
            seen = self.store.observations(self.cells[BASE], [split])[split]
            right = np.mean([a == g for a, g in zip(seen.answers, seen.gold, strict=True)])
            if right < LEARNT:
                self.notes.append(
                    f"{self.block.label}: the base answers {right:.0%} of {split} rightly; a model "
                    "that has not learnt has little to forget. Train it longer."
                )


def _constant(table: MetricTable) -> Iterator[str]:
    labels = table.labels("block")
    for label in table.levels("block"):
        part = table.frame.loc[[each == label for each in labels]]
        if len(part) < 2:
            continue
        same = [m for m in table.metrics if part[m].nunique(dropna=False) == 1]
        if same:
            yield f"{label}: {_listed(same)} the same for all models, and says nothing there."


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are each'}"
