"""What an evaluation gives: the table, what became of each checkpoint, and the noise floor."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from metareval.evaluation.distance import NoiseFloor
from metareval.files import csv_safe, write_together
from metareval.results import TEXT_WIDTH, Result, cell_text, frame_text, plain, plural, printable
from metareval.table import MetricTable

FORMAT_VERSION = 1
BELOW_FLOOR = "below floor"
_NAME_WIDTH = 26
TABLE_CSV, TABLE_JSON, SUMMARY = "table.csv", "table.json", "summary.json"


@dataclass(frozen=True, eq=False)
class Row:
    """What became of one checkpoint.

    Parameters
    ----------
    checkpoint : str
    labels : mapping of str to str
    values : mapping of str to float
        Metrics, by name; NaN where one could not be computed. Empty where the checkpoint failed.
    distances : mapping of str to float
        By name of the column.
    sources : mapping of str to str
        By split: stored, or observed.
    errors : mapping of str to str
        What failed, by metric or column; under ``"checkpoint"`` where all of it did.
    below_floor : bool or None
        Whether it is closer to the oracles than they are to each other; None where that is not
        known.
    """

    checkpoint: str
    labels: Mapping[str, str]
    values: Mapping[str, float] = field(default_factory=dict)
    distances: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    below_floor: bool | None = None

    @property
    def status(self) -> str:
        """``done``, ``incomplete`` (a metric or distance failed) or ``failed`` (no row)."""
        if "checkpoint" in self.errors:
            return "failed"
        return "incomplete" if self.errors else "done"

    @property
    def problem(self) -> str:
        """What failed, in one text; empty where nothing did."""
        return " ".join(
            text if what == "checkpoint" else f"{what}: {text}"
            for what, text in self.errors.items()
        )


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result):
    """Checkpoints turned into a table.

    Parameters
    ----------
    table : MetricTable
        One row for each checkpoint that could be evaluated, with the distance to the oracle.
    out : Path
        The folder with ``observations/``, ``table.csv``, ``table.json`` and ``summary.json``.
    rows : tuple of Row
        What became of each checkpoint, failed ones among them.
    noise_floor : mapping of str to NoiseFloor
        By kind of distance; empty with one oracle.
    left_out : mapping of str to str
        Metrics that were not computed, with the reason.
    notes : tuple of str
        What to keep in mind, a sentence each.
    setting : mapping
        Backend, benchmark, oracles and what else was chosen.
    """

    table: MetricTable
    out: Path
    rows: tuple[Row, ...]
    noise_floor: Mapping[str, NoiseFloor]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    setting: Mapping[str, Any]

    @property
    def failed(self) -> dict[str, str]:
        """What failed, by checkpoint: those without a row, and those with a value missing."""
        return {row.checkpoint: row.problem for row in self.rows if row.errors}

    def headline(self) -> str:
        """Return one line with what was evaluated and how many checkpoints failed."""
        counts = plural(len(self.table), "row")
        if self.failed:
            counts += f", {len(self.failed)} of {len(self.rows)} checkpoints with errors"
        oracles = len(self.setting["oracles"])
        return (
            f"Evaluation on {self.setting['benchmark']} with {self.setting['backend']}: {counts}; "
            f"{plural(oracles, 'oracle')}; {plural(len(self.table.metrics), 'metric')}"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return labels, metrics and distances of the checkpoints in the table."""
        frame = self.table.frame.set_index("checkpoint")
        marks = {row.checkpoint: row.below_floor for row in self.rows}
        if any(mark is not None for mark in marks.values()):
            frame[BELOW_FLOOR] = [marks[name] for name in frame.index]
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Return what ``summary.json`` holds."""
        found = {
            "version": FORMAT_VERSION,
            **self.setting,
            "left_out": self.left_out,
            "noise_floor": {
                kind: {"mean": f.mean, "highest": f.highest, "n_pairs": f.n_pairs}
                for kind, f in self.noise_floor.items()
            },
            "checkpoints": [
                {
                    "checkpoint": row.checkpoint,
                    "labels": row.labels,
                    "status": row.status,
                    "metrics": row.values,
                    "distances": row.distances,
                    "below_floor": row.below_floor,
                    "observations": row.sources,
                    "errors": row.errors,
                }
                for row in self.rows
            ],
            "notes": self.notes,
        }
        out: dict[str, Any] = plain(found)
        return out

    def save(self) -> None:
        """Write the table and the summary into the folder: all files, each whole, or none.

        Raises
        ------
        OutputError
            A file could not be written.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=True)
        write_together(
            {
                self.out / TABLE_CSV: csv_safe(self.table.frame, index=False),
                self.out / TABLE_JSON: self.table.saved_text(),
                self.out / SUMMARY: text + "\n",
            }
        )

    def __repr__(self) -> str:
        frame = self.to_frame()
        # Paths differ at their ends, and a column of text is cut at its end.
        frame.index = pd.Index([_tail(name) for name in frame.index], name=frame.index.name)
        lines = [textwrap.fill(printable(self.headline()), TEXT_WIDTH), frame_text(frame)]
        for kind, floor in self.noise_floor.items():
            lines.append(
                f"Noise floor ({kind}): mean {cell_text(floor.mean)}, highest "
                f"{cell_text(floor.highest)}; {floor.n_pairs} "
                f"{'pair' if floor.n_pairs == 1 else 'pairs'} of oracles."
            )
        if self.left_out:
            reasons = pd.DataFrame({"left out because": dict(self.left_out)})
            lines += ["", frame_text(reasons.rename_axis("metric"))]
        if self.notes:
            lines += ["", *(textwrap.fill(printable(note), TEXT_WIDTH) for note in self.notes)]
        return "\n".join(lines)


def _tail(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else "\N{HORIZONTAL ELLIPSIS}" + name[1 - _NAME_WIDTH :]
