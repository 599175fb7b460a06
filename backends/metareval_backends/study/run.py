"""Run a study: make all cells that are not there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from metareval.errors import ArgumentError, unknown_name
from metareval.files import write_atomic
from metareval.progress import stage, track
from metareval.results import Result, printable
from metareval_backends.study.benchmarks import configured
from metareval_backends.study.config import Study, read_study
from metareval_backends.study.events import Engine, Event
from metareval_backends.study.lock import locked
from metareval_backends.study.plan import FORMAT_VERSION, plan
from metareval_backends.study.store import Store

ENGINES = ("local", "ray")
STUDY_FILE = "study.json"
_PACKAGES = ("metareval", "numpy", "torch", "transformers", "peft", "ray")


@dataclass(frozen=True, eq=False, repr=False)
class StudyRun(Result):
    """What a run did.

    Parameters
    ----------
    name : str
        Name of the study.
    out : Path
    total : int
        Cells of the study.
    stored : int
        Cells that were there before.
    made : int
        Cells that this run made.
    failed : mapping of str to str
        Why a cell failed, by its path.
    """

    name: str
    out: Path
    total: int
    stored: int
    made: int
    failed: Mapping[str, str]

    def headline(self) -> str:
        """Return one line with how many cells were made."""
        text = f"Study {self.name}: {self.total} cells; {self.stored} were there, {self.made} made"
        return f"{text}, {len(self.failed)} failed" if self.failed else text

    def to_frame(self) -> pd.DataFrame:
        """Return the cells that failed, and why."""
        return pd.DataFrame({"failed because": dict(self.failed)}, dtype=object).rename_axis("cell")


def run_study(
    study: Study | str,
    out: str | os.PathLike[str],
    *,
    engine: str = "local",
    workers: int | None = None,
) -> StudyRun:
    """Train, unlearn and observe all that is not in the folder yet.

    Parameters
    ----------
    study : Study or str
        A file or preset, as ``read_study`` takes it.
    out : path
        Folder of the study; made where it is not there. A run that was interrupted goes on where
        it stopped.
    engine : {"local", "ray"}
        Processes on this machine, or Ray tasks.
    workers : int, optional
        Processes at once; by default one for each architecture, as far as there are cores, and
        with Ray all that it has.

    Returns
    -------
    StudyRun
        Cells that failed are listed there; the others are made nevertheless.

    Raises
    ------
    ArgumentError
        The file is not valid, the folder holds cells that were made with other settings, or
        another run is working in it.
    MissingDependencyError, PluginError, OutputError
        Nothing can be computed or written.
    """
    study = read_study(study) if isinstance(study, str) else study
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    if workers is not None and (isinstance(workers, bool) or workers < 1):
        raise ArgumentError(f"workers={workers}: expected at least 1.")
    for choice in study.benchmarks:
        configured(choice)
    blocks = plan(study)
    store = Store(out)
    make = _engine(engine)
    store.prepare()
    with locked(store.out):
        store.check(blocks)
        store.clean(blocks)
        _write_study(study, store)
        cells = {cell.path: cell for block in blocks for cell in block.cells}
        stored = sum(store.is_done(cell) for cell in cells.values())
        left = len(cells) - stored
        stage(f"study {study.name}: {left} of {len(cells)} cells to make")
        failed: dict[str, str] = {}
        finished = stored
        events = make(study, blocks, store, workers=workers) if left else iter(())
        try:
            for each in track(events, total=left, label=f"study {study.name}"):
                for event in each:
                    finished += 1
                    if event.failure:
                        store.save_error(cells[event.cell], event.failure)
                        failed[event.cell] = str(event.failure["error"])
                    stage(_line(event, finished, len(cells)))
        finally:
            # No worker is left by now.
            store.clean(blocks)
        made = sum(store.is_done(cell) for cell in cells.values()) - stored
        left_out = [p for p, cell in cells.items() if p not in failed and not store.is_done(cell)]
        failed |= dict.fromkeys(left_out, "it was not made; run the study again")
    return StudyRun(study.name, store.out, len(cells), stored, made, failed)


def _line(event: Event, number: int, total: int) -> str:
    what = event.failure.get("error") or f"{event.seconds:.1f} s"
    return printable(f"[{number}/{total}] {event.cell}: {what}")


def _engine(name: str) -> Engine:
    if name == "local":
        from metareval_backends.study.local import run_local

        return run_local
    from metareval_backends.study.ray_engine import ray_engine

    return ray_engine()


def _write_study(study: Study, store: Store) -> None:
    found: dict[str, Any] = {
        "version": FORMAT_VERSION,
        "source": study.source,
        "study": study.data,
        "versions": installed_versions(),
    }
    write_atomic(store.out / STUDY_FILE, json.dumps(found, indent=2, ensure_ascii=True) + "\n")


def installed_versions() -> dict[str, str]:
    """Return the versions of packages, read without importing them."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
