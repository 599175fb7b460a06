"""How far a study is, from its files alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from metareval.results import Result
from metareval_backends.study.config import Study, read_study
from metareval_backends.study.lock import holder
from metareval_backends.study.plan import Cell, plan
from metareval_backends.study.store import Store


@dataclass(frozen=True, eq=False, repr=False)
class StudyStatus(Result):
    """How far a study is.

    Parameters
    ----------
    name : str
    out : Path
    blocks : DataFrame
        For each block: cells done, failed and in all.
    failed : mapping of str to str
        Why a cell failed, by its path.
    seconds_left : float or None
        Time that the cells left will take one after another, from those done; None where that
        cannot be said.
    running : str
        Process id of the run at work; empty where there is none.
    """

    name: str
    out: Path
    blocks: pd.DataFrame
    failed: Mapping[str, str]
    seconds_left: float | None
    running: str

    @property
    def done(self) -> int:
        """Cells that are there."""
        return int(self.blocks["done"].sum())

    @property
    def total(self) -> int:
        """Cells of the study."""
        return int(self.blocks["total"].sum())

    def headline(self) -> str:
        """Return one line with what is done, and the time left."""
        text = f"Study {self.name}: {self.done} of {self.total} cells done"
        if self.failed:
            text += f", {len(self.failed)} failed"
        if self.done < self.total and self.seconds_left is not None:
            text += f"; about {self.seconds_left:.0f} s of work left"
        return text + (f"; process {self.running} is at work" if self.running else "")

    def to_frame(self) -> pd.DataFrame:
        """Return the counts of each block."""
        return self.blocks


def study_status(study: Study | str, out: str | os.PathLike[str]) -> StudyStatus:
    """Say how far a study is.

    Parameters
    ----------
    study : Study or str
        A file or preset, as ``read_study`` takes it.
    out : path
        Folder of the study.

    Returns
    -------
    StudyStatus

    Raises
    ------
    ArgumentError, LoadError
        The file is not valid, or the folder holds cells that were made with other settings.
    """
    study = read_study(study) if isinstance(study, str) else study
    store = Store(out)
    rows, failed, index = [], {}, []
    seconds: dict[tuple[str, str], list[float]] = {}
    left: list[Cell] = []
    for block in plan(study):
        counts = {"done": 0, "failed": 0, "total": len(block.cells)}
        for cell in block.cells:
            if store.is_done(cell):
                counts["done"] += 1
                taken = store.record(cell).get("seconds")
                seconds.setdefault(_sort(cell), []).append(float(taken or 0))
                continue
            left.append(cell)
            if reason := store.error(cell):
                counts["failed"] += 1
                failed[cell.path] = reason
        rows.append(counts)
        index.append(block.label)
    return StudyStatus(
        name=study.name,
        out=store.out,
        blocks=pd.DataFrame(rows, index=pd.Index(index, name="block")),
        failed=failed,
        seconds_left=_left(left, seconds),
        running=holder(store.out),
    )


def _sort(cell: Cell) -> tuple[str, str]:
    # A base and an oracle are trained alike.
    return cell.architecture, "base" if cell.kind == "oracle" else cell.kind


def _left(cells: list[Cell], seconds: Mapping[tuple[str, str], list[float]]) -> float | None:
    everything = [value for values in seconds.values() for value in values]
    if not everything:
        return None
    total = 0.0
    for cell in cells:
        known = seconds.get(_sort(cell), everything)
        total += sum(known) / len(known)
    return total
